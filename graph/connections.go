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

// StreamTimes limits how long WebSockets and event streams wait.
type StreamTimes struct {
	// Init is how long a WebSocket may take for its connection_init. Zero is 10 seconds.
	Init time.Duration
	// Ping is the interval at which the server sends a sign of life. A WebSocket's client must answer within twice
	// that. Zero is 15 seconds.
	Ping time.Duration
	// Write is how long a client may read nothing before the server closes its connection. Zero is 10 seconds.
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
	// DefaultMaxStreams is how many WebSockets and event streams may be open at a time.
	DefaultMaxStreams = 5000
	// maxConnectionsEach is how many of them one person may have, or one address if nobody is signed in.
	maxConnectionsEach = 100
	// retryStreamAfter is how long a client should wait that has reached one of these limits.
	retryStreamAfter = time.Minute
)

// closing is the reason for which a connection ends. The code is the close code of a WebSocket.
type closing struct {
	code   websocket.StatusCode
	reason string // for clients
}

func (c closing) Error() string { return c.reason }

// errStopping makes graphql-ws connect again.
var errStopping = closing{websocket.StatusServiceRestart, "the server is stopping: connect again"}

// connections holds the open WebSockets and event streams. They last, and must end with the server. All methods may be
// called concurrently.
type connections struct {
	accounts *auth.Accounts
	most     int

	// mu guards everything below, and connection.holder.
	mu      sync.Mutex
	open    map[*connection]struct{}
	held    map[holder]int
	stopped bool
	running sync.WaitGroup // added to only before stopped
}

// holder is the person for whom a connection counts, or the address if nobody is signed in.
type holder struct {
	userID  int
	address string // as auth.Client.Key has it
}

// connection is a WebSocket or an event stream. It ends with its context, whose cause is the reason.
type connection struct {
	all    *connections
	end    context.CancelCauseFunc
	holder holder
	unbind func() // from a session
}

func newConnections(accounts *auth.Accounts, most int) *connections {
	return &connections{accounts: accounts, most: cmp.Or(most, DefaultMaxStreams), open: make(map[*connection]struct{}), held: make(map[holder]int)}
}

// begin adds a connection, which counts for its address. It returns errStopping or an *auth.RateLimitError. The caller
// must call done.
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

// bind makes the connection count for the viewer and end with the viewer's session. It returns auth.ErrSessionEnded if
// the session has ended, and an *auth.RateLimitError if the viewer has too many connections. Other errors are the
// database's.
func (c *connection) bind(ctx context.Context, viewer auth.Viewer) error {
	if err := c.count(viewer); err != nil {
		return err
	}
	c.unbind = c.all.accounts.OnEnd(viewer, c.end)
	// Not before OnEnd: a session that ends after this check ends the connection.
	holds, err := c.all.accounts.Holds(ctx, viewer)
	if err == nil && !holds {
		err = auth.ErrSessionEnded
	}
	return err
}

// count makes the connection count for a person instead of an address. It returns an *auth.RateLimitError if the person
// has too many.
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

// done removes the connection.
func (c *connection) done() {
	c.end(errors.New("the connection is done")) // not sent: an earlier cause has precedence
	c.unbind()
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	delete(c.all.open, c)
	c.all.release(c.holder)
	c.all.running.Done()
}

// release frees a place. The caller must hold all.mu.
func (all *connections) release(h holder) {
	all.held[h]--
	if all.held[h] == 0 {
		delete(all.held, h)
	}
}

// stop ends all connections and returns when they are done. From then on begin returns errStopping.
func (all *connections) stop() {
	all.mu.Lock()
	all.stopped = true
	for c := range all.open {
		c.end(errStopping)
	}
	all.mu.Unlock()
	all.running.Wait()
}
