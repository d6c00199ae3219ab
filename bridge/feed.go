package bridge

import (
	"context"
	"errors"
)

// Interest is what a resolver listens to.
type Interest struct {
	Topic Topic
	// Allow returns an error unless the viewer in the context may have what is on the topic now; nil if the resolver
	// sees to that itself. It is asked at the
	// registration and for each member of a group. Resolve asks it for each event of a stream, too. It should be quick.
	Allow func(ctx context.Context) error
}

// Feed is what one run of a subscription field gets of a topic. A resolver emits what Fresh and Event ask for, and then
// what comes from Events, unless it is nil. Resolve does that.
type Feed struct {
	// Fresh means that the subscription begins now: the resolver emits its first value, such as a present state.
	Fresh bool
	// Event is the one event to be emitted, or nil.
	Event *Event
	// Events are the events from now on. It is closed when the stream ends, and then Err has the reason.
	Events <-chan *Event
	// Err is nil if the stream ended in good order, and ErrGap if its reader was too slow. It is to be called after
	// Events was closed.
	Err func() error
	// Fail ends a stream with an error, before the channel of the field is closed.
	Fail func(err error)
	// End is for the resolver to report that nothing will follow what it emits.
	End func()
}

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

	open    bool // the resolver gave no allow
	foreign bool // the resolver wants another topic than the registered one
}

// Subscribe gives a resolver its feed. Whether it registers, delivers or streams, it finds out from the context. Too
// many subscriptions of one viewer are a *LimitError, a topic that is not the registered one is ErrForbidden.
func (b *Bridge) Subscribe(ctx context.Context, in Interest) (Feed, error) {
	if call, ok := ctx.Value(callKey{}).(*delivering); ok {
		return call.feed(in)
	}
	viewer, err := b.deps.Identity.Viewer(ctx)
	if err != nil {
		return Feed{}, err
	}
	if viewer.User == "" && viewer.Session != "" {
		return Feed{}, errors.New("bridge: a Viewer with a Session needs a User")
	}
	if in.Allow != nil {
		if err := in.Allow(ctx); err != nil {
			return Feed{}, err
		}
	}
	if call, ok := ctx.Value(callKey{}).(*registering); ok {
		return b.register(ctx, in, viewer, call)
	}
	return b.streams.begin(ctx, in.Topic, viewer)
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
	if call.cursor, err = b.deps.Log.Newest(ctx); err != nil {
		return Feed{}, err
	}
	return Feed{Fresh: true, End: func() { call.ended = true }}, nil
}

// feed is the one event of a delivery. Another topic than the registered one means that the viewer is somebody else
// now.
func (call *delivering) feed(in Interest) (Feed, error) {
	if call.topic != in.Topic {
		call.foreign = true
		return Feed{}, ErrForbidden
	}
	call.allow, call.open = in.Allow, in.Allow == nil
	return Feed{Event: call.event, End: func() { call.last = true }}, nil
}
