package pusherserver

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/gobwas/ws"
)

// maxRefusalDelay spreads the return of clients that pusher-js sends back one second after a 4100. It stays below the
// 10 s after which pusher-js calls the server unavailable.
const maxRefusalDelay = 8 * time.Second

// refusal tells a client why it cannot stay. That must happen after the upgrade: before it, pusher-js takes any
// answer for a broken network and retries for ever.
type refusal struct {
	registry *registry
	socket   net.Conn
	source   io.Reader
	code     ws.StatusCode
	reason   string
	delay    time.Duration // before the answer
}

func (f *refusal) run() {
	defer f.registry.forget(f)
	defer f.socket.Close()
	messages := newMessageReader(f.source, DefaultMaxMessageBytes)
	if f.delay > 0 && f.readUntilClosed(messages, time.Now().Add(f.delay)) {
		return
	}
	f.socket.SetWriteDeadline(time.Now().Add(closeTimeout))
	frames := net.Buffers{errorFrame(f.code, f.reason), closeFrame(f.code, f.reason)}
	if _, err := frames.WriteTo(f.socket); err != nil {
		return
	}
	closeWrite(f.socket)
	f.readUntilClosed(messages, time.Now().Add(closeTimeout))
}

// readUntilClosed returns true if the client left before deadline. Whatever else it says does not matter.
func (f *refusal) readUntilClosed(messages *messageReader, deadline time.Time) bool {
	f.socket.SetReadDeadline(deadline)
	for {
		op, _, err := messages.next()
		if err != nil {
			return !errors.Is(err, os.ErrDeadlineExceeded)
		}
		if op == ws.OpClose {
			return true
		}
	}
}
