package outbox

import (
	"context"
	"log/slog"
	"time"
)

// leastWait is the shortest wait of a loop that already has something to do. It is not 0, because the race detector
// fails if several goroutines of a synctest bubble wait for timers that have expired.
const leastWait = time.Microsecond

// keeper writes a reader's progress: at most every flushDelay, concurrently with the reader's work, and at a clean
// stop. It belongs to one goroutine.
type keeper struct {
	progress *progress
	log      *Log
	reader   string
	logger   *slog.Logger
	retryAt  time.Time // after a failure, nothing is read or written before this time
	flushAt  time.Time // nothing is written before this time
	writing  *record   // being written
	written  chan error
}

func newKeeper(l *Log, reader string, logger *slog.Logger, k *kept) keeper {
	p := newProgress(k.mark, k.settled)
	for i := range k.parked {
		p.restore(k.parked[i].key)
	}
	return keeper{log: l, reader: reader, logger: logger, progress: p, written: make(chan error, 1)}
}

// flush starts writing progress if it is due and no other write is in progress.
func (k *keeper) flush(now time.Time) {
	if k.writing != nil || now.Before(k.flushAt) || now.Before(k.retryAt) || !k.progress.due(now) {
		return
	}
	rec := k.progress.record(now)
	k.writing, k.flushAt = &rec, now.Add(flushDelay)
	go func() { k.written <- k.log.write(context.Background(), k.reader, rec) }()
}

// flushed handles the result of a write.
func (k *keeper) flushed(err error) {
	if err != nil {
		k.failed("write progress", err)
		k.progress.again(*k.writing)
	}
	k.writing = nil
}

// failed logs a failure of the database and pauses reads and writes.
func (k *keeper) failed(what string, err error) {
	k.logger.Error("the database failed; trying again", slog.String("to", what), slog.Any("error", err))
	k.retryAt = time.Now().Add(databaseWait)
}

// finish writes the remaining progress, within limit.
func (k *keeper) finish(limit time.Duration) {
	if k.writing != nil {
		k.flushed(<-k.written)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for k.progress.due(time.Now()) {
		if err := k.log.write(ctx, k.reader, k.progress.record(time.Now())); err != nil {
			k.logger.Error("the last progress could not be written: what was sent last will be sent again", slog.Any("error", err))
			return
		}
	}
}

// next returns the time of the next write or retry, or now plus an hour if there is none.
func (k *keeper) next(now time.Time) time.Time {
	next := now.Add(time.Hour)
	if due, ok := k.progress.dueAt(now); ok && k.writing == nil {
		next = due
		if next.Before(k.flushAt) {
			next = k.flushAt
		}
	}
	if now.Before(k.retryAt) { // reading waits for this, too
		next = k.retryAt
	}
	return next
}
