package auth

import (
	"context"
	"sync"
)

// ErrSessionEnded is why something ends whose session does. It wraps ErrUnauthenticated.
var ErrSessionEnded error = unauthenticated("this session has ended: sign in again")

// requests are those that are being answered for sessions: WebSockets and event streams too, as long as they are
// open. They are a Listener.
type requests struct {
	mu   sync.Mutex
	open map[*request]struct{}
}

// request is one of them.
type request struct {
	all     *requests
	session int
	end     func(cause error)
}

var _ Listener = (*requests)(nil)

// OnEnd calls end with ErrSessionEnded when the viewer's session has ended, unless the function that it returns was
// called before. A session that has ended by now may be noticed a few seconds later. end must not block.
func (a *Accounts) OnEnd(viewer Viewer, end func(cause error)) (stop func()) {
	return a.requests.add(viewer.SessionID, end).stop
}

func (all *requests) add(session int, end func(cause error)) *request {
	r := &request{all, session, end}
	all.mu.Lock()
	defer all.mu.Unlock()
	all.open[r] = struct{}{}
	return r
}

func (r *request) stop() {
	r.all.mu.Lock()
	defer r.all.mu.Unlock()
	delete(r.all.open, r)
}

func (all *requests) OpenSessions() []int {
	all.mu.Lock()
	defer all.mu.Unlock()
	ids := make([]int, 0, len(all.open))
	for r := range all.open {
		ids = append(ids, r.session)
	}
	return ids
}

func (all *requests) EndSession(id int, _ EndReason) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for r := range all.open {
		if r.session == id {
			r.end(ErrSessionEnded)
		}
	}
}

type requestKey struct{}

// during returns a context for the request of the viewer, which ends with the viewer's session: its cause is then
// ErrSessionEnded. Whoever has answered the request calls done.
func (all *requests) during(ctx context.Context, viewer Viewer) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	r := all.add(viewer.SessionID, cancel)
	return context.WithValue(ctx, requestKey{}, r), func() {
		r.stop()
		cancel(nil)
	}
}

// Detach lets the request of ctx go on when the session ends that it shows: for one that ends the session itself, or
// goes on as somebody else.
func Detach(ctx context.Context) {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		r.stop()
	}
}
