package bridge

import (
	"context"
	"strings"
	"time"

	"lorebridge/pusherapi"
)

// maxAnswering is how long deliveries wait for the request that made the event to be answered.
const maxAnswering = 100 * time.Millisecond

// Publish takes the next event of the log. Stored subscriptions get it in the order of the log, after its request was
// answered; those that nobody listens to now read it from the log later. It returns those of the topics that it is not
// done with yet; done is called once it is, from any goroutine. It does not block.
func (b *Bridge) Publish(e *Event, done func(), topics ...Topic) (open []Topic) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := &publication{event: e, done: done, answered: isClosed(e.Answered), open: 1} // until all groups have it
	for _, t := range topics {
		listeners := b.topics[t]
		if listeners == nil {
			continue
		}
		listeners.last = max(listeners.last, e.Seq)
		if len(listeners.groups) > 0 {
			open = append(open, t)
		}
		for _, g := range listeners.groups {
			p.open++
			b.queued++
			if g.queue = append(g.queue, p); len(g.queue) == 1 {
				b.advance(g)
			}
			if len(g.queue) > b.groupLimit() {
				b.cutOff(g)
			}
		}
	}
	if p.open > 1 && !p.answered {
		b.answering.Go(func() { b.awaitAnswer(p) })
	}
	if len(open) > 0 {
		p.less()
	}
	return open
}

// advance has the group's next event delivered, once its request has been answered. b.mu is held.
func (b *Bridge) advance(g *group) {
	p := g.queue[0]
	if !p.answered {
		p.waiting = append(p.waiting, g)
		return
	}
	b.enqueue(task{group: g})
}

// awaitAnswer lets the groups go on that wait for the answer to the request behind an event.
func (b *Bridge) awaitAnswer(p *publication) {
	timer := time.NewTimer(maxAnswering)
	defer timer.Stop()
	select {
	case <-p.event.Answered:
	case <-timer.C:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	p.answered = true
	for _, g := range p.waiting {
		b.advance(g)
	}
	p.waiting = nil
}

// isClosed says that there is nothing to wait for.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return c == nil
	}
}

// delivery is one event for the members of one group that listen now.
type delivery struct {
	group   *group
	event   *Event
	viewer  Viewer
	members []member
	outcome outcome
	over    chan struct{} // closed when it is
}

// member is a subscription as it was when the delivery began.
type member struct {
	sub      *subscription
	protocol Protocol
	joins    int
}

// deliver runs each group's operation once for its next event and sends the results to the members, those of all
// groups together. A group goes on when its members have the event, or are to read it from the log.
func (b *Bridge) deliver(ctx context.Context, tasks []task) {
	deliveries := make([]*delivery, len(tasks))
	recipients := 0
	for i, t := range tasks {
		deliveries[i] = b.begin(t.group)
		recipients += len(deliveries[i].members)
	}
	mails := make([]mail, 0, recipients)
	for _, d := range deliveries {
		if len(d.members) == 0 {
			continue
		}
		d.outcome = b.execute(ctx, d.group.operation, d.viewer, d.group.key.topic, d.event)
		for _, m := range d.members {
			mails = append(mails, b.mailTo(ctx, &d.outcome, m.sub, m.protocol))
		}
	}
	verdicts := b.push(ctx, mails)
	if ctx.Err() != nil {
		return // what was not sent is not settled: it is published after the next start
	}
	for _, d := range deliveries {
		n := len(d.members)
		b.finish(d, mails[:n], verdicts[:n])
		mails, verdicts = mails[n:], verdicts[n:]
	}
}

// begin notes who is to get the group's next event: those who listen, need it, and whose session still holds.
func (b *Bridge) begin(g *group) *delivery {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	d := &delivery{group: g, event: g.queue[0].event, members: make([]member, 0, len(g.members)), over: make(chan struct{})}
	for sub := range g.members {
		switch {
		case !sub.alive(now):
			b.close(sub, reasonExpired, true)
		case sub.cursor >= d.event.Seq || !sub.live(): // whoever joins reads it from the log
		case sub.gap == gapRefused:
			sub.gap = gapOwed
			b.lag(sub, d.event, g.queue[0])
		default:
			sub.sending = d.over
			d.members = append(d.members, member{sub, sub.protocol, sub.joins})
		}
	}
	if len(d.members) > 0 && g.key.user != "" {
		d.viewer = d.members[0].sub.viewer // all are the same person's
	}
	return d
}

// finish notes what became of a delivery and lets the group go on.
func (b *Bridge) finish(d *delivery, mails []mail, verdicts []error) {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	close(d.over)
	if len(d.members) > 0 {
		d.group.remember(d.event.Seq, now) // not earlier: whoever left before now may have missed it
	}
	p := d.group.queue[0]
	for i, m := range d.members {
		m.sub.sending = nil
		b.settle(mails[i], verdicts[i], d.event.Seq, m.joins, now)
		if isLater(verdicts[i]) && !m.sub.gone() && m.sub.joins == m.joins {
			b.failed(m.sub, verdicts[i])
			b.lag(m.sub, d.event, p)
		} else if m.sub.gap == gapOwed && !m.sub.gone() {
			b.lag(m.sub, d.event, p) // its client is owed a gap, also after a crash
		}
		if m.sub.catching != 0 {
			b.enqueue(task{catchUp: m.sub})
		}
	}
	d.group.queue[0] = nil
	d.group.queue = d.group.queue[1:]
	b.queued--
	p.less()
	if len(d.group.queue) > 0 {
		b.advance(d.group)
	} else {
		d.group.queue = nil // let go of the array behind it
	}
}

// settle notes what became of one result for one subscription. b.mu is held.
func (b *Bridge) settle(m mail, verdict error, at Seq, joins int, now time.Time) {
	sub := m.sub
	if sub.gone() {
		return
	}
	b.dirty[sub] = struct{}{}
	if m.failure != "" {
		sub.lastError = short(m.failure)
		if m.size > 0 {
			b.stats.Oversized++
		} else {
			b.stats.Failed++
		}
	}
	switch {
	case verdict != nil && pusherapi.IsFinal(verdict):
		sub.lastError = short(verdict.Error())
		if sub.gap == gapNone {
			sub.gapFrom = sub.cursor
		}
		sub.gap = gapOwed
	case verdict != nil: // it is due all the same
		sub.lastError = short(verdict.Error())
		return
	}
	if sub.joins == joins {
		sub.cursor = max(sub.cursor, at)
	}
	if len(m.packets) > 0 && verdict == nil {
		b.stats.Updates++
		sub.deliveredAt, sub.failures, sub.retryAt = now, 0, time.Time{}
	}
	if m.end != "" {
		sub.readable = m.size > 0
		b.close(sub, m.end, verdict != nil) // its end was behind the packet that was refused, or sent
	} else if verdict != nil {
		b.again(sub)
	}
}

// short cuts what is kept of an error: a result can have hundreds.
func short(words string) string {
	const most = 500 // bytes
	if len(words) <= most {
		return words
	}
	return strings.ToValidUTF8(words[:most], "") + "…"
}
