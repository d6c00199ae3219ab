package bridge

import (
	"context"
	"errors"
	"fmt"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/rule"
	"lorebridge/outbox"
)

// maxFeedQueue is how many events may wait for the reader of a stream, which is cut off beyond that.
const maxFeedQueue = 64

// call says what a run of a subscription field is for. A context without one streams.
type callKey struct{}

// registering is a subscription that came by POST: what it listens to is found out.
type registering struct {
	topic    outbox.Topic
	cursor   int  // the last event before it
	reserved bool // a place was taken for it
	ended    bool // nothing will follow its first answer
}

// delivering is one event for one subscription.
type delivering struct {
	topic outbox.Topic
	event *ent.Event
	last  bool // nothing follows
}

// feed is the events of a stream: a subscription over WebSocket or server-sent events. Guarded by Subscriptions.mu, but for its channel.
type feed struct {
	after  int // events up to this one were committed before
	events chan *ent.Event
	closed bool
	err    error
}

// Subscribe gives a resolver what it is called for: graph.Subscriptions says how.
func (s *Subscriptions) Subscribe(ctx context.Context, t outbox.Topic) (outbox.Feed, error) {
	viewer, err := auth.FromContext(ctx)
	if err != nil {
		return outbox.Feed{}, err
	}
	switch call := ctx.Value(callKey{}).(type) {
	case *registering:
		return s.register(ctx, t, viewer, call)
	case *delivering:
		return call.feed(t)
	default:
		return s.stream(ctx, t, viewer)
	}
}

// register takes a place for a subscription that came by POST.
func (s *Subscriptions) register(ctx context.Context, t outbox.Topic, viewer auth.Viewer, call *registering) (outbox.Feed, error) {
	if err := s.registrations.Allow(viewer.UserID); err != nil {
		if limited, ok := errors.AsType[*auth.RateLimitError](err); ok {
			err = s.tooManyNew(limited.RetryAfter)
		}
		return outbox.Feed{}, err
	}
	if err := s.reserve(t, viewer.UserID); err != nil {
		return outbox.Feed{}, err
	}
	call.topic, call.reserved = t, true
	// Before the resolver reads its first value: an event that the value does not show is for the subscription. And after its
	// place was taken: what is published from now on is noted.
	var err error
	if call.cursor, err = s.newestEvent(ctx); err != nil {
		return outbox.Feed{}, err
	}
	return outbox.Feed{Fresh: true, End: func() { call.ended = true }}, nil
}

// feed is the one event of a delivery. A topic that is not the one that was registered is a rule.ErrForbidden: who the viewer is has
// changed.
func (call *delivering) feed(t outbox.Topic) (outbox.Feed, error) {
	if call.topic != t {
		return outbox.Feed{}, rule.ErrForbidden
	}
	return outbox.Feed{Event: call.event, End: func() { call.last = true }}, nil
}

// stream is what is published from now on, until ctx ends.
func (s *Subscriptions) stream(ctx context.Context, t outbox.Topic, viewer auth.Viewer) (outbox.Feed, error) {
	if err := s.reserve(t, viewer.UserID); err != nil {
		return outbox.Feed{}, err
	}
	f := &feed{events: make(chan *ent.Event, maxFeedQueue)}
	s.mu.Lock()
	s.topics[t].feeds[f] = struct{}{}
	s.mu.Unlock()
	end := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.closeFeed(t, f, nil)
		s.release(t, viewer.UserID)
	}
	last, err := s.newestEvent(ctx)
	if err != nil {
		end()
		return outbox.Feed{}, err
	}
	s.mu.Lock()
	f.skip(last)
	s.mu.Unlock()
	context.AfterFunc(ctx, end)
	return outbox.Feed{Fresh: true, Events: f.events, End: func() {}, Err: func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		return f.err
	}}, nil
}

// newestEvent is the id of the last event that was committed.
func (s *Subscriptions) newestEvent(ctx context.Context) (int, error) {
	id, err := s.client.Event.Query().Order(ent.Desc(event.FieldID)).FirstID(auth.AsSystem(ctx))
	if err != nil && !ent.IsNotFound(err) {
		return 0, fmt.Errorf("find the newest event: %w", err)
	}
	return id, nil
}

// skip leaves out the events up to one that was committed before the stream began. Subscriptions.mu is held, and nobody reads yet.
func (f *feed) skip(after int) {
	f.after = after
	if f.closed {
		return
	}
	for range len(f.events) {
		if e := <-f.events; e.ID > after {
			f.events <- e
		}
	}
}

// offer hands an event to a stream, or cuts it off: it never waits for one. s.mu is held.
func (s *Subscriptions) offer(t outbox.Topic, f *feed, e *ent.Event) {
	if e.ID <= f.after {
		return
	}
	select {
	case f.events <- e:
	default:
		s.closeFeed(t, f, outbox.ErrGap)
	}
}

// closeFeed ends a stream, once. s.mu is held.
func (s *Subscriptions) closeFeed(t outbox.Topic, f *feed, err error) {
	if f.closed {
		return
	}
	f.closed, f.err = true, err
	close(f.events)
	if listeners := s.topics[t]; listeners != nil {
		delete(listeners.feeds, f)
	}
}
