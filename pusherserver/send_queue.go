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
	// A batch is what one writev takes at most. It is also the unit of progress: a socket that takes a batch within
	// WriteTimeout is healthy, however far behind it is.
	maxBatchFrames = 64
	maxBatchBytes  = 64 << 10

	// closeTimeout is for our last frames and for the client to answer them.
	closeTimeout = 5 * time.Second
)

// farewell says how the server ends a connection.
type farewell struct {
	code     ws.StatusCode // zero, only in answer to a close frame without one, sends none
	reason   string
	announce bool          // with a pusher:error before the close frame
	flush    bool          // after what is queued; else that is dropped
	within   time.Duration // for all of it, the answer of the client included

	fromClient bool // it answers the close frame of the client
}

// sendQueue holds the frames that wait for one socket and writes them in order, with a goroutine that exists only while
// there is something to write and a little longer. Neither send nor close ever waits for the socket.
type sendQueue struct {
	server  *Server
	socket  net.Conn
	changed sync.Cond // its lock is queueMu

	queueMu  sync.Mutex
	frames   [][]byte
	bytes    int       // in frames
	writing  bool      // the writer exists
	parked   bool      // the writer waits for frames
	idle     bool      // the writer was parked at the last sweep and ever since
	retiring bool      // the writer is told to end
	closed   bool      // nothing is accepted any more
	deadline time.Time // of all writes, once closed
	last     farewell  // what closed the queue; zero if that was the network of the client
	behind   int64     // Server.uptime at which everything before was written; kept only for Config.OnSubscription
	lost     bool      // frames that were queued after behind were not written
}

// init must come before anything else; a sendQueue is part of its connection and never copied.
func (q *sendQueue) init(server *Server, socket net.Conn) {
	q.server, q.socket = server, socket
	q.changed.L = &q.queueMu
}

// send queues frame, which nobody may change any more. A queue that is full closes the connection with 4100 instead.
// It reports whether the frame was queued.
func (q *sendQueue) send(frame []byte) bool {
	q.queueMu.Lock()
	defer q.queueMu.Unlock()
	if q.closed {
		return false
	}
	if len(q.frames) == q.server.config.MaxQueuedFrames || q.bytes+len(frame) > q.server.config.MaxQueuedBytes {
		q.server.counters.slowReaders.Add(1)
		q.lost = true
		q.beginClose(farewell{code: codeOverCapacity, reason: "too slow to receive its events", within: closeTimeout})
		return false
	}
	q.push(frame)
	return true
}

// close queues the last frames and returns true. If the queue is closed already it returns false, and can only shorten
// the time that was given then.
func (q *sendQueue) close(f farewell) bool {
	q.queueMu.Lock()
	defer q.queueMu.Unlock()
	if !q.closed {
		q.beginClose(f)
		return true
	}
	if deadline := time.Now().Add(f.within); deadline.Before(q.deadline) {
		q.deadline = deadline
		q.socket.SetDeadline(deadline)
	}
	return false
}

// beginClose needs queueMu. Its deadlines end a write that is stuck and a client that never answers.
func (q *sendQueue) beginClose(f farewell) {
	q.deadline = time.Now().Add(f.within)
	q.socket.SetDeadline(q.deadline)
	if !f.flush {
		q.drop()
	}
	if f.announce {
		q.push(errorFrame(f.code, f.reason))
	}
	if f.code == 0 {
		q.push(ws.CompiledClose)
	} else {
		q.push(closeFrame(f.code, f.reason))
	}
	q.closed, q.last = true, f
}

// drop needs queueMu.
func (q *sendQueue) drop() {
	q.lost = q.lost || len(q.frames) > 0
	q.frames, q.bytes = nil, 0
}

// push needs queueMu.
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

// abandon drops everything and closes the socket at once. Only that may take a moment, on TLS, and so it is done
// without the lock.
func (q *sendQueue) abandon() {
	q.queueMu.Lock()
	q.closed = true
	q.drop()
	q.lost = q.lost || q.writing && !q.parked
	q.changed.Broadcast()
	q.queueMu.Unlock()
	q.socket.Close()
}

// flushed waits until everything is written, or given up. It may be called only after close.
func (q *sendQueue) flushed() {
	q.queueMu.Lock()
	defer q.queueMu.Unlock()
	for q.writing {
		q.changed.Wait()
	}
}

// lostSince returns the Server.uptime before which everything that was queued was written. It reports false if nothing
// was lost at all. The queue must be abandoned.
func (q *sendQueue) lostSince() (uptime int64, lost bool) {
	q.queueMu.Lock()
	defer q.queueMu.Unlock()
	return q.behind, q.lost
}

// ending returns what closed the queue.
func (q *sendQueue) ending() farewell {
	q.queueMu.Lock()
	defer q.queueMu.Unlock()
	return q.last
}

// retireWriter ends a writer that had nothing to do since the last call. Until then it stays parked: a goroutine
// started for every single event of a busy connection would grow its stack every time.
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
		// There is no writev on TLS: each frame would be a record and a system call of its own.
		_, err := q.socket.Write(slices.Concat(batch...))
		return err
	}
	unwritten := batch // a copy, for WriteTo lets it escape
	_, err := unwritten.WriteTo(q.socket)
	return err
}

// nextBatch moves frames from the front of the queue to batch. It parks while there are none, and returns none when the
// writer must end.
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

// writeFailed is the end of the writer, with a socket that is broken or took nothing for too long.
func (q *sendQueue) writeFailed(err error) {
	q.queueMu.Lock()
	if !q.closed && errors.Is(err, os.ErrDeadlineExceeded) {
		q.server.counters.slowReaders.Add(1)
		// In the middle of a frame there is no room for a close frame.
		q.last = farewell{code: codeOverCapacity, reason: "took no data for the write timeout"}
	}
	q.writing, q.lost = false, true
	q.queueMu.Unlock()
	q.abandon()
}

// closeWrite ends our half of a stream after its close frame: the clean closure of RFC 6455 section 7.1.1, without
// which the close frame may be lost to a TCP reset.
func closeWrite(socket net.Conn) {
	if half, ok := socket.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // fails only if the connection is gone, and then it is closed anyway
	}
}
