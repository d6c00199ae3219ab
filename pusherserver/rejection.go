package pusherserver

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/gobwas/ws"
)

// maxRejectionDelay is the longest random delay before a 4100, because pusher-js connects again one second after it. So
// rejected clients do not all return at once. It is below the 10 s after which pusher-js reports "unavailable".
const maxRejectionDelay = 8 * time.Second

// rejection sends a client the reason why it cannot stay. That must happen after the upgrade. Before it, pusher-js
// treats every answer as a network failure and retries without end.
type rejection struct {
	registry *registry
	socket   net.Conn
	source   io.Reader
	code     ws.StatusCode
	reason   string
	delay    time.Duration // before the answer
}

func (j *rejection) run() {
	defer j.registry.forget(j)
	defer j.socket.Close()
	messages := newMessageReader(j.source, DefaultMaxMessageBytes)
	if j.delay > 0 && j.readUntilClosed(messages, time.Now().Add(j.delay)) {
		return
	}
	j.socket.SetWriteDeadline(time.Now().Add(closeTimeout))
	frames := net.Buffers{errorFrame(j.code, j.reason), closeFrame(j.code, j.reason)}
	if _, err := frames.WriteTo(j.socket); err != nil {
		return
	}
	closeWrite(j.socket)
	j.readUntilClosed(messages, time.Now().Add(closeTimeout))
}

// readUntilClosed reports whether the client left before deadline. It ignores all other messages.
func (j *rejection) readUntilClosed(messages *messageReader, deadline time.Time) bool {
	j.socket.SetReadDeadline(deadline)
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
