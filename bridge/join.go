package bridge

import (
	"context"
	"fmt"
	"time"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/subscriber"
	"lorebridge/rule"
)

const (
	// joinTimeout is how long a registered subscription may take to join its channel.
	joinTimeout = time.Minute
	// leftStays is how long a channel that its client left on purpose can be joined again. Laravel Echo leaves and
	// joins in a row.
	leftStays = 10 * time.Second
	// catchUpWindow is how far back a client can catch up, and what one is sent again that came back without a word of
	// when it left.
	catchUpWindow = 2 * time.Minute
	// leaveMargin is how long before it left a client may have missed what was sent to it.
	leaveMargin = 2 * time.Second

	joinPatience = 10 * time.Second // for a join of the embedded server, while a former connection may be listening

	firstPoll = 100 * time.Millisecond // after the authorization, and then twice as long each time …
	lastPoll  = 5 * time.Second        // … up to so long after it: then whoever was authorized counts as joined
	// rejoinPoll is the first one for a client that comes back: its channel may still look occupied by its former
	// connection.
	rejoinPoll = time.Second
)

// Change is a socket of the embedded server that joined or left a channel.
type Change struct {
	Channel   string
	Joined    bool
	Listeners int // of the channel after the change
	// Unsubscribed says of a leave that the client asked for it and stays connected.
	Unsubscribed bool
	// Heard is when the client is last known to have received what was sent to it.
	Heard time.Time
}

// Authorize grants a subscription's channel to its subscriber and takes it for the sign that the client is about to
// join. One that was away is revived; the former owner of one that has ended is granted the channel for its end.
// Anybody else gets a rule.ErrForbidden, and so does whoever asks for a channel that is not known.
func (s *Subscriptions) Authorize(ctx context.Context, channel string, viewer auth.Viewer, hint subscriber.Protocol) error {
	for {
		sub, err := s.owned(channel, viewer.UserID)
		if err != nil {
			return err
		}
		if sub != nil {
			if open, err := s.admit(ctx, sub, hint); open || err != nil {
				return err
			}
		}
		switch row, err := s.stored(ctx, channel); {
		case err != nil:
			return err
		case row == nil || row.UserID != viewer.UserID:
			return rule.ErrForbidden
		case row.State == subscriber.StateClosed:
			return s.part(row, hint)
		default:
			if err := s.revive(ctx, row); err != nil {
				return err
			}
		}
	}
}

// owned returns the subscription of a channel that is in memory, or nil. Another person's is a rule.ErrForbidden.
func (s *Subscriptions) owned(channel string, userID int) (*subscription, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.byChannel[channel]
	if sub != nil && sub.viewer.UserID != userID {
		return nil, rule.ErrForbidden
	}
	return sub, nil
}

// admit lets the client of a subscription join, and reports false where the subscription has ended, or gone away
// meanwhile.
func (s *Subscriptions) admit(ctx context.Context, sub *subscription, hint subscriber.Protocol) (open bool, err error) {
	now := time.Now().UTC()
	s.mu.Lock()
	switch {
	case sub.gone():
	case !sub.alive(now):
		s.close(sub, reasonExpired, false)
	case !s.place(sub, false):
		s.close(sub, reasonNoPlace, false)
	}
	if sub.gone() {
		s.mu.Unlock()
		return false, nil
	}
	again := s.join(sub, hint, now)
	joins := sub.joins
	id, protocol, cursor := sub.id, sub.protocol, sub.cursor.Seq()
	underWay := []chan struct{}{sub.sending, sub.chasing}
	s.mu.Unlock()
	defer func() { // also where it is not granted: whoever was listening before goes on
		s.mu.Lock()
		defer s.mu.Unlock()
		if sub.joins == joins {
			s.expect(sub, again)
		}
	}()
	// What is on its way was meant for the former connection. It should not reach this one ahead of what that one
	// missed.
	if err := awaitAll(ctx, underWay, maxUnderWay); err != nil {
		return false, err
	}
	// Written before the answer leaves: a restart must know of every client that may be listening. What ended meanwhile
	// stays so.
	written := 0
	if err := s.eventLog.WithTx(ctx, func(ctx context.Context, tx *ent.Client) (err error) {
		written, err = tx.Subscriber.Update().Where(subscriber.ID(id), subscriber.StateNEQ(subscriber.StateClosed)).
			SetState(subscriber.StateJoining).SetProtocol(protocol).SetCursor(cursor).
			SetAuthorizedAt(now).ClearVacatedAt().
			Save(auth.AsSystem(ctx))
		return err
	}); err != nil {
		return false, fmt.Errorf("note that a subscription is joined: %w", err)
	}
	if written == 0 { // its row has ended, or is gone
		s.mu.Lock()
		defer s.mu.Unlock()
		s.close(sub, reasonExpired, false)
	}
	return written > 0, nil
}

// maxUnderWay is how long a client waits for what is on its way to its former connection: about as long as it would
// for an answer.
const maxUnderWay = 5 * time.Second

// awaitAll waits for channels to be closed, as long as limit for all of them, and passes over those that are nil. The
// error is ctx's.
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

// owns says whether a channel is one of the person's subscriptions, or was until lately.
func (s *Subscriptions) owns(ctx context.Context, channel string, userID int) (bool, error) {
	sub, err := s.owned(channel, userID)
	switch {
	case sub != nil:
		return true, nil
	case err != nil:
		return false, nil //nolint:nilerr // another person's
	}
	owner, err := s.client.Subscriber.Query().Where(subscriber.Channel(channel)).Select(subscriber.FieldUserID).Int(auth.AsSystem(ctx))
	switch {
	case ent.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read whose subscription it is: %w", err)
	}
	return owner == userID, nil
}

// join notes that the client is about to join. Whether it was there before, and since when it is not, is not always
// known: then it is sent again what it may have missed. It returns whether it was authorized before. s.mu is held.
func (s *Subscriptions) join(sub *subscription, hint subscriber.Protocol, now time.Time) (again bool) {
	again = !sub.authorizedAt.IsZero()
	s.pay(sub) // what it lacked is part of what it missed
	if again {
		sub.cursor = sub.believed(now.Add(-catchUpWindow))
	}
	if sub.protocol == subscriber.ProtocolUnset {
		sub.protocol = hint
	}
	s.rejoin(sub)
	sub.authorizedAt, sub.absent = now, 0
	if !s.bridge.config.Embedded() {
		sub.occupied = false // as far as this connection goes; the embedded server knows
	}
	return again
}

// expect waits for an authorized client to join. Pusher elsewhere is asked; the embedded server reports it, and if it
// does not, whoever was listening before goes on. s.mu is held.
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

// Changed takes in what the embedded server reports. It does not block.
func (s *Subscriptions) Changed(c Change) {
	if !s.bridge.isSubscriptionChannel(c.Channel) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.known(c.Channel)
	switch {
	case sub == nil:
	case c.Joined && sub.live(): // late, or again: who else was there has been sent what this one may have missed
		sub.cursor = sub.believed(time.Now().Add(-catchUpWindow))
		s.again(sub)
	case c.Joined:
		s.occupiedNow(sub)
	case c.Listeners == 0:
		s.vacate(sub, c.Heard.Add(-leaveMargin), c.Unsubscribed)
	}
}

// occupiedNow notes that the client listens; what it missed is sent first. s.mu is held.
func (s *Subscriptions) occupiedNow(sub *subscription) {
	if sub.parting {
		sub.occupied = !s.bridge.config.Embedded() // the embedded server reports each join
		s.enqueue(task{end: sub})
		return
	}
	sub.occupied = true
	if sub.state == subscriber.StateVacated { // it was its former connection that left, after this one was authorized
		s.rejoin(sub)
	}
	s.place(sub, true)
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
	sub.state, sub.vacatedAt, sub.left = subscriber.StateJoining, time.Time{}, false
	sub.joins++
	sub.joinCursor = sub.cursor
	s.dirty[sub] = struct{}{}
}

// vacate notes that the client left, and has what was sent by the moment to. left says that it did so on purpose.
// s.mu is held.
func (s *Subscriptions) vacate(sub *subscription, to time.Time, left bool) {
	if !sub.occupied {
		return // it has left, or only its former connection has
	}
	sub.occupied = false
	s.pay(sub)
	sub.cursor = sub.believed(to)
	sub.state = subscriber.StateVacated
	sub.joins++
	sub.vacatedAt, sub.left = time.Now().UTC(), left
	s.unplace(sub)
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
	occupied, _ := s.bridge.pusher.Occupied(ctx, forChannels, sub.channel) // without an answer the authorization is all there is
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

// close ends a subscription for good; tell says whether its client is sent the end. s.mu is held.
func (s *Subscriptions) close(sub *subscription, reason string, tell bool) {
	if sub.gone() {
		return
	}
	sub.closedReason, sub.closedAt, sub.state = short(reason), time.Now().UTC(), subscriber.StateClosed
	s.forget(sub)
	if tell && !sub.authorizedAt.IsZero() {
		s.enqueue(task{end: sub})
	}
}

// End implements graph.Subscriptions: it is written down before it returns.
func (s *Subscriptions) End(ctx context.Context, id int, reason string) error {
	if s.endNow(id, reason) {
		return s.Persist(ctx)
	}
	ended, err := s.endAway(ctx, reason, subscriber.ID(id))
	if err != nil {
		return err
	}
	if s.endNow(id, reason) { // it was revived meanwhile
		return s.Persist(ctx)
	}
	if ended == 0 {
		return rule.ErrNotFound
	}
	return nil
}

// endNow ends a subscription that is in memory, and says whether it is.
func (s *Subscriptions) endNow(id int, reason string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.byID[id]
	if sub != nil {
		s.close(sub, reason, true)
	}
	return sub != nil
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

// endSession ends the subscriptions of a session and sends their clients the end, which may take no longer than
// endTimeout.
func (s *Subscriptions) endSession(ctx context.Context, sessionID int, reason auth.EndReason) {
	var mails []mail
	s.mu.Lock()
	for _, sub := range s.byID {
		if sub.viewer.SessionID == sessionID {
			if !sub.authorizedAt.IsZero() {
				mails = append(mails, endOf(sub, sub.protocol))
			}
			s.close(sub, reasonExpired+": "+string(reason), false)
		}
	}
	s.mu.Unlock()
	sending, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	verdicts := s.push(sending, mails)
	s.mu.Lock()
	for i, verdict := range verdicts {
		if isLater(verdict) {
			s.enqueue(task{end: mails[i].sub})
		}
	}
	s.mu.Unlock()
	s.endAwaySession(ctx, sessionID)
}

// endOf is the end, for a client of a protocol.
func endOf(sub *subscription, protocol subscriber.Protocol) mail {
	return mail{sub: sub, rendering: rendering{packets: endPackets[protocol]}, isEnd: true}
}

// endTimeout bounds what a sign-out waits for.
const endTimeout = time.Second
