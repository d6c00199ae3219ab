package graph

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/coder/websocket"

	"lorebridge/auth"
)

// StreamTimes are how long WebSockets and event streams wait.
type StreamTimes struct {
	// Init is how long a WebSocket may take for its connection_init. Zero is 10 seconds.
	Init time.Duration
	// Ping is how often a client is shown that the server is alive; one of a WebSocket must answer within twice that.
	// Zero is 15 seconds.
	Ping time.Duration
	// Write is how long a client may take nothing before it is cut off. Zero is 10 seconds.
	Write time.Duration
}

func (t StreamTimes) withDefaults() StreamTimes {
	return StreamTimes{
		Init:  cmp.Or(t.Init, 10*time.Second),
		Ping:  cmp.Or(t.Ping, 15*time.Second),
		Write: cmp.Or(t.Write, 10*time.Second),
	}
}

const (
	// DefaultMaxStreams is how many WebSockets and event streams there may be at a time.
	DefaultMaxStreams = 5000
	// maxConnectionsEach is how many of them may be one person's, or of one address where nobody is signed in.
	maxConnectionsEach = 100
	// retryStreamAfter is how long whoever is refused for it should wait.
	retryStreamAfter = time.Minute
)

// closing is why a connection ends, with the code that a WebSocket is told.
type closing struct {
	code   websocket.StatusCode
	reason string // for clients
}

func (c closing) Error() string { return c.reason }

// errStopping makes graphql-ws connect again.
var errStopping = closing{websocket.StatusServiceRestart, "the server is stopping: connect again"}

// connections are the WebSockets and event streams that are open: what lasts, and must end with the server. They may
// be used concurrently.
type connections struct {
	accounts *auth.Accounts
	most     int

	// mu guards everything below, and connection's holder.
	mu      sync.Mutex
	open    map[*connection]struct{}
	held    map[holder]int
	stopped bool
	running sync.WaitGroup // added to only before stopped
}

// holder is whom a connection counts for: a person, or else an address.
type holder struct {
	userID  int
	address string // as auth.Client.Key has it
}

// connection is one of them. It ends with its context, whose cause says why.
type connection struct {
	all    *connections
	end    context.CancelCauseFunc
	holder holder
	unbind func() // from a session
}

func newConnections(accounts *auth.Accounts, most int) *connections {
	return &connections{accounts: accounts, most: cmp.Or(most, DefaultMaxStreams), open: make(map[*connection]struct{}), held: make(map[holder]int)}
}

// begin counts a connection in for its address, or returns errStopping or an *auth.RateLimitError. Whoever began it
// calls done.
func (all *connections) begin(ctx context.Context) (context.Context, *connection, error) {
	all.mu.Lock()
	defer all.mu.Unlock()
	h := holder{address: auth.ClientFrom(ctx).Key()}
	switch {
	case all.stopped:
		return nil, nil, errStopping
	case len(all.open) >= all.most || all.held[h] >= maxConnectionsEach:
		return nil, nil, &auth.RateLimitError{RetryAfter: retryStreamAfter}
	}
	ctx, end := context.WithCancelCause(ctx)
	c := &connection{all: all, end: end, holder: h, unbind: func() {}}
	all.open[c] = struct{}{}
	all.held[h]++
	all.running.Add(1)
	return ctx, c, nil
}

// bind makes the connection one of the viewer's, which ends with the viewer's session. auth.ErrSessionEnded says that
// it has ended by now, an *auth.RateLimitError that the viewer has too many connections; other errors are the
// database's.
func (c *connection) bind(ctx context.Context, viewer auth.Viewer) error {
	if err := c.count(viewer); err != nil {
		return err
	}
	c.unbind = c.all.accounts.OnEnd(viewer, c.end)
	// Only now: a session that ends after this finds the connection.
	holds, err := c.all.accounts.Holds(ctx, viewer)
	if err == nil && !holds {
		err = auth.ErrSessionEnded
	}
	return err
}

// count has the connection count for a person, and no longer for an address. An *auth.RateLimitError says that there
// are too many.
func (c *connection) count(viewer auth.Viewer) error {
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	h := holder{userID: viewer.UserID}
	if c.all.held[h] >= maxConnectionsEach {
		return &auth.RateLimitError{RetryAfter: retryStreamAfter}
	}
	c.all.release(c.holder)
	c.all.held[h]++
	c.holder = h
	return nil
}

// done counts the connection out.
func (c *connection) done() {
	c.end(errors.New("the connection is done")) // nobody is told: whatever ended it came first
	c.unbind()
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	delete(c.all.open, c)
	c.all.release(c.holder)
	c.all.running.Done()
}

// release gives a place back. all.mu is held.
func (all *connections) release(h holder) {
	all.held[h]--
	if all.held[h] == 0 {
		delete(all.held, h)
	}
}

// stop ends all connections, begins no more, and returns when they are done.
func (all *connections) stop() {
	all.mu.Lock()
	all.stopped = true
	for c := range all.open {
		c.end(errStopping)
	}
	all.mu.Unlock()
	all.running.Wait()
}
