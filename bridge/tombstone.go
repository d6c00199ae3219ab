package bridge

import (
	"context"
	"log/slog"
	"time"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/subscriber"
	"lorebridge/rule"
)

// A subscription that has ended leaves a row for keepClosed, with little more than its channel, owner, reason and
// protocol. Published clients show no refusal of a channel, so whoever owned it is still granted it: what arrives
// there is the end, and nothing else.

// keepClosed is how long the row of an ended subscription is kept.
const keepClosed = 24 * time.Hour

// Part grants the channel of a subscription that has ended to its former owner, whose session has ended too. Whoever
// it does not belong to, and whoever asks for one that goes on in another session, gets a rule.ErrForbidden.
func (s *Subscriptions) Part(ctx context.Context, channel string, former auth.Viewer, hint subscriber.Protocol) error {
	s.mu.Lock()
	if sub := s.byChannel[channel]; sub != nil {
		if sub.viewer.UserID != former.UserID || sub.viewer.SessionID != former.SessionID {
			s.mu.Unlock()
			return rule.ErrForbidden
		}
		s.close(sub, reasonExpired, false)
	}
	s.mu.Unlock()
	row, err := s.stored(ctx, channel)
	switch {
	case err != nil:
		return err
	case row == nil || row.UserID != former.UserID:
		return rule.ErrForbidden
	case row.State != subscriber.StateClosed && row.SessionID != former.SessionID:
		return rule.ErrForbidden
	case row.State != subscriber.StateClosed:
		if _, err := s.endAway(ctx, reasonExpired, subscriber.ID(row.ID)); err != nil {
			return err
		}
	}
	return s.part(row, hint)
}

// part has a client that is about to join the channel of an ended subscription sent the end, once it has joined.
// Where encryption was turned off nothing can be sent to a client that only reads what is encrypted: that is a
// rule.ErrForbidden.
func (s *Subscriptions) part(row *ent.Subscriber, hint subscriber.Protocol) error {
	if encrypted(row.Channel) && s.bridge.config.MasterKey == "" {
		return rule.ErrForbidden
	}
	protocol := row.Protocol
	if protocol == subscriber.ProtocolUnset {
		protocol = hint
	}
	sub := &subscription{
		id: row.ID, channel: row.Channel, viewer: auth.Viewer{UserID: row.UserID}, protocol: protocol,
		state: subscriber.StateJoining, parting: true, authorizedAt: time.Now().UTC(), joins: 1,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if before := s.parting[sub.channel]; before != nil {
		before.joins++ // it is no longer asked for: who authorizes again and again is asked for once
	}
	s.parting[sub.channel] = sub
	if !s.bridge.config.Embedded() {
		s.pollAfter(sub, firstPoll)
	}
	return nil
}

// known is the subscription whose client may join a channel, or nil. s.mu is held.
func (s *Subscriptions) known(channel string) *subscription {
	if sub := s.byChannel[channel]; sub != nil {
		return sub
	}
	return s.parting[channel]
}

// forgetParting forgets whoever was granted the channel of an ended subscription and has had the time to join it.
// s.mu is held.
func (s *Subscriptions) forgetParting(now time.Time) {
	for channel, sub := range s.parting {
		if now.Sub(sub.authorizedAt) > joinTimeout {
			delete(s.parting, channel)
		}
	}
}

// RemoveClosed deletes the rows of subscriptions that ended long ago.
func (s *Subscriptions) RemoveClosed(ctx context.Context) error {
	removed, err := s.client.Subscriber.Delete().
		Where(subscriber.ClosedAtLT(time.Now().UTC().Add(-keepClosed))).Exec(auth.AsSystem(ctx))
	if err == nil && removed > 0 {
		s.log.DebugContext(ctx, "ended subscriptions were removed", slog.Int("subscriptions", removed))
	}
	return err
}
