package bridge

import (
	"context"
)

// Interest is what a resolver listens to.
type Interest struct {
	Topic Topic
	// Allow returns an error unless the viewer in the context may have what is on the topic now; nil if the resolver
	// sees to that itself. It runs for each member of a group, so it should be quick.
	Allow func(ctx context.Context) error
}

// Feed is what one run of a subscription field gets of a topic. A resolver emits what Fresh and Event ask for, and then
// what comes from Events, unless it is nil. Resolve does that.
type Feed struct {
	// Fresh says that the subscription begins now: what it begins with, such as a present state, is to be emitted.
	Fresh bool
	// Event is the one event to be emitted, or nil.
	Event *Event
	// Events are the events from now on. Closed, it means that the stream ends; Err then says why.
	Events <-chan *Event
	// Err is nil if the stream ended in good order, and ErrGap if its reader was too slow. It is to be called after
	// Events was closed.
	Err func() error
	// Fail ends a stream with an error, before the channel of the field is closed.
	Fail func(err error)
	// End is for the resolver to report that nothing will follow what it emits.
	End func()
}

// maxFeedQueue is how many events may wait for the reader of a stream, which is cut off beyond that.
const maxFeedQueue = 64

// callKey is the key of what a run of a subscription field is for. A context without one streams.
type callKey struct{}

// registering is a subscription that came by POST: what it listens to is found out.
type registering struct {
	viewer   Viewer
	topic    Topic
	guarded  bool // it has an Allow
	cursor   Seq  // before it
	reserved bool // a place was taken for it
	ended    bool // nothing will follow its first answer
}

// delivering is one event for one group.
type delivering struct {
	topic Topic
	event *Event
	allow func(context.Context) error // what the resolver gave; nil before
	last  bool                        // nothing follows
}

// feed is the events of a stream: a subscription over WebSocket or server-sent events. Guarded by Bridge.mu, except its
// channel.
type feed struct {
	after  Seq // what is not behind it was committed before
	events chan *Event
	closed bool
	err    error
}

// Subscribe gives a resolver its feed. Whether it registers, delivers or streams, it finds out from the context. Too
// many subscriptions of one viewer are a *LimitError, a topic that is not the registered one is ErrForbidden.
func (b *Bridge) Subscribe(ctx context.Context, in Interest) (Feed, error) {
	if call, ok := ctx.Value(callKey{}).(*delivering); ok {
		return call.feed(in)
	}
	viewer, err := b.identity.Viewer(ctx)
	if err != nil {
		return Feed{}, err
	}
	if in.Allow != nil {
		if err := in.Allow(ctx); err != nil {
			return Feed{}, err
		}
	}
	if call, ok := ctx.Value(callKey{}).(*registering); ok {
		return b.register(ctx, in, viewer, call)
	}
	return b.stream(ctx, in.Topic, viewer)
}

// register takes a place for a subscription that came by POST.
func (b *Bridge) register(ctx context.Context, in Interest, viewer Viewer, call *registering) (Feed, error) {
	if err := b.deps.Register(viewer); err != nil {
		return Feed{}, err
	}
	if err := b.reserve(in.Topic, viewer.User); err != nil {
		return Feed{}, err
	}
	call.viewer, call.topic, call.guarded, call.reserved = viewer, in.Topic, in.Allow != nil, true
	// Before the resolver reads its first value: an event that the value does not show is for the subscription. And
	// after its place was taken: what is published from now on is noted.
	var err error
	if call.cursor, err = b.eventLog.Newest(ctx); err != nil {
		return Feed{}, err
	}
	return Feed{Fresh: true, End: func() { call.ended = true }}, nil
}

// feed is the one event of a delivery. Another topic than the registered one means that the viewer is somebody else
// now.
func (call *delivering) feed(in Interest) (Feed, error) {
	if call.topic != in.Topic {
		return Feed{}, ErrForbidden
	}
	call.allow = in.Allow
	return Feed{Event: call.event, End: func() { call.last = true }}, nil
}

// stream is what is published from now on, until ctx ends.
func (b *Bridge) stream(ctx context.Context, t Topic, viewer Viewer) (Feed, error) {
	if err := b.reserve(t, viewer.User); err != nil {
		return Feed{}, err
	}
	f := &feed{events: make(chan *Event, maxFeedQueue)}
	b.mu.Lock()
	b.topics[t].feeds[f] = struct{}{}
	b.mu.Unlock()
	end := func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.closeFeed(t, f, nil)
		b.release(t, viewer.User)
	}
	newest, err := b.eventLog.Newest(ctx)
	if err != nil {
		end()
		return Feed{}, err
	}
	b.mu.Lock()
	f.skip(newest)
	b.mu.Unlock()
	context.AfterFunc(ctx, end)
	return Feed{
		Fresh: true, Events: f.events, End: func() {},
		Fail: func(err error) { b.deps.StreamError(ctx, err) },
		Err: func() error {
			b.mu.Lock()
			defer b.mu.Unlock()
			return f.err
		},
	}, nil
}

// skip leaves out the events that were committed before the stream began. Bridge.mu is held, and nobody reads yet.
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

// offer hands an event to a stream, or cuts it off: it never waits for one. b.mu is held.
func (b *Bridge) offer(t Topic, f *feed, e *Event) {
	if e.Seq <= f.after {
		return
	}
	select {
	case f.events <- e:
	default:
		b.closeFeed(t, f, ErrGap)
	}
}

// closeFeed ends a stream, once. b.mu is held.
func (b *Bridge) closeFeed(t Topic, f *feed, err error) {
	if f.closed {
		return
	}
	f.closed, f.err = true, err
	close(f.events)
	if listeners := b.topics[t]; listeners != nil {
		delete(listeners.feeds, f)
	}
}

// Stream gives the next event of the log to the streams on its topics. It waits for none of them.
func (b *Bridge) Stream(e *Event, topics ...Topic) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range topics {
		if listeners := b.topics[t]; listeners != nil {
			for f := range listeners.feeds {
				b.offer(t, f, e)
			}
		}
	}
}
