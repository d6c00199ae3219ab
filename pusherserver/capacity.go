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
	// fixedReserve and reserveShare set how many descriptors sockets and streams leave to everything else: HTTP, files
	// and outgoing calls. It is fixedReserve, and one descriptor in reserveShare.
	fixedReserve = 64
	reserveShare = 10
	// ownDescriptors is how many descriptors no connection of a client may use. They are for files and outgoing calls.
	ownDescriptors = 32
)

// Capacity is how many connections a process can hold with its file descriptors.
type Capacity struct {
	Descriptors int // RLIMIT_NOFILE; 0 if there is none
	Sockets     int // of Pusher clients
	Streams     int // other long-lived connections, such as event streams
	Refused     int // sockets that stay open only until their client has the reason of the rejection
	Connections int // of all kinds; 0 is unlimited
}

// FitCapacity returns how many of the wanted sockets and streams the descriptors of this process allow. If they do not
// suffice for both, both get fewer.
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

// Warn logs which limit does not fit, and what to do. It logs nothing if maxSockets fits.
func (c Capacity) Warn(ctx context.Context, log *slog.Logger, maxSockets int) {
	if c.Sockets < maxSockets {
		log.WarnContext(ctx, "MAX_SOCKETS does not fit into the descriptors of this process (RLIMIT_NOFILE): fewer sockets are let in; "+
			"raise the limit, for example with ulimit -n or LimitNOFILE, or lower MAX_SOCKETS",
			slog.Int("max_sockets", maxSockets), slog.Int("descriptors", c.Descriptors), slog.Int("sockets", c.Sockets))
	}
}

// Listen returns a listener for web that holds at most c.Connections connections. It closes every further connection
// at once: so Accept never fails because there is no descriptor. When seven eighths are in use, it closes connections
// that wait for another request.
func (c Capacity) Listen(l net.Listener, web *http.Server) net.Listener {
	if c.Connections == 0 {
		return l
	}
	return &boundedListener{Listener: l, web: web, capacity: int64(c.Connections)}
}

// boundedListener counts the open connections.
type boundedListener struct {
	net.Listener
	web      *http.Server
	capacity int64
	open     atomic.Int64
	scarce   atomic.Bool // more than seven eighths of capacity are in use: keep-alive is off
}

// Accept implements net.Listener.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		open := l.open.Add(1)
		if open > l.capacity-l.capacity/8 && !l.scarce.Swap(true) {
			l.web.SetKeepAlivesEnabled(false) // closes idle connections, too
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
	if open := l.open.Add(-1); open < l.capacity-l.capacity/4 && l.scarce.Swap(false) {
		l.web.SetKeepAlivesEnabled(true)
	}
}

// boundedTCP keeps the special methods of a TCP connection, such as those that close one direction or write several
// buffers at once.
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
