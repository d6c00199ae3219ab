package bridge

import (
	"cmp"
	"context"
	"strings"
	"time"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/subscriber"
	"lorebridge/outbox"
)

const (
	// maxAnswering is how long deliveries wait for the request that made the event to be answered.
	maxAnswering = 100 * time.Millisecond
	// tasksAtOnce is how many groups a worker takes: as many results as Pusher takes in one batch.
	tasksAtOnce = maxBatch
)

// task is something for a worker to do; one of its fields is set.
type task struct {
	group    *group        // deliver its next event
	catchUp  *subscription // send what it missed
	farewell *subscription // tell its client that it has ended
	poll     *subscription // ask whether its channel is occupied …
	waited   time.Duration // … after so long
}

// userID is whose task it is; 0 where it is everybody's.
func (t task) userID() int {
	if t.group != nil {
		return t.group.person()
	}
	return cmp.Or(t.catchUp, t.farewell, t.poll).viewer.UserID
}

// Publish implements outbox.Publisher. Streams get the event at once; stored subscriptions in the order of their topic, after
// answered. Those that nobody listens to now do not get it: they will read it from the table.
func (s *Subscriptions) Publish(e *ent.Event, answered <-chan struct{}, done func()) {
	s.mu.Lock()
	p := &publication{event: e, done: done, answered: isClosed(answered)}
	for _, t := range outbox.TopicsOf(e) {
		listeners := s.topics[t]
		if listeners == nil {
			continue
		}
		listeners.last = max(listeners.last, e.ID)
		for f := range listeners.feeds {
			s.offer(t, f, e)
		}
		for _, g := range listeners.groups {
			p.groups++
			if g.queue = append(g.queue, p); len(g.queue) == 1 {
				s.advance(g)
			}
		}
	}
	idle := p.groups == 0
	if !idle && !p.answered {
		s.answering.Go(func() { s.awaitAnswer(p, answered) })
	}
	s.mu.Unlock()
	if idle {
		done()
	}
}

// advance has the group's next event delivered, once its request has been answered. s.mu is held.
func (s *Subscriptions) advance(g *group) {
	p := g.queue[0]
	if !p.answered {
		p.waiting = append(p.waiting, g)
		return
	}
	s.enqueue(task{group: g})
}

// awaitAnswer lets the groups go on that wait for the answer to the request behind an event.
func (s *Subscriptions) awaitAnswer(p *publication, answered <-chan struct{}) {
	timer := time.NewTimer(maxAnswering)
	defer timer.Stop()
	select {
	case <-answered:
	case <-timer.C:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.answered = true
	for _, g := range p.waiting {
		s.advance(g)
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

// backlog is what workers are to do, in a line for each person: who asks for much waits longer, and nobody else does.
type backlog struct {
	lines map[int][]task // by person; 0 is for what is everybody's
	turns []int          // whose turn it is: each person with a line, once
	size  int
}

func (b *backlog) add(userID int, t task) {
	if len(b.lines[userID]) == 0 {
		b.turns = append(b.turns, userID)
	}
	b.lines[userID] = append(b.lines[userID], t)
	b.size++
}

// next is the task whose turn it is; there is one.
func (b *backlog) next() task { return b.lines[b.turns[0]][0] }

// pop takes the next task, and lets its person wait for another turn.
func (b *backlog) pop() task {
	userID := b.turns[0]
	line := b.lines[userID]
	t := line[0]
	line[0] = task{}
	b.turns = b.turns[1:]
	if line = line[1:]; len(line) > 0 {
		b.lines[userID] = line
		b.turns = append(b.turns, userID)
	} else {
		delete(b.lines, userID)
	}
	b.size--
	return t
}

// enqueue gives the workers something to do. s.mu is held.
func (s *Subscriptions) enqueue(t task) {
	s.backlog.add(t.userID(), t)
	s.arrived.Signal()
}

// take waits for tasks: several groups, or one of another kind. Without any, the end has come.
func (s *Subscriptions) take() []task {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.backlog.size == 0 && !s.ended {
		s.arrived.Wait()
	}
	if s.ended {
		return nil
	}
	taken := []task{s.backlog.pop()}
	for taken[0].group != nil && len(taken) < tasksAtOnce && s.backlog.size > 0 && s.backlog.next().group != nil {
		taken = append(taken, s.backlog.pop())
	}
	return taken
}

// work is one worker.
func (s *Subscriptions) work(ctx context.Context) {
	for {
		tasks := s.take()
		switch {
		case len(tasks) == 0:
			return
		case tasks[0].group != nil:
			s.deliver(ctx, tasks)
		case tasks[0].catchUp != nil:
			s.catchUp(ctx, tasks[0].catchUp)
		case tasks[0].farewell != nil:
			sub := tasks[0].farewell
			s.push(ctx, []mail{endOf(sub, s.protocolOf(sub))})
		case tasks[0].poll != nil:
			s.poll(ctx, tasks[0].poll, tasks[0].waited)
		}
	}
}

// delivery is one event for the members of one group that listen now.
type delivery struct {
	group   *group
	event   *ent.Event
	viewer  auth.Viewer
	members []member
	outcome outcome
	over    chan struct{} // closed when it is
}

// member is a subscription as it was when the delivery began.
type member struct {
	sub      *subscription
	protocol subscriber.Protocol
	joins    int
}

// deliver runs each group's operation once for its next event and sends the results to the members, those of all groups together. A
// group goes on when its members have the event, or it was given up.
func (s *Subscriptions) deliver(ctx context.Context, tasks []task) {
	deliveries := make([]*delivery, len(tasks))
	recipients := 0
	for i, t := range tasks {
		deliveries[i] = s.begin(t.group)
		recipients += len(deliveries[i].members)
	}
	mails := make([]mail, 0, recipients)
	for _, d := range deliveries {
		if len(d.members) == 0 {
			continue
		}
		d.outcome = s.execute(ctx, d.group.operation, d.viewer, d.group.key.topic, d.event)
		for _, m := range d.members {
			mails = append(mails, mail{sub: m.sub, rendering: s.render(&d.outcome, m.sub, m.protocol)})
		}
	}
	verdicts := s.push(ctx, mails)
	if ctx.Err() != nil {
		return // what was not sent, outbox will publish again
	}
	for _, d := range deliveries {
		n := len(d.members)
		s.finish(d, mails[:n], verdicts[:n])
		mails, verdicts = mails[n:], verdicts[n:]
	}
}

// begin notes who is to get the group's next event: those who listen, need it, and whose session still holds.
func (s *Subscriptions) begin(g *group) *delivery {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	d := &delivery{group: g, event: g.queue[0].event, members: make([]member, 0, len(g.members)), over: make(chan struct{})}
	for sub := range g.members {
		switch {
		case !sub.alive(now):
			s.close(sub, reasonExpired, true)
		case !sub.needs(d.event.ID):
		case sub.live() && sub.gap == gapRefused:
			sub.gap = gapOwed
			s.again(sub)
			s.overtaken(sub, d.event.ID)
		case sub.live():
			sub.sending = d.over
			d.members = append(d.members, member{sub, sub.protocol, sub.joins})
		default:
			s.overtaken(sub, d.event.ID)
		}
	}
	if len(d.members) > 0 && g.key.userID != 0 {
		d.viewer = d.members[0].sub.viewer // all are the same person's
	}
	return d
}

// finish notes what became of a delivery and lets the group go on.
func (s *Subscriptions) finish(d *delivery, mails []mail, verdicts []error) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	close(d.over)
	if len(d.members) > 0 {
		d.group.remember(d.event.ID, now) // not earlier: whoever left before now may have missed it
	}
	for i, m := range d.members {
		m.sub.sending = nil
		s.settle(mails[i], verdicts[i], d.event.ID, m.joins, now)
		if m.sub.catching != 0 {
			s.enqueue(task{catchUp: m.sub})
		}
	}
	p := d.group.queue[0]
	d.group.queue[0] = nil
	d.group.queue = d.group.queue[1:]
	p.groups--
	if p.groups == 0 {
		p.done() // only notes it
	}
	if len(d.group.queue) > 0 {
		s.advance(d.group)
	} else {
		d.group.queue = nil // let go of the array behind it
	}
}

// settle notes what became of one result for one subscription. s.mu is held.
func (s *Subscriptions) settle(m mail, verdict error, eventID, joins int, now time.Time) {
	sub := m.sub
	if sub.gone() {
		return
	}
	s.dirty[sub] = struct{}{}
	if m.failure != "" {
		sub.lastError = short(m.failure)
		if m.size > 0 {
			s.stats.Oversized++
		} else {
			s.stats.Failed++
		}
	}
	switch {
	case verdict != nil && isFinal(verdict):
		sub.lastError = short(verdict.Error())
		sub.gap = gapOwed
	case verdict != nil: // given up for now: whoever comes back catches up
		sub.lastError = short(verdict.Error())
		s.overtaken(sub, eventID)
		s.again(sub)
		return
	}
	if sub.joins == joins {
		sub.cursor = max(sub.cursor, eventID)
	} else {
		s.overtaken(sub, eventID)
	}
	if len(m.packets) > 0 && verdict == nil {
		s.stats.Updates++
		sub.deliveredAt = now
	}
	if m.end != "" {
		sub.readable = m.size > 0
		s.close(sub, m.end, verdict != nil) // its farewell was behind the packet that was refused, or sent
	} else if verdict != nil {
		s.again(sub)
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
