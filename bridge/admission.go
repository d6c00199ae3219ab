package bridge

import (
	"context"
	"fmt"
	"time"
)

// admission lets clients join the channels of their subscriptions.
type admission struct {
	*registry
	keeper   *keeper
	encrypts bool // there is a key for encrypted channels
}

// Authorize grants a subscription's channel to its subscriber and takes it for the sign that the client is about to
// join. One that was away is revived; the former owner of one that has ended is granted the channel for its end.
// Anybody else gets ErrForbidden, and so does a request for an unknown channel.
func (a *admission) Authorize(ctx context.Context, channel string, viewer Viewer, hint Protocol) error {
	for {
		sub, err := a.owned(channel, viewer.User)
		if err != nil {
			return err
		}
		if sub != nil {
			if open, err := a.admit(ctx, sub, hint); open || err != nil {
				return err
			}
		}
		switch row, err := a.keeper.stored(ctx, channel); {
		case err != nil:
			return err
		case row == nil || !row.Viewer.mayJoin(viewer.User):
			return ErrForbidden
		case row.State == StateClosed:
			return a.part(row, hint)
		default:
			if err := a.keeper.revive(ctx, row); err != nil {
				return err
			}
		}
	}
}

// admit lets the client of a subscription join. It reports false if the subscription has ended, or gone away meanwhile.
func (a *admission) admit(ctx context.Context, sub *subscription, hint Protocol) (open bool, err error) {
	now := time.Now().UTC()
	a.mu.Lock()
	switch {
	case sub.over():
	case !sub.alive(now):
		a.end(sub, reasonExpired, true)
	case !a.place(sub, false):
		a.end(sub, reasonNoPlace, true)
	}
	if sub.over() {
		a.mu.Unlock()
		return false, nil
	}
	if sub.protocol == ProtocolUnset {
		sub.protocol = hint
	}
	h := a.doubt(sub, authorized, now.Add(-catchUpWindow))
	h.now = now
	a.apply(sub, h)
	joins := sub.joins
	id, protocol, cursor := sub.id, sub.protocol, sub.cursor
	underWay := []chan struct{}{sub.sending, sub.chasing}
	a.mu.Unlock()
	defer func() { // also if it is not granted, because a former client may go on listening
		a.mu.Lock()
		defer a.mu.Unlock()
		if sub.joins == joins {
			a.apply(sub, happening{event: answered})
		}
	}()
	// What is on its way was meant for the former connection. It should not reach this one ahead of what that one
	// missed.
	if err := awaitAll(ctx, underWay, maxUnderWay); err != nil {
		return false, err
	}
	// Written before the answer leaves: a restart must know of every client that may be listening. What ended meanwhile
	// stays so.
	open, err = a.keeper.rows.Join(ctx, id, protocol, cursor, now)
	if err != nil {
		return false, fmt.Errorf("note that a subscription is joined: %w", err)
	}
	if !open { // its record has ended, or is gone
		a.mu.Lock()
		defer a.mu.Unlock()
		a.end(sub, reasonExpired, true)
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

// owns reports whether a user may join a channel: it is one of their subscriptions, or was until lately.
func (a *admission) owns(ctx context.Context, channel, user string) (bool, error) {
	sub, err := a.owned(channel, user)
	switch {
	case sub != nil:
		return true, nil
	case err != nil:
		return false, nil //nolint:nilerr // another person's
	}
	r, err := a.keeper.rows.Find(ctx, channel)
	if err != nil {
		return false, fmt.Errorf("read whose subscription it is: %w", err)
	}
	return r != nil && r.Viewer.mayJoin(user), nil
}

// mayJoin reports whether a user may join the channel of a subscription that v began: it is theirs, or nobody's. A
// channel of nobody's has a name that cannot be guessed.
func (v Viewer) mayJoin(user string) bool { return v.anonymous() || v.User == user }
