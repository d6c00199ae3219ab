package bridge

import (
	"context"
	"log/slog"
	"time"
)

// A subscription that has ended leaves a row for keepClosed, with little more than its channel, owner, reason and
// protocol. Published clients show no refusal of a channel, so whoever owned it is still granted it: what arrives
// there is the end, and nothing else.

// keepClosed is how long the row of an ended subscription is kept.
const keepClosed = 24 * time.Hour

// Part grants the channel of a subscription that has ended to its former owner, whose session has ended too. Whoever
// it does not belong to, and whoever asks for one that goes on in another session, gets a ErrForbidden.
func (b *Bridge) Part(ctx context.Context, channel string, former Viewer, hint Protocol) error {
	b.mu.Lock()
	if sub := b.byChannel[channel]; sub != nil {
		if sub.viewer.User != former.User || sub.viewer.Session != former.Session {
			b.mu.Unlock()
			return ErrForbidden
		}
		b.close(sub, reasonExpired, false)
	}
	b.mu.Unlock()
	row, err := b.stored(ctx, channel)
	switch {
	case err != nil:
		return err
	case row == nil || row.Viewer.User != former.User:
		return ErrForbidden
	case row.State != StateClosed && row.Viewer.Session != former.Session:
		return ErrForbidden
	case row.State != StateClosed:
		if _, err := b.rows.End(ctx, []int{row.ID}, reasonExpired, false); err != nil {
			return err
		}
	}
	return b.part(row, hint)
}

// part has a client that is about to join the channel of an ended subscription sent the end, once it has joined.
// Where encryption was turned off nothing can be sent to a client that only reads what is encrypted: that is a
// ErrForbidden.
func (b *Bridge) part(row *Record, hint Protocol) error {
	if encrypted(row.Channel) && !b.pusher.Encrypts() {
		return ErrForbidden
	}
	protocol := row.Protocol
	if protocol == ProtocolUnset {
		protocol = hint
	}
	sub := &subscription{
		id: row.ID, channel: row.Channel, viewer: row.Viewer, protocol: protocol,
		state: StateJoining, parting: true, authorizedAt: time.Now().UTC(), joins: 1,
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if before := b.parting[sub.channel]; before != nil {
		before.joins++ // it is no longer asked for: who authorizes again and again is asked for once
	}
	b.parting[sub.channel] = sub
	if !b.embedded() {
		b.pollAfter(sub, firstPoll)
	}
	return nil
}

// known is the subscription whose client may join a channel, or nil. b.mu is held.
func (b *Bridge) known(channel string) *subscription {
	if sub := b.byChannel[channel]; sub != nil {
		return sub
	}
	return b.parting[channel]
}

// forgetParting forgets whoever was granted the channel of an ended subscription and has had the time to join it.
// b.mu is held.
func (b *Bridge) forgetParting(now time.Time) {
	for channel, sub := range b.parting {
		if now.Sub(sub.authorizedAt) > joinTimeout {
			delete(b.parting, channel)
		}
	}
}

// RemoveClosed deletes the rows of subscriptions that ended long ago.
func (b *Bridge) RemoveClosed(ctx context.Context) error {
	removed, err := b.rows.Remove(ctx, time.Now().UTC().Add(-keepClosed))
	if err == nil && removed > 0 {
		b.log.DebugContext(ctx, "ended subscriptions were removed", slog.Int("subscriptions", removed))
	}
	return err
}
