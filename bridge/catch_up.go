package bridge

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"lorebridge/pusherapi"
)

// maxCatchUp is how many events are sent to a client that comes back; one that missed more is told so instead.
const maxCatchUp = 50

// catchUp sends a client that has just joined what it missed since the cursor, from the table and in order, and then
// has the subscription looked at again: once nothing is missing it becomes live. Others have their turn in between.
// It gives up where the client leaves meanwhile: whoever joins next begins anew.
func (b *Bridge) catchUp(ctx context.Context, sub *subscription) {
	missing, ok := b.chase(sub)
	if !ok {
		return
	}
	err := b.sendMissed(ctx, sub, missing)
	if ctx.Err() != nil {
		return
	}
	if _, logged := errors.AsType[*pusherapi.CallError](err); err != nil && !logged {
		b.log.ErrorContext(ctx, "a subscription could not catch up; trying again", slog.String("channel", sub.channel), slog.Any("error", err))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	close(sub.chasing)
	sub.chasing = nil
	if err != nil && !sub.gone() {
		b.failed(sub, err)
		b.dirty[sub] = struct{}{}
	}
	b.enqueue(task{catchUp: sub})
}

// enqueueLater has a subscription caught up when its pause is over. b.mu is held.
func (b *Bridge) enqueueLater(sub *subscription) {
	time.AfterFunc(time.Until(sub.retryAt), func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.enqueue(task{catchUp: sub})
	})
}

// chase is what a subscription may have missed: events after cursor, of which published is the last one that was
// published.
type chase struct {
	cursor, published Seq
	joins             int
	gap               bool // is owed
	lagging           bool // its client has been there since the cursor
}

// chase says where a subscription stands that is to be caught up, and whether it is the caller's to do so. Where
// nothing is missing it makes the subscription live.
func (b *Bridge) chase(sub *subscription) (chase, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case sub.chasing != nil, sub.catching == 0:
		return chase{}, false
	case sub.state != StateJoining || sub.catching != sub.joins: // left, and perhaps about to join again
		sub.catching = 0
		return chase{}, false
	case sub.sending != nil:
		return chase{}, false // what is on its way goes first: its end calls for another go
	}
	if time.Now().Before(sub.retryAt) {
		b.enqueueLater(sub)
		return chase{}, false
	}
	published := b.topics[sub.topic].last
	if sub.cursor >= published && !sub.restored && sub.gap != gapOwed {
		sub.state = StateLive
		sub.catching = 0
		b.pay(sub)
		sub.liveAt, sub.liveCursor = time.Now(), sub.cursor
		b.dirty[sub] = struct{}{}
		return chase{}, false
	}
	sub.chasing = make(chan struct{})
	return chase{cursor: sub.cursor, published: published, joins: sub.joins, gap: sub.gap == gapOwed, lagging: sub.lagging}, true
}

// sendMissed sends what was missed, unless the client leaves. An error says that it could not be read, or that Pusher
// did not take it.
func (b *Bridge) sendMissed(ctx context.Context, sub *subscription, c chase) error {
	if c.gap {
		if there, err := b.sendGap(ctx, sub, c); err != nil || !there {
			return err
		}
	}
	rows, more, err := b.missed(ctx, sub, c)
	if err != nil {
		return err
	}
	if !more {
		b.stays(sub, c)
	} else if !c.lagging {
		o, err := b.gapUpTo(ctx, sub, c)
		if err != nil {
			return err
		}
		there, err := b.tell(ctx, sub, &o, c)
		if there {
			b.stays(sub, c)
			b.caughtUp(sub, c)
		}
		return err
	}
	for _, e := range rows {
		o := b.execute(ctx, sub.operation, sub.viewer, sub.topic, e)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the server stops: what is left is sent after its next start
		}
		if there, err := b.tell(ctx, sub, &o, c); err != nil || !there {
			return err
		}
	}
	if !more {
		b.caughtUp(sub, c)
	}
	return nil
}

// stays notes that a client has come back, and that what it missed until now is sent to it: for what comes from now on
// there is no limit. Nothing keeps those events in the table, but they stay there for days.
func (b *Bridge) stays(sub *subscription, c chase) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if sub.joins == c.joins {
		sub.lagging = true
	}
}

// caughtUp notes that a client has been sent all that it missed when it was looked for, or that it cannot be.
func (b *Bridge) caughtUp(sub *subscription, c chase) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if sub.joins == c.joins {
		sub.cursor = max(sub.cursor, c.published)
		sub.restored, sub.awaySince = false, time.Time{}
	}
}

// missed reads the events of the subscription's topic after the cursor, at most maxCatchUp. more says that there are
// more, or that some are too old to be sent again, or may have been removed.
func (b *Bridge) missed(ctx context.Context, sub *subscription, c chase) (rows []*Event, more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	rows, err = b.eventLog.After(ctx, sub.topic, c.cursor, maxCatchUp+1)
	switch {
	case err != nil:
		return nil, false, err
	case len(rows) > maxCatchUp:
		return rows[:maxCatchUp], true, nil
	}
	return rows, !c.lagging && !b.reaches(sub, rows), nil
}

// gapUpTo is the gap that stands for all that a subscription missed.
func (b *Bridge) gapUpTo(ctx context.Context, sub *subscription, c chase) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	last, err := b.eventLog.Last(ctx, sub.topic)
	switch {
	case err != nil:
		return outcome{}, err
	case last == nil || last.Seq <= c.cursor: // what it missed was removed
		newest, err := b.eventLog.Newest(ctx)
		return b.gap(max(c.cursor, newest), time.Now().UTC()), err
	}
	return b.gap(last.Seq, last.At), nil
}

// reaches says that what was read is all that a subscription missed, and new enough.
func (b *Bridge) reaches(sub *subscription, rows []*Event) bool {
	switch {
	case !sub.awaySince.IsZero():
		return time.Since(sub.awaySince) <= b.config.Kept-keptMargin
	case len(rows) == 0:
		return true
	}
	// What it was sent before it left may be as old as the window, and it may have been gone for the grace.
	return time.Since(rows[0].At) <= catchUpWindow+b.config.Grace
}

// tell sends one outcome to a subscription that is catching up, and says whether its client is still there. Where
// Pusher did not take the next result, nothing may be sent after it: that is the error.
func (b *Bridge) tell(ctx context.Context, sub *subscription, o *outcome, c chase) (there bool, err error) {
	m := b.mailTo(ctx, o, sub, b.protocolOf(sub))
	verdict := b.push(ctx, []mail{m})[0]
	if ctx.Err() != nil {
		return false, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.settle(m, verdict, o.at, c.joins, time.Now())
	if sub.gone() {
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

// sendGap sends that a result was missed, because Pusher refused it, and says whether the client is still there.
func (b *Bridge) sendGap(ctx context.Context, sub *subscription, c chase) (there bool, err error) {
	o := b.gap(c.cursor, time.Now())
	verdict := b.push(ctx, []mail{{sub: sub, rendering: b.render(&o, sub, b.protocolOf(sub))}})[0]
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case ctx.Err() != nil, sub.joins != c.joins:
		return false, nil
	case pusherapi.IsFinal(verdict):
		sub.gap, sub.lastError = gapRefused, short(verdict.Error())
	case verdict != nil:
		return false, verdict
	default:
		sub.gap = gapNone
	}
	return sub.state == StateJoining, nil
}
