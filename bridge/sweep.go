package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

const (
	tick            = time.Second     // how often ages are looked at
	persistInterval = 5 * time.Second // how often what changed is written down
	databaseTimeout = 10 * time.Second
	// absentSweeps is how many sweeps in a row must not find a live subscription's channel before it is taken for dead.
	absentSweeps = 2
)

// sweepUntil ends what is too old and writes down what changed, until ctx ends.
func (b *Bridge) sweepUntil(ctx context.Context) {
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
		b.endOld(now)
		if now.Sub(persisted) >= persistInterval {
			persisted = now
			if err := errors.Join(b.Persist(ctx), b.trimAway(ctx)); err != nil && ctx.Err() == nil {
				b.log.ErrorContext(ctx, "the state of subscriptions could not be written; trying again", slog.Any("error", err))
			}
		}
		if now.Sub(swept) >= b.config.Sweep {
			swept = now
			if err := errors.Join(b.sweepChannels(ctx), b.sweepAway(ctx)); err != nil && ctx.Err() == nil {
				b.log.WarnContext(ctx, "subscriptions could not be looked through; trying again", slog.Any("error", err))
			}
		}
	}
}

// endOld closes the subscriptions whose time is over, and lets go of those whose clients are away.
func (b *Bridge) endOld(now time.Time) {
	embedded := b.embedded()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, sub := range b.byID {
		switch {
		case !sub.alive(now):
			b.close(sub, reasonExpired, true)
		case now.Sub(sub.createdAt) > b.config.Lifetime:
			b.close(sub, reasonLifetime, true)
		case sub.left && now.Sub(sub.vacatedAt) > leftStays:
			b.close(sub, reasonLeft, false)
		case !sub.idle(): // what is under way would be sent again, and what it is owed forgotten
		case sub.state == StatePending && now.Sub(sub.createdAt) > joinTimeout:
			b.goAway(sub)
		case embedded && sub.state == StateJoining && !sub.occupied && now.Sub(sub.authorizedAt) > joinTimeout:
			b.goAway(sub) // elsewhere it counts as joined, until the sweep does not find it
		case sub.state == StateVacated && now.Sub(sub.vacatedAt) > b.config.Grace:
			b.goAway(sub)
		}
	}
	b.forgetParting(now)
}

// sweepChannels compares what is taken for live with what Pusher knows, so that a client's leave and return are
// noticed where no webhook ever comes. The embedded server reports each change itself, so there nothing can differ.
func (b *Bridge) sweepChannels(ctx context.Context) error {
	if b.embedded() {
		return nil
	}
	occupied := make(map[string]bool)
	for _, prefix := range b.prefixes() {
		list, err := b.pusher.Channels(ctx, forChannels, prefix)
		if err != nil {
			return err
		}
		for _, channel := range list {
			occupied[channel] = true
		}
	}
	var missing []*subscription
	b.mu.Lock()
	for _, sub := range b.byID {
		switch {
		case occupied[sub.channel]:
			sub.absent = 0
			b.occupiedNow(sub) // the webhook of its return was lost
		case sub.live():
			sub.absent++
			if sub.absent >= absentSweeps {
				missing = append(missing, sub)
			}
		}
	}
	b.mu.Unlock()
	return b.vacateAbsent(ctx, missing)
}

// vacateAbsent notes that nobody listens on the channels of these live subscriptions. Each channel is asked for on
// its own, because a list can be old, cut, or another server's.
func (b *Bridge) vacateAbsent(ctx context.Context, missing []*subscription) error {
	for _, sub := range missing {
		occupied, err := b.pusher.Occupied(ctx, forChannels, sub.channel)
		if err != nil {
			return fmt.Errorf("ask for a channel: %w", err)
		}
		b.mu.Lock()
		switch {
		case occupied:
			sub.absent = 0
		case sub.live() && sub.absent >= absentSweeps:
			b.vacate(sub, time.Now().Add(-absentSweeps*b.config.Sweep-catchUpWindow), false)
		}
		b.mu.Unlock()
	}
	return nil
}
