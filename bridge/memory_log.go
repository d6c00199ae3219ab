package bridge

import (
	"context"
	"slices"
	"sync"
	"time"
)

// MemoryLog is a Log in memory, for applications without a database of events, for examples and for tests. It may be
// used concurrently. It keeps the last events of each topic that there ever was, and no longer than the process lives:
// it belongs with a MemoryStore, because after a restart places begin at 1.
type MemoryLog struct {
	keep int

	// dispatchMu is held while an event is appended and handed on, so that none overtakes another.
	dispatchMu sync.Mutex

	// topicsMu guards what follows.
	topicsMu sync.Mutex
	newest   Seq
	topics   map[Topic][]*Event // the oldest first
	dropped  map[Topic]Seq      // the newest event that is not kept any more
}

var _ Log = (*MemoryLog)(nil)

// NewMemoryLog returns a log that keeps so many events of each topic, but at least one more than a client that comes
// back is sent. With fewer, the client would miss events and get no gap.
func NewMemoryLog(keep int) *MemoryLog {
	return &MemoryLog{keep: max(maxCatchUp+1, keep), topics: make(map[Topic][]*Event), dropped: make(map[Topic]Seq)}
}

// Dispatch adds an event on some topics and hands it to a Bridge. It may be called concurrently.
func (l *MemoryLog) Dispatch(b *Bridge, value any, topics ...Topic) *Event {
	l.dispatchMu.Lock()
	defer l.dispatchMu.Unlock()
	e := l.Append(value, topics...)
	b.Dispatch(e, topics...)
	return e
}

// Recent returns the newest events on a topic, at most limit, the oldest first.
func (l *MemoryLog) Recent(t Topic, limit int) []*Event {
	l.topicsMu.Lock()
	defer l.topicsMu.Unlock()
	events := l.topics[t]
	return slices.Clone(events[max(0, len(events)-limit):])
}

// Append adds an event on some topics, and returns it with its place. The caller hands it to Bridge.Dispatch, in the
// order of the places. Dispatch does both.
func (l *MemoryLog) Append(value any, topics ...Topic) *Event {
	l.topicsMu.Lock()
	defer l.topicsMu.Unlock()
	l.newest++
	e := &Event{Seq: l.newest, At: time.Now(), Value: value}
	for _, t := range topics {
		l.topics[t] = append(l.topics[t], e)
		if over := len(l.topics[t]) - l.keep; over > 0 {
			l.dropped[t] = l.topics[t][over-1].Seq
			l.topics[t] = slices.Delete(l.topics[t], 0, over)
		}
	}
	return e
}

// Newest implements Log.
func (l *MemoryLog) Newest(context.Context) (Seq, error) {
	l.topicsMu.Lock()
	defer l.topicsMu.Unlock()
	return l.newest, nil
}

// End implements Log.
func (l *MemoryLog) End(ctx context.Context) (Seq, error) { return l.Newest(ctx) }

// After implements Log.
func (l *MemoryLog) After(_ context.Context, t Topic, after Seq, limit int) ([]*Event, error) {
	l.topicsMu.Lock()
	defer l.topicsMu.Unlock()
	if after < l.dropped[t] {
		return nil, ErrGap
	}
	events := l.topics[t]
	first := slices.IndexFunc(events, func(e *Event) bool { return e.Seq > after })
	if first < 0 {
		return nil, nil
	}
	events = events[first:]
	return slices.Clone(events[:min(limit, len(events))]), nil
}

// Last implements Log.
func (l *MemoryLog) Last(_ context.Context, t Topic) (*Event, error) {
	l.topicsMu.Lock()
	defer l.topicsMu.Unlock()
	if events := l.topics[t]; len(events) > 0 {
		return events[len(events)-1], nil
	}
	return nil, nil //nolint:nilnil // as Log has it
}

// Get implements Log.
func (l *MemoryLog) Get(_ context.Context, t Topic, at Seq) (*Event, error) {
	l.topicsMu.Lock()
	defer l.topicsMu.Unlock()
	for _, e := range l.topics[t] {
		if e.Seq == at {
			return e, nil
		}
	}
	return nil, nil //nolint:nilnil // as Log has it
}
