package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/session"
	"lorebridge/ent/subscriber"
	"lorebridge/outbox"
)

const (
	rowsAtOnce       = 500 // of one statement
	statementsAtOnce = 100 // of one transaction
)

// snapshot is what changes of a row while its subscription lives. Rows that say the same are written with one
// statement.
type snapshot struct {
	state                            subscriber.State
	cursor                           outbox.Cursor
	vacatedAt, deliveredAt, closedAt time.Time
	lastError, closedReason          string
	readable                         bool
}

// Persist writes down what changed. What it could not write it tries again with the next call. Run does so every few
// seconds and at its end; after the embedded server has closed its sockets it should be called once more, for only
// then is it known what their clients had.
func (s *Subscriptions) Persist(ctx context.Context) error {
	s.persisting.Lock()
	defer s.persisting.Unlock()
	now := time.Now()
	s.mu.Lock()
	changed := s.dirty
	s.dirty = make(map[*subscription]struct{})
	rows := make(map[snapshot][]int)
	for sub := range changed {
		snap := sub.snapshot(now)
		rows[snap] = append(rows[snap], sub.id)
		if sub.live() && snap.cursor.Before(sub.cursor) { // it can be believed by and by
			s.dirty[sub] = struct{}{}
		}
	}
	s.mu.Unlock()
	if err := s.writeAll(ctx, rows); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		maps.Copy(s.dirty, changed)
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for sub := range changed {
		if s.unwritten[sub.channel] == sub {
			delete(s.unwritten, sub.channel)
		}
	}
	return nil
}

// snapshot is what a restart should go on from: of a client that seems to listen it cannot be known since when it
// does not.
func (s *subscription) snapshot(now time.Time) snapshot {
	believed := s.believed(now.Add(-catchUpWindow))
	if s.gap != gapNone {
		believed = outbox.Earlier(believed, s.gapFrom)
	}
	return snapshot{
		state: s.state, cursor: believed,
		vacatedAt: s.vacatedAt.UTC().Truncate(time.Second), closedAt: s.closedAt.UTC().Truncate(time.Second),
		deliveredAt: s.deliveredAt.UTC().Truncate(time.Second),
		lastError:   s.lastError, closedReason: s.closedReason, readable: s.readable,
	}
}

// writeAll writes rows, so many statements at a time that others who write need not wait long.
func (s *Subscriptions) writeAll(ctx context.Context, rows map[snapshot][]int) error {
	type statement struct {
		snap snapshot
		ids  []int
	}
	var statements []statement
	for snap, ids := range rows {
		for chunk := range slices.Chunk(ids, rowsAtOnce) {
			statements = append(statements, statement{snap, chunk})
		}
	}
	for chunk := range slices.Chunk(statements, statementsAtOnce) {
		if err := s.eventLog.WithTx(ctx, func(ctx context.Context, tx *ent.Client) error {
			for i := range chunk {
				if err := write(ctx, tx, &chunk[i].snap, chunk[i].ids); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return fmt.Errorf("write the state of subscriptions: %w", err)
		}
	}
	return nil
}

// write leaves what has ended as it is.
func write(ctx context.Context, tx *ent.Client, snap *snapshot, ids []int) error {
	update := tx.Subscriber.Update().Where(subscriber.IDIn(ids...), subscriber.StateNEQ(subscriber.StateClosed)).
		SetState(snap.state).SetCursor(snap.cursor.Seq())
	if !snap.vacatedAt.IsZero() {
		update.SetVacatedAt(snap.vacatedAt)
	} else {
		update.ClearVacatedAt()
	}
	if !snap.deliveredAt.IsZero() {
		update.SetLastDeliveredAt(snap.deliveredAt)
	}
	if snap.lastError != "" {
		update.SetLastError(snap.lastError)
	}
	if snap.closedReason != "" {
		update.SetClosedAt(snap.closedAt).SetClosedReason(snap.closedReason)
		if !snap.readable {
			update.SetDocument("").ClearVariables().ClearOperationName()
		}
	}
	return update.Exec(auth.AsSystem(ctx))
}

// Load restores the subscriptions that an earlier process left, but those that were away. exec runs operations; it is
// built after Subscriptions. It must return before anything but Changed is called. With the embedded server no client
// outlives the process: all of them have left now, and have the grace to come back.
func (s *Subscriptions) Load(ctx context.Context, exec graphql.GraphExecutor) error {
	end, err := s.eventLog.End(ctx)
	if err != nil {
		return err
	}
	rows, err := s.client.Subscriber.Query().Where(subscriber.StateNotIn(subscriber.StateClosed, subscriber.StateAway)).
		Order(ent.Asc(subscriber.FieldID)).All(auth.AsSystem(ctx))
	if err != nil {
		return fmt.Errorf("read subscriptions: %w", err)
	}
	ids := make(map[int]bool)
	for _, row := range rows {
		ids[row.SessionID] = true
	}
	held, err := s.sessions(ctx, ids)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exec = exec
	if s.streams == nil {
		s.streams = s.eventLog.Read(end)
	}
	for _, row := range rows {
		s.restore(ctx, row, held[row.SessionID], end)
	}
	if len(rows) > 0 {
		s.log.InfoContext(ctx, "subscriptions go on", slog.Int("subscriptions", len(s.byID)), slog.Int("ended", len(rows)-len(s.byID)))
	}
	return nil
}

// operationOf is what a row's subscription runs.
func operationOf(row *ent.Subscriber) operation {
	return operation{document: row.Document, name: row.OperationName, field: row.Field, variables: row.Variables}
}

// restore makes a subscription of a row. One that cannot go on is ended, and its client told. s.mu is held.
func (s *Subscriptions) restore(ctx context.Context, row *ent.Subscriber, sessionEnd time.Time, end outbox.Cursor) {
	r := s.rebuild(ctx, row, sessionEnd, end)
	s.add(r, true)
	sub := r.sub
	switch {
	case sub.gone():
	case s.bridge.config.Embedded():
		sub.state, sub.vacatedAt = subscriber.StateVacated, time.Now().UTC()
		s.dirty[sub] = struct{}{}
	case sub.state == subscriber.StateVacated:
	case sub.state == subscriber.StateJoining:
		s.place(sub, true)
		s.pollAfter(sub, firstPoll)
	default:
		s.place(sub, true)
		if sub.occupied = sub.live(); sub.gap == gapOwed {
			s.again(sub)
		}
	}
}

// sessions returns which of these sessions hold, and until when.
func (s *Subscriptions) sessions(ctx context.Context, ids map[int]bool) (map[int]time.Time, error) {
	held := make(map[int]time.Time)
	for chunk := range slices.Chunk(slices.Collect(maps.Keys(ids)), rowsAtOnce) {
		rows, err := s.client.Session.Query().
			Where(session.IDIn(chunk...), auth.Holding()).All(auth.AsSystem(ctx))
		if err != nil {
			return nil, fmt.Errorf("read sessions: %w", err)
		}
		for _, row := range rows {
			held[row.ID] = row.ExpiresAt
		}
	}
	return held, nil
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
