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
	at   Cursor // guarded by log.mu, except for its own goroutine's reading
	wake chan struct{}
}

// Ready gets a value when there may be more events than the last Next returned.
func (r *Reader) Ready() <-chan struct{} { return r.wake }

// At is the place behind the last event that Next returned.
func (r *Reader) At() Cursor { return r.at }

// Close ends the reader.
func (r *Reader) Close() {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	r.log.readers = slices.DeleteFunc(r.log.readers, func(other *Reader) bool { return other == r })
	r.log.trim()
}

// Next returns the next events, at most limit and without waiting: none means that there are none at this moment.
// Ready has a value again where there are more. An error is the database's; the reader is where it was.
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
		return nil, nil // it stays, though memory begins behind it: the ids of a commit that failed are given again
	}
	entries = make([]Entry, len(rows))
	for i, row := range rows {
		entries[i].Event = row
	}
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	r.at = At(rows[len(rows)-1])
	r.log.trim()
	r.notify() // perhaps there is more
	return entries, nil
}

// recent returns the next events from memory, unless memory lacks some of them: it has what is behind since.
func (r *Reader) recent(limit int) (entries []Entry, inMemory bool) {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
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

// Again gives Ready a value, after an error.
func (r *Reader) Again() { r.notify() }

func (r *Reader) notify() {
	select {
	case r.wake <- struct{}{}:
	default: // it knows already
	}
}
