package bridge

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"lorebridge/pusherapi"
	"lorebridge/pusherapi/outage"
)

// delivery runs each group's operation once for an event, and sends each member the result.
type delivery struct {
	*publisher
	executor *executor
	renderer *renderer
	sender   *sender
	lagging  func(t Topic, attempts int, until time.Time, why string)
}

// round is one event for the members of one group that listen now.
type round struct {
	group   *group
	event   *Event
	viewer  Viewer
	members []member
	outcome outcome
	over    chan struct{} // closed when it is
}

// member is a subscription as it was when the round began.
type member struct {
	sub      *subscription
	protocol Protocol
	joins    int
}

// deliver runs each group's operation once for its next event and sends the results to the members, those of all
// groups together. A group goes on when its members have the event, or are to read it from the log.
func (d *delivery) deliver(ctx context.Context, tasks []task) {
	rounds := make([]*round, len(tasks))
	recipients := 0
	for i, t := range tasks {
		rounds[i] = d.begin(t.group)
		recipients += len(rounds[i].members)
	}
	messages := make([]message, 0, recipients)
	for _, r := range rounds {
		if len(r.members) == 0 {
			continue
		}
		r.outcome = d.executor.execute(ctx, r.group.operation, r.viewer, r.group.key.topic, r.event)
		messages = d.messagesOf(ctx, r, messages)
	}
	verdicts := d.sender.send(ctx, messages)
	if ctx.Err() != nil {
		return // what was not sent is not settled: it is published after the next start
	}
	for _, r := range rounds {
		n := len(r.members)
		d.finish(r, messages[:n], verdicts[:n])
		messages, verdicts = messages[n:], verdicts[n:]
	}
}

// messagesOf appends what the members of a round are sent. All of them together are asked for no longer than one
// execution may take, and each viewer once, however many of the members are that viewer's.
func (d *delivery) messagesOf(ctx context.Context, r *round, messages []message) []message {
	ctx, cancel := context.WithTimeout(ctx, executionTimeout)
	defer cancel()
	type who struct{ user, session string }
	answers := make(map[who]answer)
	for _, m := range r.members {
		if r.group.key.shared && r.outcome.open {
			// The run for the zero Viewer had no Allow: each member reads the event from the log, with its own rights.
			messages = append(messages, message{sub: m.sub, failed: errUnguarded})
			continue
		}
		viewer := who{m.sub.viewer.User, m.sub.viewer.Session}
		a, known := answers[viewer]
		if !known {
			a = d.ask(ctx, &r.outcome, m.sub.viewer)
			answers[viewer] = a
		}
		messages = append(messages, d.messageTo(a, m.sub, m.protocol))
	}
	return messages
}

// errUnguarded is why a shared result is not sent.
var errUnguarded = errors.New("the source of a shared subscription has no Allow any more")

// answer is what a viewer may have of an outcome: the outcome itself, or the end in its place. After an error it is not
// known.
type answer struct {
	outcome *outcome
	err     error
}

// ask asks whether a viewer may have an outcome now.
func (d *delivery) ask(ctx context.Context, o *outcome, viewer Viewer) answer {
	if o.allow == nil {
		return answer{outcome: o}
	}
	end, err := d.executor.ask(ctx, o, viewer)
	if end != nil {
		o = end
	}
	return answer{o, err}
}

// messageTo is what a subscription is sent after an answer.
func (d *delivery) messageTo(a answer, sub *subscription, protocol Protocol) message {
	if a.err != nil {
		return message{sub: sub, failed: a.err}
	}
	return message{sub: sub, rendering: d.renderer.render(a.outcome, sub, protocol)}
}

// begin notes who is to get the group's next event: those who listen, need it, and whose session still holds.
func (d *delivery) begin(g *group) *round {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	r := &round{group: g, event: g.queue[0].event, members: make([]member, 0, len(g.members)), over: make(chan struct{})}
	for sub := range g.members {
		switch {
		case !sub.alive(now):
			d.end(sub, reasonExpired, false)
		case sub.cursor >= r.event.Seq || !sub.live(): // a client that joins reads it from the log
		case sub.gap == gapRefused:
			sub.machine = sub.withGap(gapOwed)
			d.lag(sub, r.event, g.queue[0])
		default:
			sub.sending = r.over
			r.members = append(r.members, member{sub, sub.protocol, sub.joins})
		}
	}
	if len(r.members) > 0 && g.key.user != "" {
		r.viewer = r.members[0].sub.viewer // all are the same user's
	}
	return r
}

// finish notes what became of a round and lets the group go on.
func (d *delivery) finish(r *round, messages []message, verdicts []error) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	close(r.over)
	if len(r.members) > 0 {
		r.group.remember(r.event.Seq, now) // not earlier: a client that left before now may have missed it
	}
	first := r.group.queue[0]
	for i, m := range r.members {
		m.sub.sending = nil
		d.settle(messages[i], verdicts[i], r.event.Seq, m.joins, now)
		if isLater(verdicts[i]) && !m.sub.over() && m.sub.joins == m.joins {
			d.failed(m.sub, verdicts[i])
			d.lag(m.sub, r.event, first)
		} else if m.sub.gap == gapOwed && !m.sub.over() {
			d.lag(m.sub, r.event, first) // its client is owed a gap, also after a crash
		}
		if m.sub.catching != 0 {
			d.tasks.add(task{catchUp: m.sub})
		}
	}
	d.dequeue(r.group)
}

// settle notes what became of one result for one subscription. mu is held.
func (d *delivery) settle(m message, verdict error, at Seq, joins int, now time.Time) {
	sub := m.sub
	if sub.over() {
		return
	}
	d.dirty[sub] = struct{}{}
	if m.failure != "" {
		sub.lastError = short(m.failure)
		if m.size > 0 {
			d.stats.Oversized++
		} else {
			d.stats.Failed++
		}
	}
	if verdict != nil {
		sub.lastError = short(verdict.Error())
		if !pusherapi.IsFinal(verdict) {
			return // it is sent all the same
		}
		d.apply(sub, happening{event: refused})
	}
	sub.machine = sub.received(at, joins)
	if len(m.packets) > 0 && verdict == nil {
		d.stats.Updates++
		sub.deliveredAt = now
		if sub.failures > 0 { // hardly ever, and a machine is copied
			sub.machine = sub.taken()
		}
	}
	switch {
	case m.end != "":
		sub.readable = m.size > 0
		d.end(sub, m.end, verdict == nil) // its end was sent, or was behind the packet that was refused
	case verdict != nil:
		d.apply(sub, happening{event: interrupted})
	}
}

// failed notes that a subscription could not be sent what it lacks, and has it wait. mu is held.
func (d *delivery) failed(sub *subscription, err error) {
	sub.lastError = short(err.Error())
	wait := max(outage.Backoff(sub.failures+1, rand.Float64()), outage.RetryAfter(err)) //nolint:gosec // only spreads retries
	d.apply(sub, happening{event: failed, wait: wait})
	d.lagging(sub.topic, sub.failures, sub.retryAt, sub.lastError)
}

// isLater reports whether a result could not be sent now, and is to be sent later.
func isLater(verdict error) bool {
	return verdict != nil && !pusherapi.IsFinal(verdict) && !errors.Is(verdict, errUnwanted)
}

// short cuts what is kept of an error: a result can have hundreds.
func short(text string) string {
	const most = 500 // bytes
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
