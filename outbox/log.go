package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/privacy"
	entprogress "lorebridge/ent/progress"
)

const (
	// DefaultMemory is how many events the log keeps in memory for its readers.
	DefaultMemory = 10_000
	// maxPage is how many events a reader gets at once.
	maxPage = 1_000
)

// Config is what a Log needs. Zero numbers mean the defaults above.
type Config struct {
	Client *ent.Client
	Logger *slog.Logger
	Memory int
}

// Log is the events in one order. It may be used concurrently.
//
// Memory holds what a reader that keeps up has not yet read. A reader that is slower reads the table, from where it is.
type Log struct {
	client *ent.Client
	log    *slog.Logger
	memory int
	page   int

	// mu guards what commits share with readers.
	mu sync.Mutex
	// expected are the events that commit at this moment: whatever comes behind one of them is held back until it is
	// known.
	expected map[int]struct{}
	// recent are events that have committed, in order. Nothing between since and the last one is missing, except what
	// is expected. Where a commit failed, since may be ahead of the table: the ids are given again, to events that are
	// in the table alone.
	recent  []Entry
	since   Cursor
	readers []*Reader
}

// Entry is an event as a reader gets it.
type Entry struct {
	Event *ent.Event
	// Answered is closed when the request that made the event has been answered; nil if that is not known. What takes
	// long should wait for it, though not for ever.
	Answered <-chan struct{}
}

// New returns the log in the client's database.
func New(ctx context.Context, c Config) (*Log, error) {
	if c.Client == nil || c.Logger == nil {
		return nil, errors.New("outbox: Config needs a Client and a Logger")
	}
	if c.Memory < 0 {
		return nil, errors.New("outbox: Memory must not be negative")
	}
	memory := cmp.Or(c.Memory, DefaultMemory)
	l := &Log{client: c.Client, log: c.Logger, memory: memory, page: min(maxPage, memory), expected: make(map[int]struct{})}
	var err error
	l.since, err = l.Newest(ctx)
	return l, err
}

// Newest is the place behind the last event that has committed.
func (l *Log) Newest(ctx context.Context) (Cursor, error) {
	newest, err := l.client.Event.Query().Order(ent.Desc(event.FieldID)).Select(event.FieldID).First(system(ctx))
	if ent.IsNotFound(err) {
		return Cursor{}, nil
	}
	if err != nil {
		return Cursor{}, fmt.Errorf("find the newest event: %w", err)
	}
	return At(newest), nil
}

// End is the place behind all events that there have been, as far as is known, also those that were removed since.
func (l *Log) End(ctx context.Context) (Cursor, error) {
	end, err := l.Newest(ctx)
	if err != nil {
		return Cursor{}, err
	}
	rows, err := l.client.Progress.Query().Where(entprogress.ReaderIn(People, Subscriptions)).All(system(ctx))
	if err != nil {
		return Cursor{}, fmt.Errorf("read how far the readers are: %w", err)
	}
	for _, row := range rows {
		end = Later(end, CursorOf(row.DoneSeq))
	}
	return end, nil
}

// system acts with the rights of the server itself.
func system(ctx context.Context) context.Context { return privacy.DecisionContext(ctx, privacy.Allow) }

// expect announces events about to commit, so that memory gives no reader one that comes behind them.
func (l *Log) expect(events []*ent.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range events {
		l.expected[e.ID] = struct{}{}
	}
}

// offer takes over the events of a transaction that has ended. After a commit that failed nobody knows whether it
// took place: then readers ask the table.
func (l *Log) offer(s *scope, committed bool) {
	if len(s.events) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range s.events {
		delete(l.expected, e.ID)
	}
	if committed {
		l.insert(s)
	} else {
		l.forget(At(s.events[len(s.events)-1]))
	}
	for _, r := range l.readers {
		r.notify()
	}
}

// insert puts the events of one transaction in their place: those of one group of transactions come in any order.
// l.mu is held.
func (l *Log) insert(s *scope) {
	entries := make([]Entry, 0, len(s.events))
	for _, e := range s.events {
		if l.since.Before(At(e)) { // otherwise it was forgotten already
			entries = append(entries, Entry{e, s.answered})
		}
	}
	if len(entries) == 0 {
		return
	}
	l.recent = slices.Insert(l.recent, l.index(At(entries[0].Event)), entries...)
	if over := len(l.recent) - l.memory; over > 0 {
		l.forget(At(l.recent[over-1].Event))
	}
}

// index is where the first event behind c stands, or would stand, in recent. l.mu is held.
func (l *Log) index(c Cursor) int {
	i, found := slices.BinarySearchFunc(l.recent, c, func(e Entry, c Cursor) int { return cmp.Compare(e.Event.ID, c.seq) })
	if found {
		i++
	}
	return i
}

// forget lets go of what memory has up to a place. l.mu is held.
func (l *Log) forget(to Cursor) {
	n := l.index(to)
	clear(l.recent[:n])
	l.recent = l.recent[n:]
	if len(l.recent) == 0 {
		l.recent = nil // let go of the array behind it
	}
	l.since = Later(l.since, to)
}

// trim forgets what all have read who read from memory. l.mu is held.
func (l *Log) trim() {
	least, found := Cursor{}, false
	for _, r := range l.readers {
		if r.at.Before(l.since) { // it reads the table
			continue
		}
		if !found || r.at.Before(least) {
			least, found = r.at, true
		}
	}
	if found && l.since.Before(least) {
		l.forget(least)
	}
}

// Read returns a reader that gets what follows a place. It must be closed.
func (l *Log) Read(from Cursor) *Reader {
	r := &Reader{log: l, at: from, wake: make(chan struct{}, 1)}
	r.notify()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readers = append(l.readers, r)
	return r
}

// After returns the oldest events behind a place that are on a topic, at most limit, in order.
func (l *Log) After(ctx context.Context, t Topic, c Cursor, limit int) ([]*ent.Event, error) {
	rows, err := l.client.Event.Query().Where(t.Events(), event.IDGT(c.seq)).Order(ent.Asc(event.FieldID)).Limit(limit).All(system(ctx))
	if err != nil {
		return nil, fmt.Errorf("read the events of a topic: %w", err)
	}
	return rows, nil
}

// Last returns the newest event on a topic, or nil.
func (l *Log) Last(ctx context.Context, t Topic) (*ent.Event, error) {
	return first(ctx, l.client.Event.Query().Where(t.Events()).Order(ent.Desc(event.FieldID)))
}

// Get returns the event at a place if it is on a topic, or nil.
func (l *Log) Get(ctx context.Context, t Topic, at Cursor) (*ent.Event, error) {
	return first(ctx, l.client.Event.Query().Where(t.Events(), event.ID(at.seq)))
}

func first(ctx context.Context, q *ent.EventQuery) (*ent.Event, error) {
	e, err := q.First(system(ctx))
	if ent.IsNotFound(err) {
		return nil, nil //nolint:nilnil // there is none
	}
	if err != nil {
		return nil, fmt.Errorf("read an event: %w", err)
	}
	return e, nil
}
