package bridge

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"lorebridge/pusherapi"
	"lorebridge/pusherapi/outage"
)

const (
	// maxGroupQueue is how many events may wait for one group.
	maxGroupQueue = 1_000
	// maxQueued is how many events may wait for all groups together, before each group may have no more than fewQueued.
	maxQueued = 10_000
	fewQueued = 50
)

// groupLimit is how many events may wait for one group now. b.mu is held.
func (b *Bridge) groupLimit() int {
	if b.queued > maxQueued {
		return fewQueued
	}
	return maxGroupQueue
}

// cutOff lets a group forget the events that wait for it, except the first, which a worker may have: it is too slow.
// Its members read them from the log, page by page. b.mu is held.
func (b *Bridge) cutOff(g *group) {
	b.log.Warn("a subscription is too slow; it goes on from the log",
		slog.String("topic", string(g.key.topic)), slog.Int("events", len(g.queue)))
	dropped := g.queue[1:]
	for sub := range g.members {
		if sub.live() {
			b.lag(sub, g.queue[0].event, dropped[0])
		}
	}
	for i, p := range dropped {
		b.queued--
		p.less()
		dropped[i] = nil
	}
	g.queue = g.queue[:1]
}

// lag has a live subscription read from the log what it lacks: an event and all that follow. Until it has them, one of
// them is not settled. b.mu is held.
func (b *Bridge) lag(sub *subscription, first *Event, owed *publication) {
	believed := sub.believed(time.Now().Add(-catchUpWindow)) // if its client turns out to have been away
	sub.lagging = true
	sub.cursor = max(sub.cursor, first.Seq-1) // its row may be far behind
	b.owe(sub, owed)
	b.again(sub)
	sub.joinCursor = min(sub.joinCursor, believed)
}

// owe keeps an event from being settled before a subscription has caught up. b.mu is held.
func (b *Bridge) owe(sub *subscription, p *publication) {
	p.open++
	sub.owed = append(sub.owed, p)
}

// pay notes that a subscription has what it lacked, or that its client is not waiting for it any more. b.mu is held.
func (b *Bridge) pay(sub *subscription) {
	sub.lagging, sub.failures, sub.retryAt = false, 0, time.Time{}
	for _, p := range sub.owed {
		p.less()
	}
	sub.owed = nil
}

// less notes that one who had the event before them is done with it. Subscriptionb.mu is held.
func (p *publication) less() {
	p.open--
	if p.open == 0 {
		p.done() // only notes it
	}
}

// Resume takes up a topic that an earlier process left behind: those who listen now catch up as if they had joined
// again, each from where its own record is. What came before may have been settled while one of them was not yet live.
// It calls done once nobody lags any more.
func (b *Bridge) Resume(t Topic, done func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := &publication{done: done, open: 1}
	defer p.less()
	listeners := b.topics[t]
	if listeners == nil {
		return
	}
	for _, g := range listeners.groups {
		for sub := range g.members {
			if !sub.authorizedAt.IsZero() && (sub.live() || sub.state == StateJoining) {
				b.owe(sub, p)
				b.again(sub)
			}
		}
	}
}

// Retry has the subscriptions to a topic that lag tried now, or those to all topics if it is empty, and returns how
// many there are.
func (b *Bridge) Retry(t Topic) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, sub := range b.byID {
		if len(sub.owed) > 0 && (t == "" || sub.topic == t) {
			sub.retryAt = time.Time{}
			b.enqueue(task{catchUp: sub})
			n++
		}
	}
	return n
}

// isLater says that a result could not be sent, and is to be sent later.
func isLater(verdict error) bool {
	return verdict != nil && !pusherapi.IsFinal(verdict) && !errors.Is(verdict, errUnwanted)
}

// failed notes that a subscription could not be sent what it is due, and has it wait. b.mu is held.
func (b *Bridge) failed(sub *subscription, err error) {
	sub.failures++
	sub.lastError = short(err.Error())
	wait := max(outage.Backoff(sub.failures, rand.Float64()), outage.RetryAfter(err)) //nolint:gosec // only spreads retries
	sub.retryAt = time.Now().Add(wait)
	b.deps.Lagging(sub.topic, sub.failures, sub.retryAt, sub.lastError)
}

// sendEnd sends the client of a subscription that it has ended, and again for as long as its row is kept.
func (b *Bridge) sendEnd(ctx context.Context, sub *subscription) {
	verdict := b.push(ctx, []mail{endOf(sub, b.protocolOf(sub))})[0]
	if !isLater(verdict) || ctx.Err() != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	since := sub.closedAt
	for _, t := range []time.Time{sub.vacatedAt, sub.authorizedAt} {
		if t.After(since) {
			since = t
		}
	}
	if time.Since(since) > keepClosed {
		return
	}
	sub.failures++
	wait := max(outage.Backoff(sub.failures, rand.Float64()), outage.RetryAfter(verdict)) //nolint:gosec // only spreads retries
	time.AfterFunc(wait, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.enqueue(task{end: sub})
	})
}
