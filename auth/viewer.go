package auth

import (
	"context"
	"errors"
	"time"

	"lorebridge/ent/privacy"
)

// ErrUnauthenticated is returned if nobody is signed in or the credentials are wrong. Compare with errors.Is.
var ErrUnauthenticated = errors.New("sign in first: nobody is signed in")

// unauthenticated is an ErrUnauthenticated with a message of its own.
type unauthenticated string

func (e unauthenticated) Error() string { return string(e) }

func (unauthenticated) Is(target error) bool { return target == ErrUnauthenticated }

// Viewer is the person who sends a request.
type Viewer struct {
	UserID int
	// Name is the person's. It is empty if nobody has read it.
	Name      string
	SessionID int
	// ExpiresAt is the time at which the session expires.
	ExpiresAt time.Time
}

type viewerKey struct{}

// NewContext returns a context with v as its viewer.
func NewContext(ctx context.Context, v Viewer) context.Context {
	return context.WithValue(ctx, viewerKey{}, v)
}

// FromContext returns the viewer of ctx, or an error that wraps ErrUnauthenticated and names the reason.
func FromContext(ctx context.Context) (Viewer, error) {
	if v, ok := ctx.Value(viewerKey{}).(Viewer); ok {
		return v, nil
	}
	if err, ok := ctx.Value(rejectionKey{}).(error); ok {
		return Viewer{}, err
	}
	return Viewer{}, ErrUnauthenticated
}

// EndedFrom returns the holder of a session that the request shows and that ended within KeepEnded. Use it only to
// inform that person: FromContext returns an error for such a request.
func EndedFrom(ctx context.Context) (Viewer, bool) {
	err, _ := ctx.Value(rejectionKey{}).(error)
	ended, ok := errors.AsType[endedError](err)
	return ended.viewer, ok && ended.viewer != Viewer{}
}

// rejectionKey is the context key for the reason why a session that was shown does not count.
type rejectionKey struct{}

// AsSystem returns a context in which the server itself acts and every privacy rule allows. Use it for work before
// somebody is signed in, or for nobody in particular: sessions, the relay, retention.
func AsSystem(ctx context.Context) context.Context {
	return privacy.DecisionContext(ctx, privacy.Allow)
}
