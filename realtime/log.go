package realtime

import (
	"context"

	"lorebridge/bridge"
	"lorebridge/ent"
	"lorebridge/outbox"
)

// Log implements bridge.Log over outbox's log. The value of an event is its *ent.Event, and a topic is the text of an
// outbox.Topic. It may be used concurrently.
type Log struct{ log *outbox.Log }

// NewLog returns the log for bridge over log.
func NewLog(log *outbox.Log) Log { return Log{log} }

var _ bridge.Log = Log{}

// EventOf returns the row of an event that this package made. It panics for any other event.
func EventOf(e *bridge.Event) *ent.Event {
	return e.Value.(*ent.Event) //nolint:forcetypeassert // this package publishes no other type
}

// newEvent returns the event for a row. answered is closed when the request that caused the event has its answer, and
// is nil if nothing waits for that.
func newEvent(e *ent.Event, answered <-chan struct{}) *bridge.Event {
	return &bridge.Event{Seq: bridge.Seq(outbox.At(e).Seq()), At: e.CreatedAt, Value: e, Answered: answered}
}

// topicsOf returns the topics of an event.
func topicsOf(e *ent.Event) []bridge.Topic {
	on := outbox.TopicsOf(e)
	topics := make([]bridge.Topic, len(on))
	for i, t := range on {
		topics[i] = bridge.Topic(t.String())
	}
	return topics
}

// Newest implements bridge.Log.
func (l Log) Newest(ctx context.Context) (bridge.Seq, error) {
	newest, err := l.log.Newest(ctx)
	return bridge.Seq(newest.Seq()), err
}

// End implements bridge.Log.
func (l Log) End(ctx context.Context) (bridge.Seq, error) {
	end, err := l.log.End(ctx)
	return bridge.Seq(end.Seq()), err
}

// After implements bridge.Log.
func (l Log) After(ctx context.Context, t bridge.Topic, after bridge.Seq, limit int) ([]*bridge.Event, error) {
	topic, err := outbox.ParseTopic(string(t))
	if err != nil {
		return nil, err
	}
	rows, err := l.log.After(ctx, topic, outbox.CursorOf(int(after)), limit)
	if err != nil {
		return nil, err
	}
	events := make([]*bridge.Event, len(rows))
	for i, row := range rows {
		events[i] = newEvent(row, nil)
	}
	return events, nil
}

// Last implements bridge.Log.
func (l Log) Last(ctx context.Context, t bridge.Topic) (*bridge.Event, error) {
	topic, err := outbox.ParseTopic(string(t))
	if err != nil {
		return nil, err
	}
	return present(l.log.Last(ctx, topic))
}

// Get implements bridge.Log.
func (l Log) Get(ctx context.Context, t bridge.Topic, at bridge.Seq) (*bridge.Event, error) {
	topic, err := outbox.ParseTopic(string(t))
	if err != nil {
		return nil, err
	}
	return present(l.log.Get(ctx, topic, outbox.CursorOf(int(at))))
}

// present returns the event for a row, and nil if there is none.
func present(row *ent.Event, err error) (*bridge.Event, error) {
	if row == nil || err != nil {
		return nil, err
	}
	return newEvent(row, nil), nil
}
