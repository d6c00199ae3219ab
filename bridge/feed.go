package bridge

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/outbox"
	"lorebridge/rule"
)

// ErrGap says that a subscription missed events that it cannot get any more.
var ErrGap = errors.New("updates were missed: read the present state with a query")

// Feed is what one subscription gets of a topic. A resolver emits what Fresh and Event ask for, and then
// what comes from Events, unless it is nil.
type Feed struct {
	// Fresh says that the subscription begins now: what it begins with, such as a present state, is to be emitted.
	Fresh bool
	// Event is the one event to be emitted, or nil.
	Event *ent.Event
	// Events are the events from now on. Closed, it means that the stream ends; Err then says why.
	Events <-chan *ent.Event
	// Err is nil where the stream ended in good order, and ErrGap where its reader was too slow. It is to be called
	// after Events was closed.
	Err func() error
	// End is for the resolver to say that nothing will follow what it emits.
	End func()
}

// maxFeedQueue is how many events may wait for the reader of a stream, which is cut off beyond that.
const maxFeedQueue = 64

// call says what a run of a subscription field is for. A context without one streams.
type callKey struct{}

// registering is a subscription that came by POST: what it listens to is found out.
type registering struct {
	topic    outbox.Topic
	cursor   outbox.Cursor // before it
	reserved bool          // a place was taken for it
	ended    bool          // nothing will follow its first answer
}

// delivering is one event for one subscription.
type delivering struct {
	topic outbox.Topic
	event *ent.Event
	last  bool // nothing follows
}

// feed is the events of a stream: a subscription over WebSocket or server-sent events. Guarded by Subscriptions.mu,
// except its channel.
type feed struct {
	after  outbox.Cursor // what it covers was committed before
	events chan *ent.Event
	closed bool
	err    error
}

// Subscribe gives a resolver what it is called for: graph.Subscriptions says how.
func (s *Subscriptions) Subscribe(ctx context.Context, t outbox.Topic) (Feed, error) {
	viewer, err := auth.FromContext(ctx)
	if err != nil {
		return Feed{}, err
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
func (s *Subscriptions) register(ctx context.Context, t outbox.Topic, viewer auth.Viewer, call *registering) (Feed, error) {
	if err := s.registrations.Allow(viewer.UserID); err != nil {
		if limited, ok := errors.AsType[*auth.RateLimitError](err); ok {
			err = s.tooManyNew(limited.RetryAfter)
		}
		return Feed{}, err
	}
	if err := s.reserve(t, viewer.UserID); err != nil {
		return Feed{}, err
	}
	call.topic, call.reserved = t, true
	// Before the resolver reads its first value: an event that the value does not show is for the subscription. And
	// after its place was taken: what is published from now on is noted.
	var err error
	if call.cursor, err = s.eventLog.Newest(ctx); err != nil {
		return Feed{}, err
	}
	return Feed{Fresh: true, End: func() { call.ended = true }}, nil
}

// feed is the one event of a delivery. A topic that is not the one that was registered is a rule.ErrForbidden: who
// the viewer is has changed.
func (call *delivering) feed(t outbox.Topic) (Feed, error) {
	if call.topic != t {
		return Feed{}, rule.ErrForbidden
	}
	return Feed{Event: call.event, End: func() { call.last = true }}, nil
}

// stream is what is published from now on, until ctx ends.
func (s *Subscriptions) stream(ctx context.Context, t outbox.Topic, viewer auth.Viewer) (Feed, error) {
	if err := s.reserve(t, viewer.UserID); err != nil {
		return Feed{}, err
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
	last, err := s.eventLog.Newest(ctx)
	if err != nil {
		end()
		return Feed{}, err
	}
	s.mu.Lock()
	f.skip(last)
	s.mu.Unlock()
	context.AfterFunc(ctx, end)
	return Feed{Fresh: true, Events: f.events, End: func() {}, Err: func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		return f.err
	}}, nil
}

// skip leaves out the events up to one that was committed before the stream began. Subscriptions.mu is held, and
// nobody reads yet.
func (f *feed) skip(after outbox.Cursor) {
	f.after = after
	if f.closed {
		return
	}
	for range len(f.events) {
		if e := <-f.events; !after.Covers(e) {
			f.events <- e
		}
	}
}

// offer hands an event to a stream, or cuts it off: it never waits for one. s.mu is held.
func (s *Subscriptions) offer(t outbox.Topic, f *feed, e *ent.Event) {
	if f.after.Covers(e) {
		return
	}
	select {
	case f.events <- e:
	default:
		s.closeFeed(t, f, ErrGap)
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

// follow gives streams each event as it comes, until ctx ends. Nothing else delays them.
func (s *Subscriptions) follow(ctx context.Context) {
	s.mu.Lock()
	streams := s.streams
	s.mu.Unlock()
	defer streams.Close()
	for {
		select {
		case <-ctx.Done():
			return
		case <-streams.Ready():
		}
		entries, err := streams.Next(ctx, streamPage)
		if err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "events could not be read for streams; trying again", slog.Any("error", err))
			if !pause(ctx, catchUpPause) {
				return
			}
			streams.Again()
		}
		for _, entry := range entries {
			s.Stream(entry.Event)
		}
	}
}

// streamPage is how many events streams get at once.
const streamPage = 100

// Stream gives the next event of the log to the streams on its topics. It waits for none of them.
func (s *Subscriptions) Stream(e *ent.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range outbox.TopicsOf(e) {
		if listeners := s.topics[t]; listeners != nil {
			for f := range listeners.feeds {
				s.offer(t, f, e)
			}
		}
	}
}

// pause waits, and reports false if ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
