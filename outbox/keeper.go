package outbox

import (
	"context"
	"log/slog"
	"time"
)

// leastWait is how long a loop waits at least where something is due. It is not 0, because the race detector fails
// where several goroutines of a synctest bubble wait for timers that are over already.
const leastWait = time.Microsecond

// keeper writes a reader's progress: at most every flushDelay, beside the reader's work, and at a clean stop. It
// belongs to one goroutine.
type keeper struct {
	progress *progress
	log      *Log
	reader   string
	logger   *slog.Logger
	retryAt  time.Time // the database failed: nothing is read or written before
	flushAt  time.Time // nothing is written before
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

// flush starts writing progress that is due, unless a write is under way.
func (k *keeper) flush(now time.Time) {
	if k.writing != nil || now.Before(k.flushAt) || now.Before(k.retryAt) || !k.progress.due(now) {
		return
	}
	rec := k.progress.record(now)
	k.writing, k.flushAt = &rec, now.Add(flushDelay)
	go func() { k.written <- k.log.write(context.Background(), k.reader, rec) }()
}

// flushed notes how a write ended.
func (k *keeper) flushed(err error) {
	if err != nil {
		k.failed("write progress", err)
		k.progress.again(*k.writing)
	}
	k.writing = nil
}

// failed has the database left alone for a while.
func (k *keeper) failed(what string, err error) {
	k.logger.Error("the database failed; trying again", slog.String("to", what), slog.Any("error", err))
	k.retryAt = time.Now().Add(databaseWait)
}

// finish writes what has become of everything, within limit.
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

// next is when something is to be written or tried again, and now plus an hour if nothing is.
func (k *keeper) next(now time.Time) time.Time {
	next := now.Add(time.Hour)
	if due, ok := k.progress.dueAt(now); ok && k.writing == nil {
		next = due
		if next.Before(k.flushAt) {
			next = k.flushAt
		}
	}
	if now.Before(k.retryAt) { // reading waits for it, too
		next = k.retryAt
	}
	return next
}
