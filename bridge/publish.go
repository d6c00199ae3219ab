package bridge

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
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

// Publish takes the next event of the log. Stored subscriptions get it in the order of the log, after its request was answered; those that
// nobody listens to now read it from the log later. It returns the topics that it is not done with yet; done is called once it is.
func (s *Subscriptions) Publish(entry outbox.Entry, done func()) (topics []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &publication{event: entry.Event, done: done, answered: isClosed(entry.Answered)}
	for _, t := range outbox.TopicsOf(entry.Event) {
		listeners := s.topics[t]
		if listeners == nil {
			continue
		}
		listeners.last = outbox.Later(listeners.last, outbox.At(p.event))
		if len(listeners.groups) > 0 {
			topics = append(topics, t.String())
		}
		for _, g := range listeners.groups {
			p.open++
			s.queued++
			if g.queue = append(g.queue, p); len(g.queue) == 1 {
				s.advance(g)
			}
			if len(g.queue) > s.groupLimit() {
				s.cutOff(g)
			}
		}
	}
	if p.open > 0 && !p.answered {
		s.answering.Go(func() { s.awaitAnswer(p, entry.Answered) })
	}
	return topics
}

const (
	// maxGroupQueue is how many events may wait for one group.
	maxGroupQueue = 1_000
	// maxQueued is how many events may wait for all groups together, before each group may have no more than fewQueued.
	maxQueued = 10_000
	fewQueued = 50
)

// groupLimit is how many events may wait for one group now. s.mu is held.
func (s *Subscriptions) groupLimit() int {
	if s.queued > maxQueued {
		return fewQueued
	}
	return maxGroupQueue
}

// cutOff lets a group forget the events that wait for it, but for the first, which a worker may have: it is too slow. Its members read them
// from the log, page by page. s.mu is held.
func (s *Subscriptions) cutOff(g *group) {
	s.log.Warn("a subscription is too slow; it goes on from the log", slog.String("topic", g.key.topic.String()), slog.Int("events", len(g.queue)))
	dropped := g.queue[1:]
	for sub := range g.members {
		if sub.live() {
			s.lag(sub, dropped[0])
		}
	}
	for i, p := range dropped {
		s.queued--
		p.less()
		dropped[i] = nil
	}
	g.queue = g.queue[:1]
}

// lag has a subscription read from the log what it lacks, beginning with an event, which is not settled before it has it. s.mu is held.
func (s *Subscriptions) lag(sub *subscription, p *publication) {
	sub.lagging = true
	p.open++
	sub.owed = append(sub.owed, p)
	s.again(sub)
}

// pay notes that a subscription has what it lacked, or that its client is not waiting for it any more. s.mu is held.
func (s *Subscriptions) pay(sub *subscription) {
	sub.lagging, sub.failures, sub.retryAt = false, 0, time.Time{}
	for _, p := range sub.owed {
		p.less()
	}
	sub.owed = nil
}

// less notes that one who had the event before them is done with it. Subscriptions.mu is held.
func (p *publication) less() {
	if p.open--; p.open == 0 {
		p.done() // only notes it
	}
}

// resume takes up a topic that an earlier process left behind: those who listen now read from the log what came since a place.
func (s *Subscriptions) resume(text string, from outbox.Cursor, done func()) {
	t, err := outbox.ParseTopic(text)
	if err != nil {
		s.log.Error("a topic that is parked cannot be read; it is given up", slog.Any("error", err))
		done()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &publication{done: done, open: 1}
	defer p.less()
	listeners := s.topics[t]
	if listeners == nil {
		return
	}
	for _, g := range listeners.groups {
		for sub := range g.members {
			if sub.live() {
				s.lag(sub, p)
			}
		}
	}
}

// follow gives streams each event as it comes, until ctx ends. Nothing else delays them.
func (s *Subscriptions) follow(ctx context.Context) {
	defer s.streams.Close()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.streams.Ready():
		}
		entries, err := s.streams.Next(ctx, streamPage)
		if err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "events could not be read for streams; trying again", slog.Any("error", err))
			if !pause(ctx, catchUpPause) {
				return
			}
			s.streams.Again()
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
		return // what was not sent is not settled: it is published after the next start
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
		case sub.cursor.Covers(d.event) || !sub.live(): // whoever joins reads it from the log
		case sub.gap == gapRefused:
			sub.gap = gapOwed
			s.again(sub)
		default:
			sub.sending = d.over
			d.members = append(d.members, member{sub, sub.protocol, sub.joins})
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
		d.group.remember(outbox.At(d.event), now) // not earlier: whoever left before now may have missed it
	}
	p := d.group.queue[0]
	for i, m := range d.members {
		m.sub.sending = nil
		s.settle(mails[i], verdicts[i], outbox.At(d.event), m.joins, now)
		if isLater(verdicts[i]) && !m.sub.gone() && m.sub.joins == m.joins {
			s.failed(m.sub, verdicts[i])
			s.lag(m.sub, p)
		}
		if m.sub.catching != 0 {
			s.enqueue(task{catchUp: m.sub})
		}
	}
	d.group.queue[0] = nil
	d.group.queue = d.group.queue[1:]
	s.queued--
	p.less()
	if len(d.group.queue) > 0 {
		s.advance(d.group)
	} else {
		d.group.queue = nil // let go of the array behind it
	}
}

// settle notes what became of one result for one subscription. s.mu is held.
func (s *Subscriptions) settle(m mail, verdict error, at outbox.Cursor, joins int, now time.Time) {
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
	case verdict != nil: // it is due all the same
		sub.lastError = short(verdict.Error())
		return
	}
	if sub.joins == joins {
		sub.cursor = outbox.Later(sub.cursor, at)
	}
	if len(m.packets) > 0 && verdict == nil {
		s.stats.Updates++
		sub.deliveredAt, sub.failures, sub.retryAt = now, 0, time.Time{}
	}
	if m.end != "" {
		sub.readable = m.size > 0
		s.close(sub, m.end, verdict != nil) // its farewell was behind the packet that was refused, or sent
	} else if verdict != nil {
		s.again(sub)
	}
}

// isLater says that a result could not be sent, and is to be sent later.
func isLater(verdict error) bool {
	return verdict != nil && !isFinal(verdict) && !errors.Is(verdict, errUnwanted)
}

// failed notes that a subscription could not be sent what it is due, and has it wait. s.mu is held.
func (s *Subscriptions) failed(sub *subscription, err error) {
	sub.failures++
	sub.lastError = short(err.Error())
	wait := max(outbox.Backoff(sub.failures, rand.Float64()), outbox.RetryAfter(err)) //nolint:gosec // only spreads retries
	sub.retryAt = time.Now().Add(wait)
	s.follower.Note(sub.topic.String(), sub.failures, sub.retryAt, sub.lastError)
}

// short cuts what is kept of an error: a result can have hundreds.
func short(words string) string {
	const most = 500 // bytes
	if len(words) <= most {
		return words
	}
	return strings.ToValidUTF8(words[:most], "") + "…"
}
