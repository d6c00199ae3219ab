package bridge

import (
	"context"
	"errors"
	"log/slog"
)

// maxFeedQueue is how many events may wait for the reader of a stream, which is cut off beyond that.
const maxFeedQueue = 64

// feed is the events of a stream: a subscription over WebSocket or server-sent events. Guarded by registry.mu, except
// its channel.
type feed struct {
	after  Seq // what is not behind it was committed before
	events chan *Event
	closed bool
	err    error
}

// streams gives the subscriptions over WebSocket or server-sent events each event as it comes.
type streams struct {
	*registry
	eventLog Log
	fail     func(ctx context.Context, err error)
	log      *slog.Logger
}

// begin returns what is published from now on, until ctx ends.
func (s *streams) begin(ctx context.Context, t Topic, viewer Viewer) (Feed, error) {
	if err := s.reserve(t, viewer.User); err != nil {
		return Feed{}, err
	}
	f := &feed{events: make(chan *Event, maxFeedQueue)}
	s.mu.Lock()
	s.topics[t].feeds[f] = struct{}{}
	s.mu.Unlock()
	end := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.closeFeed(t, f, nil)
		s.release(t, viewer.User)
	}
	newest, err := s.eventLog.Newest(ctx)
	if err != nil {
		end()
		return Feed{}, err
	}
	s.mu.Lock()
	f.skip(newest)
	s.mu.Unlock()
	context.AfterFunc(ctx, end)
	return Feed{
		Fresh: true, Events: f.events, End: func() {},
		Fail: func(err error) {
			if panicked, ok := errors.AsType[*panicError](err); ok {
				s.log.ErrorContext(ctx, "a subscription panicked",
					slog.Any("reason", panicked.reason), slog.String("stack", panicked.stack))
				err = errInternal
			}
			s.fail(ctx, err)
		},
		Err: func() error {
			s.mu.Lock()
			defer s.mu.Unlock()
			return f.err
		},
	}, nil
}

// skip leaves out the events that were committed before the stream began. registry.mu is held, and nobody reads yet.
func (f *feed) skip(after Seq) {
	f.after = after
	if f.closed {
		return
	}
	for range len(f.events) {
		if e := <-f.events; e.Seq > after {
			f.events <- e
		}
	}
}

// offer hands an event to a stream, or cuts it off: it never waits for one. s.mu is held.
func (s *streams) offer(t Topic, f *feed, e *Event) {
	if e.Seq <= f.after {
		return
	}
	select {
	case f.events <- e:
	default:
		s.closeFeed(t, f, ErrGap)
	}
}

// closeFeed ends a stream, once. s.mu is held.
func (s *streams) closeFeed(t Topic, f *feed, err error) {
	if f.closed {
		return
	}
	f.closed, f.err = true, err
	close(f.events)
	if listeners := s.topics[t]; listeners != nil {
		delete(listeners.feeds, f)
	}
}

// Stream gives the next event of the log to the streams on its topics. It waits for none of them.
func (s *streams) Stream(e *Event, topics ...Topic) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range topics {
		if listeners := s.topics[t]; listeners != nil {
			for f := range listeners.feeds {
				s.offer(t, f, e)
			}
		}
	}
}
