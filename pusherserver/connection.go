package pusherserver

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gobwas/ws"
)

// connection is one client after its handshake. A comment at a field names the goroutine that may use it. The other
// fields do not change once the connection is registered.
type connection struct {
	server   *Server
	app      *app
	socketID string
	socket   net.Conn
	messages *messageReader
	queue    sendQueue
	owner    string   // guarded by registry.socketsMu
	tags     []string // for CloseTagged; guarded by registry.socketsMu

	subscriptions map[string]struct{} // used by run only

	lastSeen atomic.Int64 // Server.uptime of the last message of any kind
	pingedAt int64        // Server.uptime of a ping without an answer, or 0; used by Server.sweepUntil only
}

// newConnection returns a connection that does nothing until run. It reads from source: bytes that were read from
// socket already, and then socket itself.
func newConnection(s *Server, a *app, socket net.Conn, source io.Reader) *connection {
	c := &connection{
		server:        s,
		app:           a,
		socket:        socket,
		messages:      newMessageReader(source, s.config.MaxMessageBytes),
		subscriptions: make(map[string]struct{}),
	}
	c.queue.init(s, socket)
	c.lastSeen.Store(s.uptime())
	return c
}

// run reads until the client is gone. Then it closes the socket, and removes the connection from hub and registry. No
// other code does that.
func (c *connection) run() {
	c.queue.send(establishedFrame(c.socketID, c.server.config.ActivityTimeout))
	err := c.read()
	// This must come before abandon, because after it the queue is closed in any case.
	inGoodOrder := c.leftInGoodOrder(err)
	c.queue.abandon()
	var heard time.Time
	if !inGoodOrder {
		heard = c.lastHeard()
	}
	for channel := range c.subscriptions {
		c.app.hub.leave(channel, c, heard, false)
	}
	c.server.registry.leave(c)
	c.logEnd(err)
}

// read reads and handles messages until the connection ends. It returns nil after a close frame of the client, and
// otherwise why the client can send no more.
func (c *connection) read() error {
	for {
		op, payload, err := c.messages.next()
		if breach := new(violation); errors.As(err, &breach) {
			c.queue.close(closeRequest{code: breach.code, reason: breach.reason, flush: true, within: closeTimeout})
			// If the client still sends, a close now would cause a reset, which can overtake our close frame.
			_, _ = io.Copy(io.Discard, c.socket)
			return err
		}
		if err != nil {
			return err
		}
		c.lastSeen.Store(c.server.uptime())
		switch op {
		case ws.OpText:
			c.handle(payload)
		case ws.OpPing:
			c.queue.send(ws.MustCompileFrame(ws.NewPongFrame(payload)))
		case ws.OpClose:
			// RFC 6455 section 5.5.1: the answer echoes the code.
			code, _ := ws.ParseCloseFrameData(payload)
			c.queue.close(closeRequest{code: code, fromClient: true, within: closeTimeout})
			c.queue.flushed()
			return nil
		}
	}
}

// leftInGoodOrder reports whether the client ended the connection. err is from read.
func (c *connection) leftInGoodOrder(err error) bool {
	if err == nil {
		return c.queue.ending().fromClient
	}
	atEnd := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
	return atEnd && !c.queue.isClosed()
}

// lastHeard returns SubscriptionChange.Heard for a client that did not leave in good order. The queue must be
// abandoned.
func (c *connection) lastHeard() time.Time {
	heard := c.lastSeen.Load()
	if since, lost := c.queue.lostSince(); lost {
		heard = min(heard, since)
	}
	return c.server.started.Add(time.Duration(heard))
}

// checkAlive pings a client that was silent for ActivityTimeout, and closes its connection PongTimeout later. Only
// Server.sweepUntil calls it.
func (c *connection) checkAlive(now int64) {
	lastSeen := c.lastSeen.Load()
	switch config := &c.server.config; {
	case c.pingedAt != 0 && lastSeen >= c.pingedAt:
		c.pingedAt = 0
	case c.pingedAt != 0 && time.Duration(now-c.pingedAt) >= config.PongTimeout:
		c.queue.close(closeRequest{code: codePongMissing, reason: "no answer to ping", flush: true, within: closeTimeout})
	case c.pingedAt == 0 && time.Duration(now-lastSeen) >= config.ActivityTimeout:
		c.pingedAt = now
		c.queue.send(ws.CompiledPing)
	}
}

// logEnd logs which side ended the connection. The code is zero if it was the client.
func (c *connection) logEnd(err error) {
	last := c.queue.ending()
	c.server.config.Logger.Debug("pusher connection closed", "socket_id", c.socketID, "app", c.app.ID,
		"code", int(last.code), "reason", last.reason, "error", err)
}
