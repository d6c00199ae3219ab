package bridge

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"lorebridge/pusherapi"
)

// maxCatchUp is how many events are sent to a client that comes back; one that missed more is sent a gap instead.
const maxCatchUp = 50

// recovery sends clients that come back what they missed, from the log.
type recovery struct {
	*delivery
	eventLog Log
}

// catchUp sends a client that has just joined what it missed since the cursor, from the log and in order, and then
// has the subscription looked at again: once nothing is missing it becomes live. Others have their turn in between.
// It gives up if the client leaves meanwhile: the next join begins anew.
func (r *recovery) catchUp(ctx context.Context, sub *subscription) {
	missing, ok := r.chase(sub)
	if !ok {
		return
	}
	err := r.sendMissed(ctx, sub, missing)
	if ctx.Err() != nil {
		return
	}
	if _, logged := errors.AsType[*pusherapi.CallError](err); err != nil && !logged {
		r.log.ErrorContext(ctx, "a subscription could not catch up; trying again",
			slog.Int("subscription", sub.id), slog.Any("error", err))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	close(sub.chasing)
	sub.chasing = nil
	if err != nil && !sub.over() {
		r.failed(sub, err)
	}
	r.tasks.add(task{catchUp: sub})
	r.schedule(sub)
}

// chase is what a subscription may have missed: events after cursor, of which published is the last one that was
// published.
type chase struct {
	cursor, published Seq
	joins             int
	gap               bool // is owed
	lagging           bool // its client has been there since the cursor
	awaySince         time.Time
}

// chase returns where a subscription stands that is to be caught up, and whether the caller is to do so. If nothing is
// missing, it makes the subscription live.
func (r *recovery) chase(sub *subscription) (chase, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case sub.chasing != nil, sub.catching == 0:
		return chase{}, false
	case sub.state != StateJoining || sub.catching != sub.joins: // left, and perhaps about to join again
		sub.machine = sub.uncaught()
		return chase{}, false
	case sub.sending != nil:
		return chase{}, false // what is on its way goes first: its end calls for another go
	}
	if time.Now().Before(sub.retryAt) {
		return chase{}, false // its deadline calls for another go
	}
	published := r.topics[sub.topic].last
	if sub.cursor >= published && !sub.restored && sub.gap != gapOwed {
		r.apply(sub, happening{event: caughtUp})
		return chase{}, false
	}
	sub.chasing = make(chan struct{})
	return chase{
		cursor: sub.cursor, published: published, joins: sub.joins, gap: sub.gap == gapOwed, lagging: sub.lagging,
		awaySince: sub.awaySince,
	}, true
}

// sendMissed sends what was missed, unless the client leaves. An error means that it could not be read, or that Pusher
// did not take it.
func (r *recovery) sendMissed(ctx context.Context, sub *subscription, c chase) error {
	if c.gap {
		if there, err := r.sendGap(ctx, sub, c); err != nil || !there {
			return err
		}
	}
	rows, more, err := r.missed(ctx, sub, c)
	lost := errors.Is(err, ErrGap)
	if err != nil && !lost {
		return err
	}
	switch {
	case !more && !lost:
		r.move(sub, func(m machine) machine { return m.staying(c.joins) })
	case !c.lagging || lost:
		return r.skip(ctx, sub, c)
	}
	for _, e := range rows {
		o := r.executor.execute(ctx, sub.operation, sub.viewer, sub.topic, e)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the server stops: what is left is sent after its next start
		}
		if there, err := r.sendOne(ctx, sub, &o, c); err != nil || !there {
			return err
		}
	}
	if !more {
		r.move(sub, func(m machine) machine { return m.recovered(c.published, c.joins) })
	}
	return nil
}

// skip sends one gap for all that was missed.
func (r *recovery) skip(ctx context.Context, sub *subscription, c chase) error {
	o, err := r.gapUpTo(ctx, sub, c)
	if err != nil {
		return err
	}
	there, err := r.sendOne(ctx, sub, &o, c)
	if there {
		r.move(sub, func(m machine) machine { return m.staying(c.joins).recovered(c.published, c.joins) })
	}
	return err
}

// move moves the machine of a subscription.
func (r *recovery) move(sub *subscription, to func(machine) machine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sub.machine = to(sub.machine)
}

// missed reads the events of the subscription's topic after the cursor, at most maxCatchUp. more means that there are
// more, or that some are too old to be sent, or may have been removed.
func (r *recovery) missed(ctx context.Context, sub *subscription, c chase) (rows []*Event, more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	rows, err = r.eventLog.After(ctx, sub.topic, c.cursor, maxCatchUp+1)
	switch {
	case err != nil:
		return nil, false, err
	case len(rows) > maxCatchUp:
		return rows[:maxCatchUp], true, nil
	}
	return rows, !c.lagging && !r.reaches(c, rows), nil
}

// gapUpTo is the gap that stands for all that a subscription missed.
func (r *recovery) gapUpTo(ctx context.Context, sub *subscription, c chase) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	last, err := r.eventLog.Last(ctx, sub.topic)
	switch {
	case err != nil:
		return outcome{}, err
	case last == nil || last.Seq <= c.cursor: // what it missed was removed
		newest, err := r.eventLog.Newest(ctx)
		return r.executor.gap(max(c.cursor, newest), time.Now().UTC()), err
	}
	return r.executor.gap(last.Seq, last.At), nil
}

// reaches reports whether the rows are all that a subscription missed, and new enough.
func (r *recovery) reaches(c chase, rows []*Event) bool {
	switch {
	case !c.awaySince.IsZero():
		return time.Since(c.awaySince) <= r.config.Kept-keptMargin
	case len(rows) == 0:
		return true
	}
	// What it was sent before it left may be as old as the window, and it may have been gone for the grace.
	return time.Since(rows[0].At) <= catchUpWindow+r.config.Grace
}

// sendOne sends one outcome to a subscription that is catching up, and reports whether its client is still there. Where
// Pusher did not take the next result, nothing may be sent after it: that is the error.
func (r *recovery) sendOne(ctx context.Context, sub *subscription, o *outcome, c chase) (there bool, err error) {
	asking, cancel := context.WithTimeout(ctx, executionTimeout)
	m := r.messageTo(r.delivery.ask(asking, o, sub.viewer), sub, r.protocolOf(sub))
	cancel()
	verdict := r.sender.send(ctx, []message{m})[0]
	if ctx.Err() != nil {
		return false, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settle(m, verdict, o.at, c.joins, time.Now())
	if sub.over() {
		return false, nil
	}
	if verdict != nil && !pusherapi.IsFinal(verdict) {
		return false, verdict
	}
	if sub.joins != c.joins {
		return false, nil
	}
	return sub.state == StateJoining, nil
}

// sendGap sends that a result was missed, because Pusher refused it, and reports whether the client is still there.
func (r *recovery) sendGap(ctx context.Context, sub *subscription, c chase) (there bool, err error) {
	o := r.executor.gap(c.cursor, time.Now())
	verdict := r.sender.send(ctx, []message{{sub: sub, rendering: r.renderer.render(&o, sub, r.protocolOf(sub))}})[0]
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case ctx.Err() != nil, sub.joins != c.joins:
		return false, nil
	case pusherapi.IsFinal(verdict):
		sub.machine, sub.lastError = sub.withGap(gapRefused), short(verdict.Error())
	case verdict != nil:
		return false, verdict
	default:
		sub.machine = sub.withGap(gapNone)
	}
	return sub.state == StateJoining, nil
}
