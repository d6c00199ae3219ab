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
	// keepClosed is how long an ended subscription can be looked at.
	keepClosed = 7 * 24 * time.Hour
)

// snapshot is what changes of a row while its subscription lives. Rows that say the same are written with one statement.
type snapshot struct {
	state                             subscriber.State
	cursor                            int
	vacatedAt, deliveredAt, expiresAt time.Time
	closedAt                          time.Time
	lastError, closedReason           string
}

// Persist writes down what changed. What it could not write it tries again with the next call. Run does so every few seconds and at its
// end; after the embedded server has closed its sockets it should be called once more, for only then is it known what their clients had.
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
		if sub.live() && snap.cursor < sub.cursor { // it can be believed by and by
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
	return nil
}

// snapshot is what a restart should go on from: of a client that seems to listen it cannot be known since when it does not.
func (s *subscription) snapshot(now time.Time) snapshot {
	believed := s.believed(now.Add(-catchUpWindow))
	return snapshot{
		state: s.state, cursor: believed,
		vacatedAt: s.vacatedAt.UTC().Truncate(time.Second), closedAt: s.closedAt.UTC().Truncate(time.Second),
		deliveredAt: s.deliveredAt.UTC().Truncate(time.Second), expiresAt: s.expiresAt.UTC().Truncate(time.Minute),
		lastError: s.lastError, closedReason: s.closedReason,
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
		if err := s.withTx(ctx, func(ctx context.Context, tx *ent.Client) error {
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
		SetState(snap.state).SetCursor(snap.cursor).SetExpiresAt(snap.expiresAt)
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
	}
	return update.Exec(auth.AsSystem(ctx))
}

// Load restores the subscriptions that an earlier process left. exec runs operations and withTx begins transactions; both are built after
// Subscriptions. It must return before anything but Changed is called. With the embedded server no client outlives the process: all of
// them have left now, and have the grace to come back.
func (s *Subscriptions) Load(ctx context.Context, exec graphql.GraphExecutor, withTx auth.WithTx) error {
	rows, err := s.client.Subscriber.Query().Where(subscriber.StateNEQ(subscriber.StateClosed)).
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
	s.exec, s.withTx = exec, withTx
	for _, row := range rows {
		s.restore(ctx, row, held[row.SessionID])
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
func (s *Subscriptions) restore(ctx context.Context, row *ent.Subscriber, sessionEnd time.Time) {
	now := time.Now().UTC()
	sub := &subscription{
		id: row.ID, channel: row.Channel, compress: row.Compress, createdAt: row.CreatedAt,
		viewer:    auth.Viewer{UserID: row.UserID, SessionID: row.SessionID, ExpiresAt: sessionEnd},
		operation: operationOf(row),
		state:     row.State, protocol: row.Protocol, cursor: row.Cursor, joinCursor: row.Cursor, liveCursor: row.Cursor, liveAt: now,
		authorizedAt: timeOf(row.AuthorizedAt), vacatedAt: timeOf(row.VacatedAt), deliveredAt: timeOf(row.LastDeliveredAt),
		expiresAt: row.ExpiresAt, restored: true, joins: 1,
	}
	if row.LastError != nil {
		sub.lastError = *row.LastError
	}
	t, problem := outbox.ParseTopic(row.Topic)
	sub.topic = t
	key := groupKey{topic: t, userID: row.UserID}
	if problem == nil {
		oc, errs := s.exec.CreateOperationContext(graphql.StartOperationTrace(ctx), &graphql.RawParams{
			Query: row.Document, OperationName: row.OperationName, Variables: sub.operation.variables,
		})
		if errs != nil {
			problem = errs
		} else if key, problem = keyOf(t, row.UserID, oc); problem != nil {
			key = groupKey{topic: t, userID: row.UserID}
		}
	}
	s.occupy(t, row.UserID)
	s.enter(sub, key)
	embedded := s.bridge.config.Embedded()
	switch {
	case problem != nil:
		s.close(sub, reasonInvalid+problem.Error(), true)
	case !s.bridge.isCurrent(sub.channel):
		s.close(sub, reasonRenamed, true)
	case sessionEnd.IsZero():
		s.close(sub, reasonExpired, true)
	case embedded:
		sub.state, sub.vacatedAt = subscriber.StateVacated, now
		s.dirty[sub] = struct{}{}
	case sub.state == subscriber.StateJoining:
		s.pollAfter(sub, firstPoll)
	case sub.live():
		sub.occupied = true
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

// RemoveClosed deletes the rows of subscriptions that ended long ago, or that nobody ever joined.
func (s *Subscriptions) RemoveClosed(ctx context.Context) error {
	_, err := s.client.Subscriber.Delete().Where(subscriber.Or(
		subscriber.ClosedAtLT(time.Now().UTC().Add(-keepClosed)),
		subscriber.And(subscriber.ClosedAtNotNil(), subscriber.AuthorizedAtIsNil()),
	)).Exec(auth.AsSystem(ctx))
	return err
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
