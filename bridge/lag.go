package bridge

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"lorebridge/ent"
	"lorebridge/ent/subscriber"
	"lorebridge/outbox"
	"lorebridge/pusherapi"
)

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

// cutOff lets a group forget the events that wait for it, except the first, which a worker may have: it is too slow.
// Its members read them from the log, page by page. s.mu is held.
func (s *Subscriptions) cutOff(g *group) {
	s.log.Warn("a subscription is too slow; it goes on from the log",
		slog.String("topic", g.key.topic.String()), slog.Int("events", len(g.queue)))
	dropped := g.queue[1:]
	for sub := range g.members {
		if sub.live() {
			s.lag(sub, g.queue[0].event, dropped[0])
		}
	}
	for i, p := range dropped {
		s.queued--
		p.less()
		dropped[i] = nil
	}
	g.queue = g.queue[:1]
}

// lag has a live subscription read from the log what it lacks: an event and all that follow. Until it has them, one of
// them is not settled. s.mu is held.
func (s *Subscriptions) lag(sub *subscription, first *ent.Event, owed *publication) {
	believed := sub.believed(time.Now().Add(-catchUpWindow)) // if its client turns out to have been away
	sub.lagging = true
	sub.cursor = outbox.Later(sub.cursor, outbox.At(first).Previous()) // its row may be far behind
	s.owe(sub, owed)
	s.again(sub)
	sub.joinCursor = outbox.Earlier(sub.joinCursor, believed)
}

// owe keeps an event from being settled before a subscription has caught up. s.mu is held.
func (s *Subscriptions) owe(sub *subscription, p *publication) {
	p.open++
	sub.owed = append(sub.owed, p)
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
	p.open--
	if p.open == 0 {
		p.done() // only notes it
	}
}

// resume takes up a topic that an earlier process left behind: those who listen now catch up as if they had joined
// again, each from where its own row is. What came before the place may have been settled while one of them was not
// yet live.
func (s *Subscriptions) resume(text string, _ outbox.Cursor, done func()) {
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
			if !sub.authorizedAt.IsZero() && (sub.live() || sub.state == subscriber.StateJoining) {
				s.owe(sub, p)
				s.again(sub)
			}
		}
	}
}

// Retry has the subscriptions to a topic that lag tried now, or those to all topics if it is empty, and returns how
// many there are.
func (s *Subscriptions) Retry(topic string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.byID {
		if len(sub.owed) > 0 && (topic == "" || sub.topic.String() == topic) {
			sub.retryAt = time.Time{}
			s.enqueue(task{catchUp: sub})
			n++
		}
	}
	return n
}

// isLater says that a result could not be sent, and is to be sent later.
func isLater(verdict error) bool {
	return verdict != nil && !pusherapi.IsFinal(verdict) && !errors.Is(verdict, errUnwanted)
}

// failed notes that a subscription could not be sent what it is due, and has it wait. s.mu is held.
func (s *Subscriptions) failed(sub *subscription, err error) {
	sub.failures++
	sub.lastError = short(err.Error())
	wait := max(outbox.Backoff(sub.failures, rand.Float64()), outbox.RetryAfter(err)) //nolint:gosec // only spreads retries
	sub.retryAt = time.Now().Add(wait)
	s.follower.Note(sub.topic.String(), sub.failures, sub.retryAt, sub.lastError)
}

// sendEnd sends the client of a subscription that it has ended, and again for as long as its row is kept.
func (s *Subscriptions) sendEnd(ctx context.Context, sub *subscription) {
	verdict := s.push(ctx, []mail{endOf(sub, s.protocolOf(sub))})[0]
	if !isLater(verdict) || ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
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
	wait := max(outbox.Backoff(sub.failures, rand.Float64()), outbox.RetryAfter(verdict)) //nolint:gosec // only spreads retries
	time.AfterFunc(wait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.enqueue(task{end: sub})
	})
}
