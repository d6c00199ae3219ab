package bridge

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"lorebridge/ent"
	"lorebridge/ent/subscriber"
	"lorebridge/outbox"
	"lorebridge/pusherapi"
)

// maxCatchUp is how many events are sent to a client that comes back; one that missed more is told so instead.
const maxCatchUp = 50

// catchUp sends a client that has just joined what it missed since the cursor, from the table and in order, and then
// has the subscription looked at again: once nothing is missing it becomes live. Others have their turn in between.
// It gives up where the client leaves meanwhile: whoever joins next begins anew.
func (s *Subscriptions) catchUp(ctx context.Context, sub *subscription) {
	missing, ok := s.chase(sub)
	if !ok {
		return
	}
	err := s.sendMissed(ctx, sub, missing)
	if ctx.Err() != nil {
		return
	}
	if _, logged := errors.AsType[*pusherapi.CallError](err); err != nil && !logged {
		s.log.ErrorContext(ctx, "a subscription could not catch up; trying again", slog.String("channel", sub.channel), slog.Any("error", err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	close(sub.chasing)
	sub.chasing = nil
	if err != nil && !sub.gone() {
		s.failed(sub, err)
		s.dirty[sub] = struct{}{}
	}
	s.enqueue(task{catchUp: sub})
}

// enqueueLater has a subscription caught up when its pause is over. s.mu is held.
func (s *Subscriptions) enqueueLater(sub *subscription) {
	time.AfterFunc(time.Until(sub.retryAt), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.enqueue(task{catchUp: sub})
	})
}

// chase is what a subscription may have missed: events after cursor, of which published is the last one that was
// published.
type chase struct {
	cursor, published outbox.Cursor
	joins             int
	gap               bool // is owed
	lagging           bool // its client has been there since the cursor
}

// chase says where a subscription stands that is to be caught up, and whether it is the caller's to do so. Where
// nothing is missing it makes the subscription live.
func (s *Subscriptions) chase(sub *subscription) (chase, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case sub.chasing != nil, sub.catching == 0:
		return chase{}, false
	case sub.state != subscriber.StateJoining || sub.catching != sub.joins: // left, and perhaps about to join again
		sub.catching = 0
		return chase{}, false
	case sub.sending != nil:
		return chase{}, false // what is on its way goes first: its end calls for another go
	}
	if time.Now().Before(sub.retryAt) {
		s.enqueueLater(sub)
		return chase{}, false
	}
	published := s.topics[sub.topic].last
	if !sub.cursor.Before(published) && !sub.restored && sub.gap != gapOwed {
		sub.state = subscriber.StateLive
		sub.catching = 0
		s.pay(sub)
		sub.liveAt, sub.liveCursor = time.Now(), sub.cursor
		s.dirty[sub] = struct{}{}
		return chase{}, false
	}
	sub.chasing = make(chan struct{})
	return chase{cursor: sub.cursor, published: published, joins: sub.joins, gap: sub.gap == gapOwed, lagging: sub.lagging}, true
}

// sendMissed sends what was missed, unless the client leaves. An error says that it could not be read, or that Pusher
// did not take it.
func (s *Subscriptions) sendMissed(ctx context.Context, sub *subscription, c chase) error {
	if c.gap {
		if there, err := s.sendGap(ctx, sub, c); err != nil || !there {
			return err
		}
	}
	rows, more, err := s.missed(ctx, sub, c)
	if err != nil {
		return err
	}
	if !more {
		s.stays(sub, c)
	} else if !c.lagging {
		o, err := s.gapUpTo(ctx, sub, c)
		if err != nil {
			return err
		}
		there, err := s.tell(ctx, sub, &o, c)
		if there {
			s.stays(sub, c)
			s.caughtUp(sub, c)
		}
		return err
	}
	for _, e := range rows {
		o := s.execute(ctx, sub.operation, sub.viewer, sub.topic, e)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the server stops: what is left is sent after its next start
		}
		if there, err := s.tell(ctx, sub, &o, c); err != nil || !there {
			return err
		}
	}
	if !more {
		s.caughtUp(sub, c)
	}
	return nil
}

// stays notes that a client has come back, and that what it missed until now is sent to it: for what comes from now on
// there is no limit. Nothing keeps those events in the table, but they stay there for days.
func (s *Subscriptions) stays(sub *subscription, c chase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sub.joins == c.joins {
		sub.lagging = true
	}
}

// caughtUp notes that a client has been sent all that it missed when it was looked for, or that it cannot be.
func (s *Subscriptions) caughtUp(sub *subscription, c chase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sub.joins == c.joins {
		sub.cursor = outbox.Later(sub.cursor, c.published)
		sub.restored, sub.awaySince = false, time.Time{}
	}
}

// missed reads the events of the subscription's topic after the cursor, at most maxCatchUp. more says that there are
// more, or that some are too old to be sent again, or may have been removed.
func (s *Subscriptions) missed(ctx context.Context, sub *subscription, c chase) (rows []*ent.Event, more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	rows, err = s.eventLog.After(ctx, sub.topic, c.cursor, maxCatchUp+1)
	switch {
	case err != nil:
		return nil, false, err
	case len(rows) > maxCatchUp:
		return rows[:maxCatchUp], true, nil
	}
	return rows, !c.lagging && !s.reaches(sub, rows), nil
}

// gapUpTo is the gap that stands for all that a subscription missed.
func (s *Subscriptions) gapUpTo(ctx context.Context, sub *subscription, c chase) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	last, err := s.eventLog.Last(ctx, sub.topic)
	switch {
	case err != nil:
		return outcome{}, err
	case last == nil || c.cursor.Covers(last): // what it missed was removed
		newest, err := s.eventLog.Newest(ctx)
		return gap(outbox.Later(c.cursor, newest), time.Now().UTC()), err
	}
	return gap(outbox.At(last), last.CreatedAt), nil
}

// reaches says that what was read is all that a subscription missed, and new enough.
func (s *Subscriptions) reaches(sub *subscription, rows []*ent.Event) bool {
	switch {
	case !sub.awaySince.IsZero():
		return time.Since(sub.awaySince) <= keptEvents
	case len(rows) == 0:
		return true
	}
	// What it was sent before it left may be as old as the window, and it may have been gone for the grace.
	return time.Since(rows[0].CreatedAt) <= catchUpWindow+s.config.Grace
}

// tell sends one outcome to a subscription that is catching up, and says whether its client is still there. Where
// Pusher did not take the next result, nothing may be sent after it: that is the error.
func (s *Subscriptions) tell(ctx context.Context, sub *subscription, o *outcome, c chase) (there bool, err error) {
	m := mail{sub: sub, rendering: s.render(o, sub, s.protocolOf(sub))}
	verdict := s.push(ctx, []mail{m})[0]
	if ctx.Err() != nil {
		return false, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(m, verdict, o.at, c.joins, time.Now())
	if sub.gone() {
		return false, nil
	}
	if verdict != nil && !pusherapi.IsFinal(verdict) {
		return false, verdict
	}
	if sub.joins != c.joins {
		return false, nil
	}
	return sub.state == subscriber.StateJoining, nil
}

// sendGap sends that a result was missed, because Pusher refused it, and says whether the client is still there.
func (s *Subscriptions) sendGap(ctx context.Context, sub *subscription, c chase) (there bool, err error) {
	o := gap(c.cursor, time.Now())
	verdict := s.push(ctx, []mail{{sub: sub, rendering: s.render(&o, sub, s.protocolOf(sub))}})[0]
	s.mu.Lock()
	defer s.mu.Unlock()
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
	return sub.state == subscriber.StateJoining, nil
}

// catchUpPause is the wait after the database failed.
const catchUpPause = time.Second
