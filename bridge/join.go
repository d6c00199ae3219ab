package bridge

import (
	"context"
	"fmt"
	"time"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/rule"
	"lorebridge/ent/subscriber"
)

const (
	// joinTimeout is how long a registered subscription may take to join its channel.
	joinTimeout = time.Minute
	// catchUpWindow is how far back a client can catch up, and what one is sent again that came back without a word of when it left.
	catchUpWindow = 2 * time.Minute
	// leaveMargin is how long before it left a client may have missed what was sent to it.
	leaveMargin = 2 * time.Second

	joinPatience = 10 * time.Second // for a join of the embedded server, while a former connection may be listening

	firstPoll = 100 * time.Millisecond // after the authorization, and then twice as long each time …
	lastPoll  = 5 * time.Second        // … up to so long after it: then whoever was authorized counts as joined
	// rejoinPoll is the first one for a client that comes back: its channel may still look occupied by its former connection.
	rejoinPoll = time.Second
)

// Change is a socket of the embedded server that joined or left a channel.
type Change struct {
	Channel   string
	Joined    bool
	Listeners int // of the channel after the change
	// Heard is when the client is last known to have received what was sent to it.
	Heard time.Time
}

// Authorize grants a subscription's channel to its subscriber and takes it for the sign that the client is about to join. Anybody else
// gets a rule.ErrForbidden, and so does whoever asks for a channel that is not there, or no more.
func (s *Subscriptions) Authorize(ctx context.Context, channel string, viewer auth.Viewer, hint subscriber.Protocol) error {
	now := time.Now().UTC()
	s.mu.Lock()
	sub := s.byChannel[channel]
	if sub == nil || sub.viewer.UserID != viewer.UserID || !sub.alive(now) {
		s.mu.Unlock()
		return rule.ErrForbidden
	}
	again := s.join(sub, hint, now)
	joins := sub.joins
	id, protocol, cursor, expiresAt := sub.id, sub.protocol, sub.cursor, sub.expiresAt
	underWay := []chan struct{}{sub.sending, sub.chasing}
	s.mu.Unlock()
	defer func() { // also where it is not granted: whoever was listening before goes on
		s.mu.Lock()
		defer s.mu.Unlock()
		if sub.joins == joins {
			s.expect(sub, again)
		}
	}()
	// What is on its way was meant for the former connection. It should not reach this one ahead of what that one missed.
	if err := awaitAll(ctx, underWay, maxUnderWay); err != nil {
		return err
	}
	// Written before the answer leaves: a restart must know of every client that may be listening. What ended meanwhile stays so.
	open := 0
	if err := s.withTx(ctx, func(ctx context.Context, tx *ent.Client) (err error) {
		open, err = tx.Subscriber.Update().Where(subscriber.ID(id), subscriber.StateNEQ(subscriber.StateClosed)).
			SetState(subscriber.StateJoining).SetProtocol(protocol).SetCursor(cursor).
			SetAuthorizedAt(now).ClearVacatedAt().SetExpiresAt(expiresAt).
			Save(auth.AsSystem(ctx))
		return err
	}); err != nil {
		return fmt.Errorf("note that a subscription is joined: %w", err)
	}
	if open == 0 {
		return rule.ErrForbidden
	}
	return nil
}

// maxUnderWay is how long a client waits for what is on its way to its former connection: about as long as it would for an answer.
const maxUnderWay = 5 * time.Second

// awaitAll waits for channels to be closed, as long as limit for all of them, and passes over those that are nil. The error is ctx's.
func awaitAll(ctx context.Context, channels []chan struct{}, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for _, c := range channels {
		if c == nil {
			continue
		}
		select {
		case <-c:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// owns says whether a channel is one of the person's subscriptions that goes on.
func (s *Subscriptions) owns(channel string, userID int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.byChannel[channel]
	return sub != nil && sub.viewer.UserID == userID
}

// join notes that the client is about to join. Whether it was there before, and since when it is not, is not always known: then it is
// sent again what it may have missed. It returns whether it was authorized before. s.mu is held.
func (s *Subscriptions) join(sub *subscription, hint subscriber.Protocol, now time.Time) (again bool) {
	again = !sub.authorizedAt.IsZero()
	if again {
		sub.cursor = sub.believed(now.Add(-catchUpWindow))
	}
	if sub.protocol == subscriber.ProtocolUnset {
		sub.protocol = hint
	}
	s.rejoin(sub)
	sub.authorizedAt, sub.absent = now, 0
	sub.expiresAt = now.Add(s.config.Lease)
	if !s.bridge.config.Embedded() {
		sub.occupied = false // as far as this connection goes; the embedded server knows
	}
	return again
}

// expect waits for an authorized client to join. Pusher elsewhere is asked; the embedded server tells, and if it does not, whoever was
// listening before goes on. s.mu is held.
func (s *Subscriptions) expect(sub *subscription, again bool) {
	if !s.bridge.config.Embedded() {
		wait := firstPoll
		if again {
			wait = rejoinPoll
		}
		s.pollAfter(sub, wait)
		return
	}
	joins := sub.joins
	time.AfterFunc(joinPatience, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if sub.joins == joins && sub.state == subscriber.StateJoining && sub.occupied {
			s.occupiedNow(sub)
		}
	})
}

// Changed takes in what the embedded server tells. It does not block.
func (s *Subscriptions) Changed(c Change) {
	if !s.bridge.isSubscriptionChannel(c.Channel) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.byChannel[c.Channel]
	switch {
	case sub == nil:
	case c.Joined && sub.live(): // late, or again: who else was there has been sent what this one may have missed
		sub.cursor = sub.believed(time.Now().Add(-catchUpWindow))
		s.again(sub)
	case c.Joined:
		s.occupiedNow(sub)
	case c.Listeners == 0:
		s.vacate(sub, c.Heard.Add(-leaveMargin))
	}
}

// occupiedNow notes that the client listens; what it missed is sent first. s.mu is held.
func (s *Subscriptions) occupiedNow(sub *subscription) {
	sub.occupied = true
	if sub.state == subscriber.StateVacated { // it was its former connection that left, after this one was authorized
		s.rejoin(sub)
	}
	if sub.state != subscriber.StateJoining || sub.catching == sub.joins {
		return
	}
	sub.catching = sub.joins
	s.enqueue(task{catchUp: sub})
}

// again has a live subscription caught up from its cursor. s.mu is held.
func (s *Subscriptions) again(sub *subscription) {
	if !sub.live() {
		return // it is being caught up, which goes on
	}
	s.rejoin(sub)
	s.occupiedNow(sub)
}

// rejoin has a subscription begin anew after its cursor. s.mu is held.
func (s *Subscriptions) rejoin(sub *subscription) {
	sub.state, sub.vacatedAt = subscriber.StateJoining, time.Time{}
	sub.joins++
	sub.joinCursor = sub.cursor
	s.dirty[sub] = struct{}{}
}

// vacate notes that the client left, and has what was sent by the moment to. s.mu is held.
func (s *Subscriptions) vacate(sub *subscription, to time.Time) {
	if !sub.occupied {
		return // it has left, or only its former connection has
	}
	sub.occupied = false
	sub.cursor = sub.believed(to)
	sub.state = subscriber.StateVacated
	sub.joins++
	sub.vacatedAt = time.Now().UTC()
	s.dirty[sub] = struct{}{}
}

// pollAfter has Pusher asked whether the channel is occupied. s.mu is held.
func (s *Subscriptions) pollAfter(sub *subscription, wait time.Duration) {
	joins := sub.joins
	time.AfterFunc(wait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if sub.joins == joins && sub.state == subscriber.StateJoining && !sub.occupied {
			s.enqueue(task{poll: sub, waited: wait})
		}
	})
}

// poll asks whether a channel is occupied. A Pusher that will not say leaves it at the authorization.
func (s *Subscriptions) poll(ctx context.Context, sub *subscription, waited time.Duration) {
	s.mu.Lock()
	joins := sub.joins
	s.mu.Unlock()
	occupied, _ := s.occupied(ctx, sub.channel) // without an answer the authorization is all there is
	s.mu.Lock()
	defer s.mu.Unlock()
	if sub.state != subscriber.StateJoining || sub.joins != joins || sub.occupied {
		return
	}
	if occupied || time.Since(sub.authorizedAt) > lastPoll {
		s.occupiedNow(sub)
		return
	}
	s.pollAfter(sub, min(2*waited, lastPoll))
}

// close ends a subscription for good; tell says whether its client is to be told. s.mu is held.
func (s *Subscriptions) close(sub *subscription, reason string, tell bool) {
	if sub.closedReason != "" {
		return
	}
	sub.closedReason, sub.closedAt, sub.state = short(reason), time.Now().UTC(), subscriber.StateClosed
	delete(s.byID, sub.id)
	delete(s.byChannel, sub.channel)
	delete(sub.group.members, sub)
	if listeners := s.topics[sub.topic]; len(sub.group.members) == 0 && listeners.groups[sub.group.key] == sub.group {
		delete(listeners.groups, sub.group.key)
	}
	s.release(sub.topic, sub.viewer.UserID)
	s.dirty[sub] = struct{}{}
	if tell && !sub.authorizedAt.IsZero() {
		s.enqueue(task{farewell: sub})
	}
}

// End implements graph.Subscriptions: it is written down before it returns.
func (s *Subscriptions) End(ctx context.Context, id int, reason string) error {
	s.mu.Lock()
	sub := s.byID[id]
	if sub == nil {
		s.mu.Unlock()
		return rule.ErrNotFound
	}
	s.close(sub, reason, true)
	s.mu.Unlock()
	return s.Persist(ctx)
}

// openSessions are the sessions of the subscriptions that go on, one for each.
func (s *Subscriptions) openSessions() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]int, 0, len(s.byID))
	for _, sub := range s.byID {
		ids = append(ids, sub.viewer.SessionID)
	}
	return ids
}

// endSession ends the subscriptions of a session and tells their clients, which it waits for no longer than farewellTimeout.
func (s *Subscriptions) endSession(ctx context.Context, sessionID int, reason auth.EndReason) {
	var mails []mail
	s.mu.Lock()
	for _, sub := range s.byID {
		if sub.viewer.SessionID == sessionID {
			if !sub.authorizedAt.IsZero() {
				mails = append(mails, mail{sub, rendering{packets: farewells[sub.protocol]}})
			}
			s.close(sub, reasonExpired+": "+string(reason), false)
		}
	}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, farewellTimeout)
	defer cancel()
	s.push(ctx, mails)
}

// farewellTimeout bounds what a sign-out waits for.
const farewellTimeout = time.Second
