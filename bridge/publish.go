package bridge

import (
	"log/slog"
	"sync"
	"time"
)

const (
	// maxAnswering is how long deliveries wait for the request that made the event to be answered.
	maxAnswering = 100 * time.Millisecond
	// maxGroupQueue is how many events may wait for one group.
	maxGroupQueue = 1_000
	// maxQueued is how many events may wait for all groups together, before each group may have no more than fewQueued.
	maxQueued = 10_000
	fewQueued = 50
)

// publisher brings events to the groups that listen.
type publisher struct {
	*registry
	log       *slog.Logger
	queued    int            // events that wait for groups; guarded by registry.mu
	answering sync.WaitGroup // what waits for the requests behind events to be answered
}

// publication is an event on its way to the groups of its topics. Guarded by registry.mu.
type publication struct {
	event    *Event
	open     int      // groups that are not done with it, and members of theirs that lag
	done     func()   // is called once it is settled
	answered bool     // the request behind it, or it took too long
	waiting  []*group // for that
}

// less notes that one who had the event before them is done with it. registry.mu is held.
func (p *publication) less() {
	p.open--
	if p.open == 0 {
		p.done() // only notes it
	}
}

// owe keeps an event from being settled before the subscription has caught up. registry.mu is held.
func (s *subscription) owe(p *publication) {
	p.open++
	s.owed = append(s.owed, p)
}

// settle notes that the subscription has what it lacked, or that its client does not wait for it any more. registry.mu
// is held.
func (s *subscription) settle() {
	for _, p := range s.owed {
		p.less()
	}
	s.owed = nil
}

// Publish takes the next event of the log. Stored subscriptions get it in the order of the log, after its request was
// answered; those that nobody listens to now read it from the log later. It returns those of the topics that it is not
// done with yet. If there are any, done is called once it is, unless it is nil. It may be called from any goroutine,
// with a lock of the Bridge held: so it must return at once, and call nothing of the Bridge. Publish does not block.
func (p *publisher) Publish(e *Event, done func(), topics ...Topic) (open []Topic) {
	if done == nil {
		done = func() {}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	publication := &publication{event: e, done: done, answered: isClosed(e.Answered), open: 1} // until all groups have it
	for _, t := range topics {
		listeners := p.topics[t]
		if listeners == nil {
			continue
		}
		listeners.last = max(listeners.last, e.Seq)
		if len(listeners.groups) > 0 {
			open = append(open, t)
		}
		for _, g := range listeners.groups {
			p.enqueue(g, publication)
		}
	}
	if publication.open > 1 && !publication.answered && !p.tasks.ended {
		p.answering.Go(func() { p.awaitAnswer(publication) })
	}
	if len(open) > 0 {
		publication.less()
	}
	return open
}

// enqueue gives a group one more event. mu is held.
func (p *publisher) enqueue(g *group, one *publication) {
	one.open++
	p.queued++
	if g.queue = append(g.queue, one); len(g.queue) == 1 {
		p.advance(g)
	}
	limit := maxGroupQueue
	if p.queued > maxQueued {
		limit = fewQueued
	}
	if len(g.queue) > limit {
		p.cutOff(g)
	}
}

// advance has the group's next event delivered, once its request has been answered. mu is held.
func (p *publisher) advance(g *group) {
	first := g.queue[0]
	if !first.answered {
		first.waiting = append(first.waiting, g)
		return
	}
	p.tasks.add(task{group: g})
}

// dequeue drops the group's first event, with which it is done, and goes on with the next one. mu is held.
func (p *publisher) dequeue(g *group) {
	first := g.queue[0]
	g.queue[0] = nil
	g.queue = g.queue[1:]
	p.queued--
	first.less()
	if len(g.queue) > 0 {
		p.advance(g)
	} else {
		g.queue = nil // let go of the array behind it
	}
}

// awaitAnswer lets the groups go on that wait for the answer to the request behind an event.
func (p *publisher) awaitAnswer(one *publication) {
	timer := time.NewTimer(maxAnswering)
	defer timer.Stop()
	select {
	case <-one.event.Answered:
	case <-timer.C:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	one.answered = true
	for _, g := range one.waiting {
		p.advance(g)
	}
	one.waiting = nil
}

// isClosed reports whether there is nothing to wait for.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return c == nil
	}
}

// cutOff lets a group forget the events that wait for it, except the first, which a worker may have: it is too slow.
// Its members read them from the log, page by page. mu is held.
func (p *publisher) cutOff(g *group) {
	p.log.Warn("a subscription is too slow; it goes on from the log",
		slog.String("topic", string(g.key.topic)), slog.Int("events", len(g.queue)))
	dropped := g.queue[1:]
	for sub := range g.members {
		if sub.live() {
			p.lag(sub, g.queue[0].event, dropped[0])
		}
	}
	for i, one := range dropped {
		p.queued--
		one.less()
		dropped[i] = nil
	}
	g.queue = g.queue[:1]
}

// lag has a live subscription read from the log what it lacks: an event and all that follow. Until it has them, one of
// them is not settled. mu is held.
func (p *publisher) lag(sub *subscription, first *Event, owed *publication) {
	sub.owe(owed)
	h := p.doubt(sub, lagged, time.Now().Add(-catchUpWindow))
	h.first = first.Seq
	p.apply(sub, h)
}

// Resume takes up a topic that an earlier process left behind: those who listen now catch up as if they had joined
// again, each from where its own record is. What came before may have been settled while one of them was not yet live.
// It calls done once nobody lags any more.
func (p *publisher) Resume(t Topic, done func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := &publication{done: done, open: 1}
	defer one.less()
	listeners := p.topics[t]
	if listeners == nil {
		return
	}
	for _, g := range listeners.groups {
		for sub := range g.members {
			if !sub.authorizedAt.IsZero() && (sub.live() || sub.state == StateJoining) {
				sub.owe(one)
				p.apply(sub, happening{event: interrupted})
			}
		}
	}
}

// Retry has the subscriptions to a topic that lag tried now, or those to all topics if it is empty, and returns how
// many there are.
func (p *publisher) Retry(t Topic) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, sub := range p.byID {
		if len(sub.owed) > 0 && (t == "" || sub.topic == t) {
			sub.machine = sub.due()
			p.tasks.add(task{catchUp: sub})
			p.schedule(sub)
			n++
		}
	}
	return n
}
