package auth

import (
	"context"
	"sync"
)

// ErrSessionEnded is the cause of a context that ends with its session. It wraps ErrUnauthenticated.
var ErrSessionEnded error = unauthenticated("this session has ended: sign in again")

// requests holds the requests in progress that belong to a session, and the WebSockets and event streams that are
// open. It is a Listener.
type requests struct {
	openMu sync.Mutex
	open   map[*request]struct{}
}

// request is one request in progress.
type request struct {
	all     *requests
	session int
	end     func(cause error)
}

var _ Listener = (*requests)(nil)

// OnEnd calls end with ErrSessionEnded when the viewer's session has ended, unless stop was called before. If the
// session has already ended, the call may come a few seconds later. end must not block.
func (a *Accounts) OnEnd(viewer Viewer, end func(cause error)) (stop func()) {
	return a.requests.add(viewer.SessionID, end).stop
}

func (all *requests) add(session int, end func(cause error)) *request {
	r := &request{all, session, end}
	all.openMu.Lock()
	defer all.openMu.Unlock()
	all.open[r] = struct{}{}
	return r
}

func (r *request) stop() {
	r.all.openMu.Lock()
	defer r.all.openMu.Unlock()
	delete(r.all.open, r)
}

func (all *requests) OpenSessions() []int {
	all.openMu.Lock()
	defer all.openMu.Unlock()
	ids := make([]int, 0, len(all.open))
	for r := range all.open {
		ids = append(ids, r.session)
	}
	return ids
}

func (all *requests) EndSession(id int, _ EndReason) {
	all.openMu.Lock()
	defer all.openMu.Unlock()
	for r := range all.open {
		if r.session == id {
			r.end(ErrSessionEnded)
		}
	}
}

type requestKey struct{}

// during returns a context for a request of the viewer. The context ends with the viewer's session, with the cause
// ErrSessionEnded. Call done when the request is answered.
func (all *requests) during(ctx context.Context, viewer Viewer) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	r := all.add(viewer.SessionID, cancel)
	return context.WithValue(ctx, requestKey{}, r), func() {
		r.stop()
		cancel(nil)
	}
}

// Detach lets the request of ctx continue after its session has ended. Use it in a request that ends its own session
// or switches to another account.
func Detach(ctx context.Context) {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		r.stop()
	}
}
