package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"lorebridge/ent/subscriber"
)

const (
	tick            = time.Second     // how often ages are looked at
	persistInterval = 5 * time.Second // how often what changed is written down
	databaseTimeout = 10 * time.Second
	// absentSweeps is how many sweeps in a row must not find a live subscription's channel before it is taken for dead.
	absentSweeps = 2
)

// sweepUntil ends what is too old and writes down what changed, until ctx ends.
func (s *Subscriptions) sweepUntil(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	persisted, swept := time.Now(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now()
		s.endOld(now)
		if now.Sub(persisted) >= persistInterval {
			persisted = now
			if err := errors.Join(s.Persist(ctx), s.trimAway(ctx)); err != nil && ctx.Err() == nil {
				s.log.ErrorContext(ctx, "the state of subscriptions could not be written; trying again", slog.Any("error", err))
			}
		}
		if now.Sub(swept) >= s.config.Sweep {
			swept = now
			if err := errors.Join(s.sweepChannels(ctx), s.sweepAway(ctx)); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "subscriptions could not be looked through; trying again", slog.Any("error", err))
			}
		}
	}
}

// endOld closes the subscriptions whose time is over, and lets go of those whose clients are away.
func (s *Subscriptions) endOld(now time.Time) {
	embedded := s.bridge.config.Embedded()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.byID {
		switch {
		case !sub.alive(now):
			s.close(sub, reasonExpired, true)
		case now.Sub(sub.createdAt) > s.config.Lifetime:
			s.close(sub, reasonLifetime, true)
		case sub.left && now.Sub(sub.vacatedAt) > leftStays:
			s.close(sub, reasonLeft, false)
		case !sub.idle(): // what is under way would be sent again, and what it is owed forgotten
		case sub.state == subscriber.StatePending && now.Sub(sub.createdAt) > joinTimeout:
			s.goAway(sub)
		case embedded && sub.state == subscriber.StateJoining && !sub.occupied && now.Sub(sub.authorizedAt) > joinTimeout:
			s.goAway(sub) // elsewhere it counts as joined, until the sweep does not find it
		case sub.state == subscriber.StateVacated && now.Sub(sub.vacatedAt) > s.config.Grace:
			s.goAway(sub)
		}
	}
	s.forgetParting(now)
}

// sweepChannels compares what is taken for live with what Pusher knows, so that a client's leave and return are
// noticed where no webhook ever comes. The embedded server reports each change itself, so there nothing can differ.
func (s *Subscriptions) sweepChannels(ctx context.Context) error {
	if s.bridge.config.Embedded() {
		return nil
	}
	occupied := make(map[string]bool)
	for _, prefix := range s.bridge.config.subscriptionPrefixes() {
		list, err := s.bridge.pusher.Channels(ctx, forChannels, prefix)
		if err != nil {
			return err
		}
		for _, channel := range list {
			occupied[channel] = true
		}
	}
	var missing []*subscription
	s.mu.Lock()
	for _, sub := range s.byID {
		switch {
		case occupied[sub.channel]:
			sub.absent = 0
			s.occupiedNow(sub) // the webhook of its return was lost
		case sub.live():
			sub.absent++
			if sub.absent >= absentSweeps {
				missing = append(missing, sub)
			}
		}
	}
	s.mu.Unlock()
	return s.vacateAbsent(ctx, missing)
}

// vacateAbsent notes that nobody listens on the channels of these live subscriptions. Each channel is asked for on
// its own, because a list can be old, cut, or another server's.
func (s *Subscriptions) vacateAbsent(ctx context.Context, missing []*subscription) error {
	for _, sub := range missing {
		occupied, err := s.bridge.pusher.Occupied(ctx, forChannels, sub.channel)
		if err != nil {
			return fmt.Errorf("ask for a channel: %w", err)
		}
		s.mu.Lock()
		switch {
		case occupied:
			sub.absent = 0
		case sub.live() && sub.absent >= absentSweeps:
			s.vacate(sub, time.Now().Add(-absentSweeps*s.config.Sweep-catchUpWindow), false)
		}
		s.mu.Unlock()
	}
	return nil
}
