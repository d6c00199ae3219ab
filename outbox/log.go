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
	// DefaultMemory is the number of events that the log keeps in memory for its readers.
	DefaultMemory = 10_000
	// maxPage is the greatest number of events that a reader gets at once.
	maxPage = 1_000
)

// Config holds the dependencies and sizes of a Log. Zero numbers mean the defaults above.
type Config struct {
	Client *ent.Client
	Logger *slog.Logger
	Memory int
}

// Log holds the events in one order. It may be used concurrently.
//
// Its memory holds the events that readers who keep up have not yet read. A slower reader reads the table from its
// own place.
type Log struct {
	client *ent.Client
	log    *slog.Logger
	memory int
	page   int

	// memoryMu guards the fields below, which commits and readers share.
	memoryMu sync.Mutex
	// expected holds the ids of the events that are being committed. Events behind one of them are held back until
	// its commit has ended.
	expected map[int]struct{}
	// recent holds committed events in order. Between since and its last event none is missing, except the expected
	// ones. After a failed commit, since may be ahead of the table: SQLite gives the same ids again, to events that
	// are only in the table.
	recent  []Entry
	since   Cursor
	readers []*Reader
}

// Entry is an event for a reader.
type Entry struct {
	Event *ent.Event
	// Answered is closed when the request that made the event has been answered. It is nil if that is not known. Slow
	// work should wait for it, but not without a limit.
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

// Newest returns the place behind the last committed event.
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

// End returns the last known place of the log. Unlike Newest it also counts events that were removed.
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

// system returns a context with the rights of the server itself.
func system(ctx context.Context) context.Context { return privacy.DecisionContext(ctx, privacy.Allow) }

// expect announces events that are about to commit, so that no reader gets one from behind them.
func (l *Log) expect(events []*ent.Event) {
	l.memoryMu.Lock()
	defer l.memoryMu.Unlock()
	for _, e := range events {
		l.expected[e.ID] = struct{}{}
	}
}

// offer takes over the events of a transaction that has ended. A commit that returned an error may still have taken
// place. Then readers must read the table.
func (l *Log) offer(s *scope, committed bool) {
	if len(s.events) == 0 {
		return
	}
	l.memoryMu.Lock()
	defer l.memoryMu.Unlock()
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

// insert puts the events of one transaction in their place, because transactions that commit together arrive in any
// order. The caller holds memoryMu.
func (l *Log) insert(s *scope) {
	entries := make([]Entry, 0, len(s.events))
	for _, e := range s.events {
		if l.since.Before(At(e)) { // an event before since was already forgotten
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

// index returns the position in recent of the first event behind c, or where it would be. The caller holds memoryMu.
func (l *Log) index(c Cursor) int {
	i, found := slices.BinarySearchFunc(l.recent, c, func(e Entry, c Cursor) int { return cmp.Compare(e.Event.ID, c.seq) })
	if found {
		i++
	}
	return i
}

// forget removes the events up to a place from memory. The caller holds memoryMu.
func (l *Log) forget(to Cursor) {
	n := l.index(to)
	clear(l.recent[:n])
	l.recent = l.recent[n:]
	if len(l.recent) == 0 {
		l.recent = nil // releases the array
	}
	l.since = Later(l.since, to)
}

// trim removes the events that all readers of the memory have read. The caller holds memoryMu.
func (l *Log) trim() {
	least, found := Cursor{}, false
	for _, r := range l.readers {
		if r.at.Before(l.since) { // this one reads the table
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

// Read returns a reader of the events behind a place. The caller must close it.
func (l *Log) Read(from Cursor) *Reader {
	r := &Reader{log: l, at: from, wake: make(chan struct{}, 1)}
	r.notify()
	l.memoryMu.Lock()
	defer l.memoryMu.Unlock()
	l.readers = append(l.readers, r)
	return r
}

// After returns the oldest events of a topic behind a place, at most limit, in order.
func (l *Log) After(ctx context.Context, t Topic, c Cursor, limit int) ([]*ent.Event, error) {
	rows, err := l.client.Event.Query().Where(t.Events(), event.IDGT(c.seq)).Order(ent.Asc(event.FieldID)).Limit(limit).All(system(ctx))
	if err != nil {
		return nil, fmt.Errorf("read the events of a topic: %w", err)
	}
	return rows, nil
}

// Last returns the newest event of a topic, or nil.
func (l *Log) Last(ctx context.Context, t Topic) (*ent.Event, error) {
	return first(ctx, l.client.Event.Query().Where(t.Events()).Order(ent.Desc(event.FieldID)))
}

// Get returns the event at a place, or nil if there is none on the topic.
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
