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

// connection is one client after its handshake. Its fields say which goroutine may touch them; those without a word
// never change once it is registered.
type connection struct {
	server   *Server
	app      *app
	socketID string
	socket   net.Conn
	messages *messageReader
	queue    sendQueue
	owner    string   // guarded by registry.socketsMu, as tags
	tags     []string // those of its owner that CloseTagged finds it by

	subscriptions map[string]struct{} // only run

	lastSeen atomic.Int64 // Server.uptime of the last message, whatever it was
	pingedAt int64        // Server.uptime of a ping not answered yet, or 0; only Server.sweep
}

// newConnection reads from source, which is the socket and what was read from it before. It does nothing until run.
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

// run reads until the client is gone. It closes the socket, and is the only one to undo what the connection registered.
func (c *connection) run() {
	c.queue.send(establishedFrame(c.socketID, c.server.config.ActivityTimeout))
	err := c.read()
	// Asked before the queue is abandoned, for after that the server would have closed it in any case.
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

// read returns what ended the connection from the side of the client: nil for a close handshake.
func (c *connection) read() error {
	for {
		op, payload, err := c.messages.next()
		if breach := new(violation); errors.As(err, &breach) {
			c.queue.close(farewell{code: breach.code, reason: breach.reason, flush: true, within: closeTimeout})
			// The client may still be sending; to close now would answer that with a reset, ahead of our close frame.
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
			c.queue.close(farewell{code: code, fromClient: true, within: closeTimeout})
			c.queue.flushed()
			return nil
		}
	}
}

// leftInGoodOrder reports whether it was the client who ended the connection, with err from read.
func (c *connection) leftInGoodOrder(err error) bool {
	if err == nil {
		return c.queue.ending().fromClient
	}
	atEnd := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
	return atEnd && !c.queue.isClosed()
}

// lastHeard is SubscriptionChange.Heard where the client did not leave in good order. The queue must be abandoned.
func (c *connection) lastHeard() time.Time {
	heard := c.lastSeen.Load()
	if since, lost := c.queue.lostSince(); lost {
		heard = min(heard, since)
	}
	return c.server.started.Add(time.Duration(heard))
}

// checkAlive pings a client that was silent for ActivityTimeout and closes it PongTimeout later. It is called by
// Server.sweep only.
func (c *connection) checkAlive(now int64) {
	lastSeen := c.lastSeen.Load()
	switch config := &c.server.config; {
	case c.pingedAt != 0 && lastSeen >= c.pingedAt:
		c.pingedAt = 0
	case c.pingedAt != 0 && time.Duration(now-c.pingedAt) >= config.PongTimeout:
		c.queue.close(farewell{code: codePongMissing, reason: "no answer to ping", flush: true, within: closeTimeout})
	case c.pingedAt == 0 && time.Duration(now-lastSeen) >= config.ActivityTimeout:
		c.pingedAt = now
		c.queue.send(ws.CompiledPing)
	}
}

// logEnd tells the operator which side ended the connection: the code is zero if it was the client.
func (c *connection) logEnd(err error) {
	last := c.queue.ending()
	c.server.config.Logger.Debug("pusher connection closed", "socket_id", c.socketID, "app", c.app.ID,
		"code", int(last.code), "reason", last.reason, "error", err)
}
