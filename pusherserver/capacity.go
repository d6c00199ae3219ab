package pusherserver

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

const (
	// fixedReserve and one in reserveShare are the descriptors that sockets and streams leave to HTTP, the database and
	// outgoing calls.
	fixedReserve = 64
	reserveShare = 10
	// ownDescriptors are those that no connection of a client may use: the database, the log, outgoing calls.
	ownDescriptors = 32
)

// Capacity is how many connections a process can hold with the descriptors that it may open.
type Capacity struct {
	Descriptors int // RLIMIT_NOFILE; 0 if there is none
	Sockets     int // of Pusher clients
	Streams     int // other connections that last
	Refused     int // sockets held open only for their refusal
	Connections int // of all kinds; 0 is unlimited
}

// FitCapacity divides the descriptors of this process, if sockets and streams together leave too few. It takes what
// it can from both.
func FitCapacity(sockets, streams int) Capacity {
	return fitCapacity(descriptorLimit(), sockets, streams)
}

func fitCapacity(descriptors, sockets, streams int) Capacity {
	c := Capacity{Descriptors: descriptors, Sockets: sockets, Streams: streams, Refused: DefaultMaxRefused}
	if descriptors == 0 {
		return c
	}
	reserve := fixedReserve + descriptors/reserveShare
	lasting := max(2, descriptors-reserve)
	if sockets+streams > lasting {
		c.Streams = min(streams, max(1, lasting/4))
		c.Sockets = min(sockets, lasting-c.Streams)
	}
	c.Refused = min(DefaultMaxRefused, max(1, reserve/8))
	c.Connections = max(c.Sockets+c.Streams+c.Refused+1, descriptors-ownDescriptors)
	return c
}

// Warn logs which limit does not fit, and what to do. It says nothing if all that was asked for fits.
func (c Capacity) Warn(ctx context.Context, log *slog.Logger, maxSockets int) {
	if c.Sockets < maxSockets {
		log.WarnContext(ctx, "MAX_SOCKETS does not fit into the descriptors of this process (RLIMIT_NOFILE): fewer sockets are let in; "+
			"raise the limit, for example with ulimit -n or LimitNOFILE, or lower MAX_SOCKETS",
			slog.Int("max_sockets", maxSockets), slog.Int("descriptors", c.Descriptors), slog.Int("sockets", c.Sockets))
	}
}

// Listen returns a listener for web that holds no more connections than the capacity allows: what comes above is
// closed at once, so that accepting never fails for want of a descriptor. Before that, connections that wait for
// another request are closed.
func (c Capacity) Listen(l net.Listener, web *http.Server) net.Listener {
	if c.Connections == 0 {
		return l
	}
	return &boundedListener{Listener: l, web: web, capacity: int64(c.Connections)}
}

// boundedListener counts the connections that are open.
type boundedListener struct {
	net.Listener
	web      *http.Server
	capacity int64
	open     atomic.Int64
	crowded  atomic.Bool
}

// Accept implements net.Listener.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		open := l.open.Add(1)
		if open > l.capacity-l.capacity/8 && !l.crowded.Swap(true) {
			l.web.SetKeepAlivesEnabled(false) // closes those that are idle, too
		}
		if open > l.capacity {
			l.release()
			_ = c.Close() // nothing was sent
			continue
		}
		leave := sync.OnceFunc(l.release)
		if tcp, ok := c.(*net.TCPConn); ok {
			return &boundedTCP{tcp, leave}, nil
		}
		return &boundedConn{c, leave}, nil
	}
}

func (l *boundedListener) release() {
	if open := l.open.Add(-1); open < l.capacity-l.capacity/4 && l.crowded.Swap(false) {
		l.web.SetKeepAlivesEnabled(true)
	}
}

// boundedTCP keeps all that a TCP connection can do, such as closing one direction and writing several buffers at once.
type boundedTCP struct {
	*net.TCPConn
	leave func()
}

// Close implements net.Conn.
func (c *boundedTCP) Close() error {
	defer c.leave()
	return c.TCPConn.Close()
}

type boundedConn struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *boundedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
