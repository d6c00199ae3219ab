package outbox

import (
	"context"
	"fmt"
	"slices"

	"lorebridge/ent"
	"lorebridge/ent/event"
)

// Reader gets the events of a log in order, each once, at its own pace: it never slows a commit or another reader. It
// belongs to one goroutine.
type Reader struct {
	log  *Log
	at   Cursor // guarded by log.memoryMu; its own goroutine, which alone writes it, reads it without
	wake chan struct{}
}

// Ready gets a value when there may be more events than the last Next returned.
func (r *Reader) Ready() <-chan struct{} { return r.wake }

// At returns the place behind the last event that Next returned.
func (r *Reader) At() Cursor { return r.at }

// Close ends the reader.
func (r *Reader) Close() {
	r.log.memoryMu.Lock()
	defer r.log.memoryMu.Unlock()
	r.log.readers = slices.DeleteFunc(r.log.readers, func(other *Reader) bool { return other == r })
	r.log.trim()
}

// Next returns the next events, at most limit, without waiting. It returns none if there are none at this moment;
// Ready gets a value when there are more. After an error of the database the reader stays at its place.
func (r *Reader) Next(ctx context.Context, limit int) ([]Entry, error) {
	limit = min(limit, r.log.page)
	entries, inMemory := r.recent(limit)
	if inMemory {
		return entries, nil
	}
	rows, err := r.log.client.Event.Query().Where(event.IDGT(r.at.seq)).Order(ent.Asc(event.FieldID)).Limit(limit).All(system(ctx))
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil // it stays before since, because SQLite gives the ids of a failed commit again
	}
	entries = make([]Entry, len(rows))
	for i, row := range rows {
		entries[i].Event = row
	}
	r.log.memoryMu.Lock()
	defer r.log.memoryMu.Unlock()
	r.at = At(rows[len(rows)-1])
	r.log.trim()
	r.notify() // there may be more
	return entries, nil
}

// recent returns the next events from memory. inMemory is false if some of them are only in the table, because they
// come before since.
func (r *Reader) recent(limit int) (entries []Entry, inMemory bool) {
	r.log.memoryMu.Lock()
	defer r.log.memoryMu.Unlock()
	if r.at.Before(r.log.since) {
		return nil, false
	}
	next := r.log.recent[r.log.index(r.at):]
	n := min(len(next), limit)
	for id := range r.log.expected {
		for n > 0 && next[n-1].Event.ID > id {
			n--
		}
	}
	if n == 0 {
		return nil, true
	}
	entries = slices.Clone(next[:n])
	r.at = At(entries[n-1].Event)
	if n < len(next) {
		r.notify()
	}
	r.log.trim()
	return entries, true
}

// Again gives Ready a value. Call it to retry after an error.
func (r *Reader) Again() { r.notify() }

func (r *Reader) notify() {
	select {
	case r.wake <- struct{}{}:
	default: // it is already notified
	}
}
