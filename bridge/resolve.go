package bridge

import (
	"context"
	"runtime/debug"
)

// Source is what a subscription field emits: what it listens to, how its value is made of an event, and what it begins
// and ends with.
type Source[T any] struct {
	Topic Topic
	// Allow returns an error unless the viewer in the context may have the field's values now. It runs when a
	// subscription begins, and for each subscription before each of its deliveries. Subscriptions of several viewers
	// share an execution only if there is an Allow, and all their fields are @broadcastable. The values that they share
	// are made for the zero Viewer. An error ends the subscription, except that of a context and an Unavailable: after
	// these the question is repeated. Nil if the resolver checks the rights itself.
	Allow func(ctx context.Context) error
	// First makes what is emitted before any event; nil if that is nothing.
	First func(ctx context.Context) (*T, error)
	// Of makes what is emitted for an event; a nil value is not. An error ends the subscription, unless it passes.
	Of func(ctx context.Context, e *Event) (*T, error)
	// Last reports that nothing follows a value; nil if something always can.
	Last func(value *T) bool
}

// Feeds gives resolvers their feeds: a *Bridge does.
type Feeds interface {
	Subscribe(ctx context.Context, in Interest) (Feed, error)
}

// Resolve is the body of a resolver of a subscription field. The same call registers a subscription, makes the value of
// one delivery, and streams. What a subscription begins with and the one event of a delivery are made before it
// returns, so that their errors are the field's.
func Resolve[T any](ctx context.Context, feeds Feeds, s Source[T]) (<-chan *T, error) {
	feed, err := feeds.Subscribe(ctx, Interest{Topic: s.Topic, Allow: s.Allow})
	if err != nil {
		return nil, err
	}
	values := make(chan *T, 1)
	var value *T
	switch {
	case feed.Fresh && s.First != nil:
		value, err = s.First(ctx)
	case feed.Event != nil:
		value, err = s.Of(ctx, feed.Event)
	}
	if err != nil {
		return nil, err
	}
	if value != nil {
		values <- value
	}
	if s.isLast(value) {
		feed.End()
		feed.Events = nil
	}
	if feed.Events == nil {
		close(values)
		return values, nil
	}
	go func() {
		defer close(values)
		if err := s.followSafely(ctx, feed, values); err != nil {
			feed.Fail(err)
		}
	}()
	return values, nil
}

// isLast reports whether nothing follows a value.
func (s Source[T]) isLast(value *T) bool { return value != nil && s.Last != nil && s.Last(value) }

// followSafely is follow, with a panic as an error: nobody else would recover it.
func (s Source[T]) followSafely(ctx context.Context, feed Feed, values chan<- *T) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = &panicError{reason, string(debug.Stack())}
		}
	}()
	return s.follow(ctx, feed, values)
}

// follow emits a stream's events until it ends, and returns why, unless it ended in good order.
func (s Source[T]) follow(ctx context.Context, feed Feed, values chan<- *T) error {
	for e := range feed.Events {
		if s.Allow != nil {
			if err := s.Allow(ctx); err != nil {
				return err
			}
		}
		value, err := s.Of(ctx, e)
		if err != nil {
			return err
		}
		if value == nil {
			continue
		}
		select {
		case values <- value:
		case <-ctx.Done():
			return nil
		}
		if s.isLast(value) {
			return nil
		}
	}
	return feed.Err()
}
