package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/subscriber"
)

// maxCatchUp is how many events are sent to a client that comes back; one that missed more is told so instead.
const maxCatchUp = 50

// catchUp sends a client that has just joined what it missed since the cursor, from the table and in order, and then has the
// subscription looked at again: once nothing is missing it becomes live. Others have their turn in between. It gives up where the
// client leaves meanwhile: whoever joins next begins anew.
func (s *Subscriptions) catchUp(ctx context.Context, sub *subscription) {
	missing, ok := s.chase(sub)
	if !ok {
		return
	}
	err := s.sendMissed(ctx, sub, missing)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		s.log.ErrorContext(ctx, "a subscription could not catch up; trying again", slog.String("channel", sub.channel), slog.Any("error", err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	close(sub.chasing)
	sub.chasing = nil
	if err != nil && !sub.gone() {
		sub.lastError = err.Error()
		s.dirty[sub] = struct{}{}
		time.AfterFunc(catchUpPause, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.enqueue(task{catchUp: sub})
		})
		return
	}
	s.enqueue(task{catchUp: sub})
}

// chase is what a subscription may have missed: events after cursor, of which published was the last one handed to Publish.
type chase struct {
	cursor, published, joins int
	gap                      bool // is owed
}

// chase says where a subscription stands that is to be caught up, and whether it is the caller's to do so. Where nothing is missing it
// makes the subscription live.
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
	published := s.topics[sub.topic].last
	if published <= sub.cursor && !sub.restored && sub.gap != gapOwed {
		sub.state = subscriber.StateLive
		sub.catching = 0
		sub.liveAt, sub.liveCursor = time.Now(), sub.cursor
		s.dirty[sub] = struct{}{}
		return chase{}, false
	}
	sub.chasing = make(chan struct{})
	return chase{cursor: sub.cursor, published: published, joins: sub.joins, gap: sub.gap == gapOwed}, true
}

// sendMissed sends what was missed, unless the client leaves. An error says that it could not be read, or that Pusher did not take it.
func (s *Subscriptions) sendMissed(ctx context.Context, sub *subscription, c chase) error {
	if c.gap {
		if there, err := s.sendGap(ctx, sub, c); err != nil || !there {
			return err
		}
	}
	rows, newest, err := s.missed(ctx, sub, c.cursor)
	if err != nil {
		return err
	}
	if newest != nil {
		o := gap(newest)
		there, err := s.tell(ctx, sub, &o, c)
		if there {
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
	s.caughtUp(sub, c)
	return nil
}

// caughtUp notes that a client has been sent all that it missed when it was looked for, or that it cannot be.
func (s *Subscriptions) caughtUp(sub *subscription, c chase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sub.joins == c.joins {
		sub.cursor = max(sub.cursor, c.published)
		sub.restored, sub.awaySince = false, time.Time{}
	}
}

// missed reads the events of the subscription's topic after the cursor. Where they are more, or older, than what can be sent again, or some
// may have been removed, there are none: newest is the event to say so with.
func (s *Subscriptions) missed(ctx context.Context, sub *subscription, cursor int) (rows []*ent.Event, newest *ent.Event, err error) {
	ctx, cancel := context.WithTimeout(auth.AsSystem(ctx), databaseTimeout)
	defer cancel()
	missed := s.client.Event.Query().Where(sub.topic.Events(), event.IDGT(cursor))
	rows, err = missed.Clone().Order(ent.Asc(event.FieldID)).Limit(maxCatchUp + 1).All(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("read the events that a subscription missed: %w", err)
	}
	if len(rows) <= maxCatchUp && s.reaches(sub, rows) {
		return rows, nil, nil
	}
	if len(rows) == 0 {
		missed = s.client.Event.Query()
	}
	newest, err = missed.Order(ent.Desc(event.FieldID)).First(ctx)
	switch {
	case ent.IsNotFound(err): // all were removed
		return nil, &ent.Event{ID: cursor, CreatedAt: time.Now().UTC()}, nil
	case err != nil:
		return nil, nil, fmt.Errorf("read the newest event: %w", err)
	}
	return nil, newest, nil
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

// tell sends one outcome to a subscription that is catching up, and says whether its client is still there. Where Pusher did not take
// what is due, nothing may be sent after it: that is the error.
func (s *Subscriptions) tell(ctx context.Context, sub *subscription, o *outcome, c chase) (there bool, err error) {
	m := mail{sub: sub, rendering: s.render(o, sub, s.protocolOf(sub))}
	verdict := s.push(ctx, []mail{m})[0]
	if ctx.Err() != nil {
		return false, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(m, verdict, o.seq, c.joins, time.Now())
	if sub.gone() {
		return false, nil
	}
	if verdict != nil && !isFinal(verdict) {
		return false, verdict
	}
	if sub.joins != c.joins {
		return false, nil
	}
	sub.hasRead(c.cursor, o.seq)
	return sub.state == subscriber.StateJoining, nil
}

// sendGap sends that a result was missed, because Pusher refused it, and says whether the client is still there.
func (s *Subscriptions) sendGap(ctx context.Context, sub *subscription, c chase) (there bool, err error) {
	o := gap(&ent.Event{ID: c.cursor, CreatedAt: time.Now()})
	verdict := s.push(ctx, []mail{{sub: sub, rendering: s.render(&o, sub, s.protocolOf(sub))}})[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case ctx.Err() != nil, sub.joins != c.joins:
		return false, nil
	case isFinal(verdict):
		sub.gap, sub.lastError = gapRefused, short(verdict.Error())
	case verdict != nil:
		return false, verdict
	default:
		sub.gap = gapNone
	}
	return sub.state == subscriber.StateJoining, nil
}

// overtaken makes a subscription read from the table again, from an event on that was not sent while newer ones were. It does nothing where
// events come in order, nor where catching up has the event before it anyway. s.mu is held.
func (s *Subscriptions) overtaken(sub *subscription, id int) {
	if id > sub.cursor || !sub.topic.Unordered() {
		return
	}
	sub.cursor, sub.joinCursor = id-1, min(sub.joinCursor, id-1)
	if sub.catching != 0 && sub.catching == sub.joins { // what it is being sent begins too late: it begins anew
		sub.joins++
		sub.catching = sub.joins
	}
	s.dirty[sub] = struct{}{}
}

// catchUpPause is the wait after the database or Pusher failed.
const catchUpPause = time.Second
