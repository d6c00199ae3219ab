package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/99designs/gqlgen/graphql"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/predicate"
	"lorebridge/ent/session"
	"lorebridge/ent/subscriber"
	"lorebridge/outbox"
)

// keptEvents is how long it is certain that the events are kept that a subscription can have missed. Some are kept
// for longer.
const keptEvents = outbox.KeepEvents - time.Hour

// maxAway is how many subscriptions of one person may be away: those that left first are ended.
const maxAway = 200

// goAway lets go of a subscription whose client has been gone for too long. It takes no place and no memory any more,
// and nothing is executed for it: its row and the table of events are enough to revive it. s.mu is held.
func (s *Subscriptions) goAway(sub *subscription) {
	if sub.vacatedAt.IsZero() { // it was never there
		sub.vacatedAt = time.Now().UTC()
	}
	sub.state = subscriber.StateAway
	s.forget(sub)
	if !s.bridge.config.Embedded() && !sub.authorizedAt.IsZero() {
		s.enqueue(task{end: sub}) // for whoever is there although Pusher said that nobody is
	}
	s.wentAway[sub.viewer.UserID] = struct{}{}
}

// isBack says that a subscription which had gone away was revived. s.mu is held.
func (s *Subscriptions) isBack(sub *subscription) bool {
	return sub.state == subscriber.StateAway && s.byChannel[sub.channel] != nil
}

// forget takes a subscription out of memory. Until its row is written, unwritten has it. s.mu is held.
func (s *Subscriptions) forget(sub *subscription) {
	sub.joins++
	s.pay(sub)
	delete(s.byID, sub.id)
	delete(s.byChannel, sub.channel)
	delete(sub.group.members, sub)
	if listeners := s.topics[sub.topic]; len(sub.group.members) == 0 && listeners.groups[sub.group.key] == sub.group {
		delete(listeners.groups, sub.group.key)
	}
	s.unplace(sub)
	s.drop(sub.topic)
	s.unwritten[sub.channel] = sub
	s.dirty[sub] = struct{}{}
}

// stored returns the row of a subscription that is not in memory, or nil where there is none. What memory knew of it
// last is written first, and what was on its way to it has arrived.
func (s *Subscriptions) stored(ctx context.Context, channel string) (*ent.Subscriber, error) {
	var underWay []chan struct{}
	s.mu.Lock()
	sub := s.unwritten[channel]
	if sub != nil {
		underWay = []chan struct{}{sub.sending, sub.chasing}
	}
	s.mu.Unlock()
	if sub != nil {
		if err := awaitAll(ctx, underWay, maxUnderWay); err != nil {
			return nil, err
		}
		if err := s.Persist(ctx); err != nil {
			return nil, err
		}
	}
	row, err := s.client.Subscriber.Query().Where(subscriber.Channel(channel)).Only(auth.AsSystem(ctx))
	switch {
	case ent.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read a subscription: %w", err)
	}
	return row, nil
}

// revive brings a subscription back from its row, as it was when its client left: what it missed is read from the
// table once the client has joined. One that cannot go on is ended instead. If its session ends while this runs, the
// row is closed, which admit sees.
func (s *Subscriptions) revive(ctx context.Context, row *ent.Subscriber) error {
	held, err := s.sessions(ctx, map[int]bool{row.SessionID: true})
	if err != nil {
		return err
	}
	end, err := s.eventLog.End(ctx)
	if err != nil {
		return err
	}
	r := s.rebuild(ctx, row, held[row.SessionID], end)
	r.sub.state, r.sub.awaySince, r.sub.vacatedAt = subscriber.StateVacated, r.sub.vacatedAt, time.Now().UTC()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byChannel[row.Channel] != nil || s.unwritten[row.Channel] != nil { // somebody else was faster
		return nil
	}
	s.add(r, false)
	return nil
}

// rebuilt is a subscription made of its row, and why it cannot go on; empty if it can.
type rebuilt struct {
	sub     *subscription
	key     groupKey
	problem string
}

// rebuild makes a subscription of a row. sessionEnd is when its session ends, and zero if that has ended. A row that
// is further than the newest event is one of a log that has lost events: its client is sent a gap.
func (s *Subscriptions) rebuild(ctx context.Context, row *ent.Subscriber, sessionEnd time.Time, end outbox.Cursor) rebuilt {
	at, gap := outbox.CursorOf(row.Cursor), gapNone
	if end.Before(at) {
		at, gap = end, gapOwed
	}
	sub := &subscription{
		id: row.ID, channel: row.Channel, compress: row.Compress, createdAt: row.CreatedAt,
		viewer:    auth.Viewer{UserID: row.UserID, SessionID: row.SessionID, ExpiresAt: sessionEnd},
		operation: operationOf(row),
		state:     row.State, protocol: row.Protocol, cursor: at, joinCursor: at, liveCursor: at, liveAt: time.Now().UTC(),
		authorizedAt: timeOf(row.AuthorizedAt), vacatedAt: timeOf(row.VacatedAt), deliveredAt: timeOf(row.LastDeliveredAt),
		restored: true, joins: 1, gap: gap,
	}
	if row.LastError != nil {
		sub.lastError = *row.LastError
	}
	t, err := outbox.ParseTopic(row.Topic)
	sub.topic = t
	key := groupKey{topic: t, userID: row.UserID}
	if err == nil {
		oc, errs := s.exec.CreateOperationContext(graphql.StartOperationTrace(ctx), &graphql.RawParams{
			Query: row.Document, OperationName: row.OperationName, Variables: sub.operation.variables,
		})
		if errs != nil {
			err = errs
		} else if key, err = keyOf(t, row.UserID, oc); err != nil {
			key = groupKey{topic: t, userID: row.UserID}
		}
	}
	r := rebuilt{sub: sub, key: key}
	switch {
	case err != nil:
		r.problem = reasonInvalid + err.Error()
	case !s.bridge.isCurrent(sub.channel):
		r.problem = reasonRenamed
	case sessionEnd.IsZero():
		r.problem = reasonExpired
	case time.Since(sub.createdAt) > s.config.Lifetime:
		r.problem = reasonLifetime
	}
	return r
}

// add puts a rebuilt subscription into memory, and ends it if it cannot go on; tell is for close. s.mu is held.
func (s *Subscriptions) add(r rebuilt, tell bool) {
	s.hold(r.sub.topic)
	s.enter(r.sub, r.key)
	if r.problem != "" {
		s.close(r.sub, r.problem, tell)
	}
}

// endAway ends the rows of subscriptions that are away, or are in memory no longer, and says how many there were.
func (s *Subscriptions) endAway(ctx context.Context, reason string, which ...predicate.Subscriber) (int, error) {
	ended := 0
	err := s.eventLog.WithTx(ctx, func(ctx context.Context, tx *ent.Client) (err error) {
		ended, err = tx.Subscriber.Update().Where(append(which, subscriber.StateNEQ(subscriber.StateClosed))...).
			SetState(subscriber.StateClosed).SetClosedAt(time.Now().UTC().Truncate(time.Second)).SetClosedReason(reason).
			SetDocument("").ClearVariables().ClearOperationName().
			Save(auth.AsSystem(ctx))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("end subscriptions that are away: %w", err)
	}
	return ended, nil
}

// sweepAway ends the subscriptions that are away and cannot be revived any more.
func (s *Subscriptions) sweepAway(ctx context.Context) error {
	now := time.Now().UTC()
	isAway := subscriber.StateEQ(subscriber.StateAway)
	if _, err := s.endAway(ctx, reasonLifetime, isAway, subscriber.CreatedAtLT(now.Add(-s.config.Lifetime))); err != nil {
		return err
	}
	_, err := s.endAway(ctx, reasonExpired, isAway, func(q *sql.Selector) {
		sessions := sql.Table(session.Table)
		holding := sql.Select(sessions.C(session.FieldID)).From(sessions)
		auth.Holding()(holding)
		q.Where(sql.NotIn(q.C(subscriber.FieldSessionID), holding))
	})
	return err
}

// trimAway ends what is over maxAway for each person of whom one has gone away lately, those that left first.
func (s *Subscriptions) trimAway(ctx context.Context) error {
	s.mu.Lock()
	people := s.wentAway
	s.wentAway = make(map[int]struct{})
	s.mu.Unlock()
	var errs []error
	for userID := range people {
		if err := s.trimAwayOf(ctx, userID); err != nil {
			errs = append(errs, err)
			s.mu.Lock()
			s.wentAway[userID] = struct{}{}
			s.mu.Unlock()
		}
	}
	return errors.Join(errs...)
}

func (s *Subscriptions) trimAwayOf(ctx context.Context, userID int) error {
	ids, err := s.client.Subscriber.Query().Where(subscriber.UserID(userID), subscriber.StateEQ(subscriber.StateAway)).
		Order(ent.Desc(subscriber.FieldVacatedAt, subscriber.FieldID)).Offset(maxAway).Limit(rowsAtOnce).IDs(auth.AsSystem(ctx))
	if err != nil {
		return fmt.Errorf("count the subscriptions of a person that are away: %w", err)
	}
	if len(ids) == 0 {
		return nil
	}
	_, err = s.endAway(ctx, reasonTooManyAway, subscriber.IDIn(ids...), subscriber.StateEQ(subscriber.StateAway))
	return err
}

// endAwaySession ends what is away of a session that has ended. A failure is the sweep's to mend.
func (s *Subscriptions) endAwaySession(ctx context.Context, sessionID int) {
	if _, err := s.endAway(ctx, reasonExpired, subscriber.SessionID(sessionID), subscriber.StateEQ(subscriber.StateAway)); err != nil {
		s.log.WarnContext(ctx, "the subscriptions of a session that ended are not all ended; the sweep tries again", slog.Any("error", err))
	}
}
