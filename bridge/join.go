package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"
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
// Anybody else gets a ErrForbidden, and so does whoever asks for a channel that is not known.
func (b *Bridge) Authorize(ctx context.Context, channel string, viewer Viewer, hint Protocol) error {
	for {
		sub, err := b.owned(channel, viewer.User)
		if err != nil {
			return err
		}
		if sub != nil {
			if open, err := b.admit(ctx, sub, hint); open || err != nil {
				return err
			}
		}
		switch row, err := b.stored(ctx, channel); {
		case err != nil:
			return err
		case row == nil || !row.Viewer.mayJoin(viewer.User):
			return ErrForbidden
		case row.State == StateClosed:
			return b.part(row, hint)
		default:
			if err := b.revive(ctx, row); err != nil {
				return err
			}
		}
	}
}

// owned returns the subscription of a channel that is in memory, or nil. Another person's is a ErrForbidden.
func (b *Bridge) owned(channel, user string) (*subscription, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	sub := b.byChannel[channel]
	if sub != nil && !sub.viewer.mayJoin(user) {
		return nil, ErrForbidden
	}
	return sub, nil
}

// admit lets the client of a subscription join, and reports false where the subscription has ended, or gone away
// meanwhile.
func (b *Bridge) admit(ctx context.Context, sub *subscription, hint Protocol) (open bool, err error) {
	now := time.Now().UTC()
	b.mu.Lock()
	switch {
	case sub.gone():
	case !sub.alive(now):
		b.close(sub, reasonExpired, false)
	case !b.place(sub, false):
		b.close(sub, reasonNoPlace, false)
	}
	if sub.gone() {
		b.mu.Unlock()
		return false, nil
	}
	again := b.join(sub, hint, now)
	joins := sub.joins
	id, protocol, cursor := sub.id, sub.protocol, sub.cursor
	underWay := []chan struct{}{sub.sending, sub.chasing}
	b.mu.Unlock()
	defer func() { // also where it is not granted: whoever was listening before goes on
		b.mu.Lock()
		defer b.mu.Unlock()
		if sub.joins == joins {
			b.expect(sub, again)
		}
	}()
	// What is on its way was meant for the former connection. It should not reach this one ahead of what that one
	// missed.
	if err := awaitAll(ctx, underWay, maxUnderWay); err != nil {
		return false, err
	}
	// Written before the answer leaves: a restart must know of every client that may be listening. What ended meanwhile
	// stays so.
	open, err = b.rows.Join(ctx, id, protocol, cursor, now)
	if err != nil {
		return false, fmt.Errorf("note that a subscription is joined: %w", err)
	}
	if !open { // its record has ended, or is gone
		b.mu.Lock()
		defer b.mu.Unlock()
		b.close(sub, reasonExpired, false)
	}
	return open, nil
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

// owns reports whether a viewer may join a channel: it is one of their subscriptions, or was until lately.
func (b *Bridge) owns(ctx context.Context, channel, user string) (bool, error) {
	sub, err := b.owned(channel, user)
	switch {
	case sub != nil:
		return true, nil
	case err != nil:
		return false, nil //nolint:nilerr // another person's
	}
	r, err := b.rows.Find(ctx, channel)
	if err != nil {
		return false, fmt.Errorf("read whose subscription it is: %w", err)
	}
	return r != nil && r.Viewer.mayJoin(user), nil
}

// mayJoin says that a user may join the channel of a subscription that v began: it is theirs, or nobody's. Nobody's
// has a name that cannot be guessed.
func (v Viewer) mayJoin(user string) bool { return v.anonymous() || v.User == user }

// join notes that the client is about to join. Whether it was there before, and since when it is not, is not always
// known: then it is sent again what it may have missed. It returns whether it was authorized before. b.mu is held.
func (b *Bridge) join(sub *subscription, hint Protocol, now time.Time) (again bool) {
	again = !sub.authorizedAt.IsZero()
	b.pay(sub) // what it lacked is part of what it missed
	if again {
		sub.cursor = sub.believed(now.Add(-catchUpWindow))
	}
	if sub.protocol == ProtocolUnset {
		sub.protocol = hint
	}
	b.rejoin(sub)
	sub.authorizedAt, sub.absent = now, 0
	if !b.embedded() {
		sub.occupied = false // as far as this connection goes; the embedded server knows
	}
	return again
}

// expect waits for an authorized client to join. Pusher elsewhere is asked; the embedded server reports it, and if it
// does not, whoever was listening before goes on. b.mu is held.
func (b *Bridge) expect(sub *subscription, again bool) {
	if !b.embedded() {
		wait := firstPoll
		if again {
			wait = rejoinPoll
		}
		b.pollAfter(sub, wait)
		return
	}
	joins := sub.joins
	time.AfterFunc(joinPatience, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if sub.joins == joins && sub.state == StateJoining && sub.occupied {
			b.occupiedNow(sub)
		}
	})
}

// Changed takes in what the embedded server reports. It does not block.
func (b *Bridge) Changed(c Change) {
	if !isSubscriptionChannel(c.Channel) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	sub := b.known(c.Channel)
	switch {
	case sub == nil:
	case c.Joined && sub.live(): // late, or again: who else was there has been sent what this one may have missed
		sub.cursor = sub.believed(time.Now().Add(-catchUpWindow))
		b.again(sub)
	case c.Joined:
		b.occupiedNow(sub)
	case c.Listeners == 0:
		b.vacate(sub, c.Heard.Add(-leaveMargin), c.Unsubscribed)
	}
}

// occupiedNow notes that the client listens; what it missed is sent first. b.mu is held.
func (b *Bridge) occupiedNow(sub *subscription) {
	if sub.parting {
		sub.occupied = !b.embedded() // the embedded server reports each join
		b.enqueue(task{end: sub})
		return
	}
	sub.occupied = true
	if sub.state == StateVacated { // it was its former connection that left, after this one was authorized
		b.rejoin(sub)
	}
	b.place(sub, true)
	if sub.state != StateJoining || sub.catching == sub.joins {
		return
	}
	sub.catching = sub.joins
	b.enqueue(task{catchUp: sub})
}

// again has a live subscription caught up from its cursor. b.mu is held.
func (b *Bridge) again(sub *subscription) {
	if !sub.live() {
		return // it is being caught up, which goes on
	}
	b.rejoin(sub)
	b.occupiedNow(sub)
}

// rejoin has a subscription begin anew after its cursor. b.mu is held.
func (b *Bridge) rejoin(sub *subscription) {
	sub.state, sub.vacatedAt, sub.left = StateJoining, time.Time{}, false
	sub.joins++
	sub.joinCursor = sub.cursor
	b.dirty[sub] = struct{}{}
}

// vacate notes that the client left, and has what was sent by the moment to. left says that it did so on purpose.
// b.mu is held.
func (b *Bridge) vacate(sub *subscription, to time.Time, left bool) {
	if !sub.occupied {
		return // it has left, or only its former connection has
	}
	sub.occupied = false
	b.pay(sub)
	sub.cursor = sub.believed(to)
	sub.state = StateVacated
	sub.joins++
	sub.vacatedAt, sub.left = time.Now().UTC(), left
	b.unplace(sub)
	b.dirty[sub] = struct{}{}
}

// pollAfter has Pusher asked whether the channel is occupied. b.mu is held.
func (b *Bridge) pollAfter(sub *subscription, wait time.Duration) {
	joins := sub.joins
	time.AfterFunc(wait, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if sub.joins == joins && sub.state == StateJoining && !sub.occupied {
			b.enqueue(task{poll: sub, waited: wait})
		}
	})
}

// poll asks whether a channel is occupied. A Pusher that will not say leaves it at the authorization.
func (b *Bridge) poll(ctx context.Context, sub *subscription, waited time.Duration) {
	b.mu.Lock()
	joins := sub.joins
	b.mu.Unlock()
	occupied, _ := b.pusher.Occupied(ctx, forChannels, sub.channel) // without an answer the authorization is all there is
	b.mu.Lock()
	defer b.mu.Unlock()
	if sub.state != StateJoining || sub.joins != joins || sub.occupied {
		return
	}
	if occupied || time.Since(sub.authorizedAt) > lastPoll {
		b.occupiedNow(sub)
		return
	}
	b.pollAfter(sub, min(2*waited, lastPoll))
}

// close ends a subscription for good; tell says whether its client is sent the end. b.mu is held.
func (b *Bridge) close(sub *subscription, reason string, tell bool) {
	if sub.gone() {
		return
	}
	sub.closedReason, sub.closedAt, sub.state = short(reason), time.Now().UTC(), StateClosed
	b.forget(sub)
	if tell && !sub.authorizedAt.IsZero() {
		b.enqueue(task{end: sub})
	}
}

// End ends a subscription by its id. It is written down before End returns. One that is not there, or has ended, is
// ErrNotFound.
func (b *Bridge) End(ctx context.Context, id int, reason string) error {
	if b.endNow(id, reason) {
		return b.Persist(ctx)
	}
	ended, err := b.rows.End(ctx, []int{id}, reason, false)
	if err != nil {
		return err
	}
	if b.endNow(id, reason) { // it was revived meanwhile
		return b.Persist(ctx)
	}
	if ended == 0 {
		return ErrNotFound
	}
	return nil
}

// endNow ends a subscription that is in memory, and says whether it is.
func (b *Bridge) endNow(id int, reason string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	sub := b.byID[id]
	if sub != nil {
		b.close(sub, reason, true)
	}
	return sub != nil
}

// OpenSessions are the sessions for which something is open here: those of the subscriptions that go on, and those that
// authorized sockets of the embedded server. They come in any order, repeated or not.
func (b *Bridge) OpenSessions() []string {
	var sessions []string
	b.mu.Lock()
	for _, sub := range b.byID {
		if sub.viewer.Session != "" {
			sessions = append(sessions, sub.viewer.Session)
		}
	}
	b.mu.Unlock()
	if b.deps.Sockets != nil {
		for _, tag := range b.deps.Sockets.Tags() {
			if session, ok := strings.CutPrefix(tag, sessionTagPrefix); ok {
				sessions = append(sessions, session)
			}
		}
	}
	return sessions
}

// EndSession ends the subscriptions of a session, which has ended for a reason, and sends their clients the end. It
// closes the sockets that the session has authorized, where the server is embedded. Another Pusher has no call for
// that: there a socket lives until it closes by itself, and can join no further channel. It takes no longer than a
// second.
func (b *Bridge) EndSession(ctx context.Context, session, reason string) {
	b.endSession(ctx, session, reason)
	if b.deps.Sockets != nil {
		b.deps.Sockets.CloseTagged(sessionTag(session))
	}
}

// endSession ends the subscriptions of a session and sends their clients the end, which may take no longer than
// endTimeout.
func (b *Bridge) endSession(ctx context.Context, session, reason string) {
	var mails []mail
	b.mu.Lock()
	for _, sub := range b.byID {
		if sub.viewer.Session == session {
			if !sub.authorizedAt.IsZero() {
				mails = append(mails, endOf(sub, sub.protocol))
			}
			b.close(sub, reasonExpired+": "+reason, false)
		}
	}
	b.mu.Unlock()
	sending, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	verdicts := b.push(sending, mails)
	b.mu.Lock()
	for i, verdict := range verdicts {
		if isLater(verdict) {
			b.enqueue(task{end: mails[i].sub})
		}
	}
	b.mu.Unlock()
	if err := b.rows.EndSession(ctx, session, reasonExpired); err != nil {
		b.log.WarnContext(ctx, "the subscriptions of a session that ended are not all ended; the sweep tries again", slog.Any("error", err))
	}
}

// endOf is the end, for a client of a protocol.
func endOf(sub *subscription, protocol Protocol) mail {
	return mail{sub: sub, rendering: rendering{packets: endPackets[protocol]}, isEnd: true}
}

// endTimeout bounds what a sign-out waits for.
const endTimeout = time.Second
