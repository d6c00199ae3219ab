package bridge

import (
	"context"
	"time"
)

// A subscription that has ended leaves a record for keepClosed, with little more than its channel, owner, reason and
// protocol. Published clients do not show that a channel was not granted. Therefore its former owner is still granted
// it: the end arrives there, and nothing else.

// keepClosed is how long the record of an ended subscription is kept.
const keepClosed = 24 * time.Hour

// Part grants the channel of a subscription that has ended to its former owner, whose session has ended too. For
// anybody else, and for a subscription that goes on in another session, the error is ErrForbidden.
func (a *admission) Part(ctx context.Context, channel string, former Viewer, hint Protocol) error {
	a.mu.Lock()
	if sub := a.byChannel[channel]; sub != nil {
		if sub.viewer.User != former.User || sub.viewer.Session != former.Session {
			a.mu.Unlock()
			return ErrForbidden
		}
		a.end(sub, reasonExpired, true)
	}
	a.mu.Unlock()
	row, err := a.keeper.stored(ctx, channel)
	switch {
	case err != nil:
		return err
	case row == nil || row.Viewer.User != former.User:
		return ErrForbidden
	case row.State != StateClosed && row.Viewer.Session != former.Session:
		return ErrForbidden
	case row.State != StateClosed:
		if _, err := a.keeper.rows.End(ctx, []int{row.ID}, reasonExpired, false); err != nil {
			return err
		}
	}
	return a.part(row, hint)
}

// part has a client that is about to join the channel of an ended subscription sent the end, once it has joined. Where
// encryption was turned off nothing can be sent to a client that only reads what is encrypted: that is ErrForbidden.
func (a *admission) part(row *Record, hint Protocol) error {
	if encrypted(row.Channel) && !a.encrypts {
		return ErrForbidden
	}
	protocol := row.Protocol
	if protocol == ProtocolUnset {
		protocol = hint
	}
	now := time.Now().UTC()
	sub := &subscription{
		id: row.ID, channel: row.Channel, viewer: row.Viewer, protocol: protocol, parting: true,
		machine: machine{state: StateClosed, authorizedAt: now, joins: 1},
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if before := a.parting[sub.channel]; before != nil {
		before.joins++ // Pusher is asked only once for a client that authorizes many times
		a.tasks.schedule(before, time.Time{})
	}
	a.parting[sub.channel] = sub
	if !a.rules.embedded {
		sub.pollWait, sub.wakeAt = firstPoll, now.Add(firstPoll)
	}
	a.schedule(sub)
	return nil
}

// partingDeadline is when a client that was granted the channel of an ended subscription is looked at. mu is held.
func (r *registry) partingDeadline(sub *subscription) (at time.Time) {
	at = sub.endAt
	consider := func(other time.Time) {
		if !other.IsZero() && (at.IsZero() || other.Before(at)) {
			at = other
		}
	}
	if r.parting[sub.channel] == sub {
		consider(sub.wakeAt)
		consider(sub.authorizedAt.Add(joinTimeout + time.Nanosecond))
	}
	return at
}

// dueParting looks at a client that was granted the channel of an ended subscription. It is forgotten when it has had
// the time to join, but an end that could not be sent to it is still tried. mu is held.
func (r *registry) dueParting(sub *subscription, now time.Time) {
	if reached(sub.endAt, now) {
		sub.endAt = time.Time{}
		r.tasks.add(task{end: sub})
	}
	if now.Sub(sub.authorizedAt) > joinTimeout && r.parting[sub.channel] == sub {
		delete(r.parting, sub.channel)
	}
	if reached(sub.wakeAt, now) {
		sub.wakeAt = time.Time{}
		if !sub.occupied && r.parting[sub.channel] == sub {
			r.tasks.add(task{poll: sub, joins: sub.joins})
		}
	}
	r.schedule(sub)
}
