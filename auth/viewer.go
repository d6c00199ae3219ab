package auth

import (
	"context"
	"errors"
	"time"

	"lorebridge/ent/privacy"
)

// ErrUnauthenticated says that nobody is signed in, or not with these credentials. Compare with errors.Is.
var ErrUnauthenticated = errors.New("sign in first: nobody is signed in")

// unauthenticated is an ErrUnauthenticated that says which of its reasons it is.
type unauthenticated string

func (e unauthenticated) Error() string { return string(e) }

func (unauthenticated) Is(target error) bool { return target == ErrUnauthenticated }

// Viewer is who is asking.
type Viewer struct {
	UserID int
	// Name is the person's, or empty where nobody has read it.
	Name      string
	SessionID int
	// ExpiresAt is when the session ends by itself.
	ExpiresAt time.Time
}

type viewerKey struct{}

// NewContext returns a context in which v is asking.
func NewContext(ctx context.Context, v Viewer) context.Context {
	return context.WithValue(ctx, viewerKey{}, v)
}

// FromContext returns who is asking, or an error that wraps ErrUnauthenticated and says why nobody is.
func FromContext(ctx context.Context) (Viewer, error) {
	if v, ok := ctx.Value(viewerKey{}).(Viewer); ok {
		return v, nil
	}
	if err, ok := ctx.Value(refusalKey{}).(error); ok {
		return Viewer{}, err
	}
	return Viewer{}, ErrUnauthenticated
}

// EndedFrom returns who held the session that the request shows, where that has ended within KeepEnded: signed out or
// expired. It is only for telling that person so: FromContext says that nobody is asking.
func EndedFrom(ctx context.Context) (Viewer, bool) {
	err, _ := ctx.Value(refusalKey{}).(error)
	ended, ok := errors.AsType[endedError](err)
	return ended.viewer, ok && ended.viewer != Viewer{}
}

// refusalKey is where the middleware leaves why a session that was shown does not count.
type refusalKey struct{}

// AsSystem returns a context in which the server itself acts and every privacy rule allows. It is for what must
// work before somebody is signed in, or for nobody in particular: sessions, the relay, retention.
func AsSystem(ctx context.Context) context.Context {
	return privacy.DecisionContext(ctx, privacy.Allow)
}
