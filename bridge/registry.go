package bridge

import (
	"sync"
	"time"
)

// registry knows who listens to what. Its mutex guards all that changes in this package, except what is within one
// call.
type registry struct {
	rules  rules
	config Config
	tasks  *scheduler

	// mu is never held while Pusher, the Log, the Store or a resolver is called.
	mu        sync.Mutex
	byID      map[int]*subscription
	byChannel map[string]*subscription
	topics    map[Topic]*topic
	perUser   map[string]int // places that subscriptions and streams take
	dirty     map[*subscription]struct{}
	unwritten map[string]*subscription // by channel: ended or gone away, which the store does not know yet
	parting   map[string]*subscription // by channel: ended ones whose former owners were granted the channel
	wentAway  map[string]struct{}      // users of whom a subscription went away lately; the empty one is for all who are anonymous
	stats     Stats
}

// newRegistry returns an empty registry.
func newRegistry(c Config, embedded bool) *registry {
	r := &registry{
		rules: rules{embedded: embedded, grace: c.Grace, lifetime: c.Lifetime}, config: c,
		byID: make(map[int]*subscription), byChannel: make(map[string]*subscription), topics: make(map[Topic]*topic),
		perUser: make(map[string]int), dirty: make(map[*subscription]struct{}), unwritten: make(map[string]*subscription),
		parting: make(map[string]*subscription), wentAway: make(map[string]struct{}),
	}
	r.tasks = newScheduler(&r.mu, r.due)
	return r
}

// topic is everybody who listens to a Topic. It exists while somebody does. Guarded by registry.mu.
type topic struct {
	groups map[groupKey]*group
	feeds  map[*feed]struct{}
	users  int // subscriptions and feeds, also those that are about to be
	last   Seq // the last event that was published to it
}

// apply has something happen to a subscription, and does what follows from it. mu is held.
func (r *registry) apply(sub *subscription, h happening) {
	if h.now.IsZero() {
		h.now = time.Now().UTC()
	}
	var acts action
	sub.machine, acts = sub.on(h, r.rules)
	if acts&actSettle != 0 {
		sub.settle()
	}
	if acts&actPlace != 0 {
		r.place(sub, true)
	}
	if acts&actUnplace != 0 {
		r.unplace(sub)
	}
	if acts&actForget != 0 {
		r.forget(sub)
	}
	if acts&actWrite != 0 {
		r.dirty[sub] = struct{}{}
	}
	if acts&actCatchUp != 0 {
		r.tasks.add(task{catchUp: sub})
	}
	if acts&actPoll != 0 {
		r.tasks.add(task{poll: sub, joins: sub.joins})
	}
	if acts&actSendEnd != 0 {
		r.tasks.add(task{end: sub})
	}
	r.schedule(sub)
}

// schedule has the scheduler look at a subscription when its deadline comes. mu is held.
func (r *registry) schedule(sub *subscription) {
	at := sub.machine.deadline(time.Now(), sub.busy(), r.rules)
	switch {
	case sub.parting:
		at = r.partingDeadline(sub)
	case sub.over():
		at = sub.endAt
	}
	r.tasks.schedule(sub, at)
}

// due looks at a subscription whose deadline has come. mu is held.
func (r *registry) due(sub *subscription, now time.Time) {
	switch {
	case sub.parting:
		r.dueParting(sub, now)
	case sub.over():
		sub.endAt = time.Time{}
		r.tasks.add(task{end: sub})
		r.schedule(sub)
	default:
		r.apply(sub, happening{event: timedOut, now: now.UTC(), busy: sub.busy()})
	}
}

// doubt is an event after which it counts what a client has received by the moment to. mu is held.
func (r *registry) doubt(sub *subscription, e event, to time.Time) happening {
	h := happening{event: e, to: to}
	if sub.group != nil {
		h.sent = sub.group.sentBy(to)
	}
	return h
}

// occupied has somebody listen on the channel of a subscription. mu is held.
func (r *registry) occupied(sub *subscription, e event) {
	if !sub.parting {
		r.apply(sub, happening{event: e})
		return
	}
	sub.occupied, sub.wakeAt = !r.rules.embedded, time.Time{} // the embedded server reports each join
	r.tasks.add(task{end: sub})
	r.schedule(sub)
}

// end ends a subscription for good; silent means that its client is not sent the end. mu is held.
func (r *registry) end(sub *subscription, reason string, silent bool) {
	r.apply(sub, happening{event: ended, reason: reason, silent: silent})
}

// enter adds a subscription, whose topic is held, to those that events are delivered to. mu is held.
func (r *registry) enter(sub *subscription, key groupKey) {
	r.byID[sub.id] = sub
	r.byChannel[sub.channel] = sub
	groups := r.topics[sub.topic].groups
	g, ok := groups[key]
	if !ok {
		g = &group{key: key, operation: sub.operation, members: make(map[*subscription]struct{})}
		groups[key] = g
	}
	g.members[sub] = struct{}{}
	sub.group = g
	r.schedule(sub)
}

// forget takes a subscription out of memory. Until its record is written, unwritten has it. mu is held.
func (r *registry) forget(sub *subscription) {
	delete(r.byID, sub.id)
	delete(r.byChannel, sub.channel)
	delete(sub.group.members, sub)
	if listeners := r.topics[sub.topic]; len(sub.group.members) == 0 && listeners.groups[sub.group.key] == sub.group {
		delete(listeners.groups, sub.group.key)
	}
	r.drop(sub.topic)
	r.unwritten[sub.channel] = sub
	if sub.state == StateAway {
		r.wentAway[sub.viewer.User] = struct{}{}
	}
}

// known is the subscription whose client may join a channel, or nil. mu is held.
func (r *registry) known(channel string) *subscription {
	if sub := r.byChannel[channel]; sub != nil {
		return sub
	}
	return r.parting[channel]
}

// isBack reports whether a subscription which had gone away was revived. mu is held.
func (r *registry) isBack(sub *subscription) bool {
	return sub.state == StateAway && r.byChannel[sub.channel] != nil
}

// owned returns the subscription of a channel that is in memory, or nil. Another person's is ErrForbidden.
func (r *registry) owned(channel, user string) (*subscription, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sub := r.byChannel[channel]
	if sub != nil && !sub.viewer.mayJoin(user) {
		return nil, ErrForbidden
	}
	return sub, nil
}

func (r *registry) protocolOf(sub *subscription) Protocol {
	r.mu.Lock()
	defer r.mu.Unlock()
	return sub.protocol
}
