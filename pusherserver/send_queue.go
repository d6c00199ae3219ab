package pusherserver

import (
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

const (
	// maxBatchFrames and maxBatchBytes limit one writev. Each such batch has WriteTimeout: a socket that takes it in
	// time is healthy, even if its queue is long.
	maxBatchFrames = 64
	maxBatchBytes  = 64 << 10

	// closeTimeout is how long sending the last frames and waiting for the answer of the client may take together.
	closeTimeout = 5 * time.Second
)

// closeRequest is how the server ends a connection.
type closeRequest struct {
	code     ws.StatusCode // zero sends none; only to answer a close frame that has none
	reason   string
	announce bool          // send a pusher:error before the close frame
	flush    bool          // send the queued frames first; otherwise they are dropped
	within   time.Duration // time for all of it, including the answer of the client

	fromClient bool // it answers the close frame of the client
}

// sendQueue holds the frames that wait for one socket, and writes them in order. Its writer is a goroutine that starts
// with a frame and ends after a time without frames. Neither send nor close ever waits for the socket.
type sendQueue struct {
	server  *Server
	socket  net.Conn
	changed sync.Cond // its lock is queueMu

	queueMu  sync.Mutex
	frames   [][]byte
	bytes    int          // in frames
	writing  bool         // the writer exists
	parked   bool         // the writer waits for frames
	idle     bool         // the writer has been parked since the last sweep
	retiring bool         // the writer must end
	closed   bool         // send fails from now on
	deadline time.Time    // of all writes, once closed
	last     closeRequest // the one that closed the queue; zero if the network failed
	behind   int64        // Server.uptime; all frames queued before were written; kept for Config.OnSubscription only
	lost     bool         // frames queued after behind were not written
}

// init must be called before any other method. A sendQueue must not be copied.
func (q *sendQueue) init(server *Server, socket net.Conn) {
	q.server, q.socket = server, socket
	q.changed.L = &q.queueMu
}

// send queues frame, and reports whether it did. Nobody may change frame after that. If the queue is full, send closes
// the connection with 4100.
func (q *sendQueue) send(frame []byte) bool {
	q.queueMu.Lock()
	defer q.queueMu.Unlock()
	if q.closed {
		return false
	}
	if len(q.frames) == q.server.config.MaxQueuedFrames || q.bytes+len(frame) > q.server.config.MaxQueuedBytes {
		q.server.counters.slowReaders.Add(1)
		q.lost = true
		q.beginClose(closeRequest{code: codeOverCapacity, reason: "too slow to receive its events", within: closeTimeout})
		return false
	}
	q.push(frame)
	return true
}

// close queues the last frames and returns true. If the queue is closed already, it returns false, and only shortens
// the remaining time to request.within if that is less.
func (q *sendQueue) close(request closeRequest) bool {
	q.queueMu.Lock()
	defer q.queueMu.Unlock()
	if !q.closed {
		q.beginClose(request)
		return true
	}
	if deadline := time.Now().Add(request.within); deadline.Before(q.deadline) {
		q.deadline = deadline
		q.socket.SetDeadline(deadline)
	}
	return false
}

// beginClose queues the last frames. Its deadline ends a blocked write, and the wait for a client that never answers.
// The caller must hold queueMu.
func (q *sendQueue) beginClose(request closeRequest) {
	q.deadline = time.Now().Add(request.within)
	q.socket.SetDeadline(q.deadline)
	if !request.flush {
		q.drop()
	}
	if request.announce {
		q.push(errorFrame(request.code, request.reason))
	}
	if request.code == 0 {
		q.push(ws.CompiledClose)
	} else {
		q.push(closeFrame(request.code, request.reason))
	}
	q.closed, q.last = true, request
}

// drop removes all frames. The caller must hold queueMu.
func (q *sendQueue) drop() {
	q.lost = q.lost || len(q.frames) > 0
	q.frames, q.bytes = nil, 0
}

// push appends frame and wakes or starts the writer. The caller must hold queueMu.
func (q *sendQueue) push(frame []byte) {
	if q.server.config.OnSubscription != nil && (!q.writing || q.parked) {
		q.behind = q.server.uptime()
	}
	q.frames = append(q.frames, frame)
	q.bytes += len(frame)
	if !q.writing {
		q.writing = true
		q.server.goroutines.Go(q.write)
	} else if q.parked {
		q.parked, q.idle = false, false
		q.changed.Broadcast()
	}
}

// abandon drops all frames and closes the socket at once. It closes without the lock, because that can block with TLS.
func (q *sendQueue) abandon() {
	q.queueMu.Lock()
	q.closed = true
	q.drop()
	q.lost = q.lost || q.writing && !q.parked
	q.changed.Broadcast()
	q.queueMu.Unlock()
	q.socket.Close()
}

// flushed waits until all frames are written or dropped. It may be called only after close.
func (q *sendQueue) flushed() {
	q.queueMu.Lock()
	defer q.queueMu.Unlock()
	for q.writing {
		q.changed.Wait()
	}
}

// lostSince returns a Server.uptime: all frames that were queued before it were written. It reports false if no frame
// was lost. The queue must be abandoned.
func (q *sendQueue) lostSince() (uptime int64, lost bool) {
	q.queueMu.Lock()
	defer q.queueMu.Unlock()
	return q.behind, q.lost
}

// ending returns the request that closed the queue.
func (q *sendQueue) ending() closeRequest {
	q.queueMu.Lock()
	defer q.queueMu.Unlock()
	return q.last
}

// retireWriter ends a writer that had no frame since the last call. A writer stays parked until then, because a new
// goroutine for every event of a busy connection would grow its stack every time.
func (q *sendQueue) retireWriter() {
	q.queueMu.Lock()
	defer q.queueMu.Unlock()
	if !q.parked {
		return
	}
	q.retiring = q.idle
	q.idle = true
	if q.retiring {
		q.changed.Broadcast()
	}
}

// write is the writer. It ends when the queue is closed and empty, when it is retired, or when the socket fails.
func (q *sendQueue) write() {
	batch := make(net.Buffers, 0, 4)
	for {
		batch = q.nextBatch(batch[:0])
		if len(batch) == 0 {
			if q.isClosed() {
				closeWrite(q.socket)
			}
			return
		}
		if err := q.writeBatch(batch); err != nil {
			q.writeFailed(err)
			return
		}
	}
}

// writeBatch writes all of batch, which is not empty, with one system call if the socket takes it.
func (q *sendQueue) writeBatch(batch net.Buffers) error {
	if len(batch) == 1 {
		_, err := q.socket.Write(batch[0])
		return err
	}
	if _, vectored := q.socket.(*net.TCPConn); !vectored {
		// TLS has no writev: each frame would be its own record and system call.
		_, err := q.socket.Write(slices.Concat(batch...))
		return err
	}
	unwritten := batch // a copy, because WriteTo makes its receiver escape
	_, err := unwritten.WriteTo(q.socket)
	return err
}

// nextBatch moves frames from the front of the queue to batch. It parks while there are none. It returns an empty batch
// when the writer must end.
func (q *sendQueue) nextBatch(batch net.Buffers) net.Buffers {
	q.queueMu.Lock()
	defer q.queueMu.Unlock()
	for len(q.frames) == 0 && !q.closed && !q.retiring {
		q.parked = true
		q.changed.Wait()
	}
	q.parked, q.idle, q.retiring = false, false, false
	if len(q.frames) == 0 {
		q.writing, q.frames = false, nil
		q.changed.Broadcast()
		return nil
	}
	size := 0
	for _, frame := range q.frames {
		if len(batch) == maxBatchFrames || len(batch) > 0 && size+len(frame) > maxBatchBytes {
			break
		}
		batch = append(batch, frame)
		size += len(frame)
	}
	q.frames = slices.Delete(q.frames, 0, len(batch))
	q.bytes -= size
	deadline := q.deadline
	if !q.closed {
		deadline = time.Now().Add(q.server.config.WriteTimeout)
	}
	q.socket.SetWriteDeadline(deadline)
	return batch
}

func (q *sendQueue) isClosed() bool {
	q.queueMu.Lock()
	defer q.queueMu.Unlock()
	return q.closed
}

// writeFailed ends the writer after a failed or timed out write.
func (q *sendQueue) writeFailed(err error) {
	q.queueMu.Lock()
	if !q.closed && errors.Is(err, os.ErrDeadlineExceeded) {
		q.server.counters.slowReaders.Add(1)
		// A close frame cannot be sent, because the socket may have taken a part of a frame.
		q.last = closeRequest{code: codeOverCapacity, reason: "took no data for the write timeout"}
	}
	q.writing, q.lost = false, true
	q.queueMu.Unlock()
	q.abandon()
}

// closeWrite ends the server's half of the stream after the close frame (RFC 6455 section 7.1.1). Without that, a TCP
// reset may discard the close frame.
func closeWrite(socket net.Conn) {
	if half, ok := socket.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // fails only if the connection is gone, and then it is closed anyway
	}
}
