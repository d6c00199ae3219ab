package realtime

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"lorebridge/auth"
	"lorebridge/bridge"
	"lorebridge/ent"
	"lorebridge/ent/predicate"
	"lorebridge/ent/storedsubscription"
	"lorebridge/outbox"
)

const (
	rowsAtOnce       = 500 // in one statement
	statementsAtOnce = 100 // in one transaction, so that other writers do not wait long
)

// Store implements bridge.Store over the table of ent's StoredSubscription. It may be used concurrently.
type Store struct {
	client *ent.Client
	log    *outbox.Log // begins the transactions
}

// NewStore returns the store in the client's database. log must be of the same database.
func NewStore(client *ent.Client, log *outbox.Log) Store { return Store{client, log} }

var _ bridge.Store = Store{}

// Create implements bridge.Store.
func (s Store) Create(ctx context.Context, r *bridge.Record) (int, error) {
	id := 0
	err := s.log.WithTx(ctx, func(ctx context.Context, tx *ent.Client) error {
		row, err := tx.StoredSubscription.Create().
			SetChannel(r.Channel).SetUserID(number(r.Viewer.User)).SetSessionID(number(r.Viewer.Session)).
			SetTopic(string(r.Topic)).SetShared(r.Shared).SetField(r.Field).SetOperationName(r.Operation).
			SetDocument(r.Document).SetVariables(r.Variables).
			SetProtocol(storedsubscription.Protocol(r.Protocol)).SetCompress(r.Compress).SetCursor(int(r.Cursor)).
			SetExpiresAt(r.ExpiresAt).
			Save(auth.AsSystem(ctx))
		if err == nil {
			id = row.ID
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

// Find implements bridge.Store.
func (s Store) Find(ctx context.Context, channel string) (*bridge.Record, error) {
	row, err := s.client.StoredSubscription.Query().Where(storedsubscription.Channel(channel)).Only(auth.AsSystem(ctx))
	switch {
	case ent.IsNotFound(err):
		return nil, nil //nolint:nilnil // as bridge.Store requires
	case err != nil:
		return nil, err
	}
	return recordOf(row), nil
}

// Open implements bridge.Store.
func (s Store) Open(ctx context.Context) ([]*bridge.Record, error) {
	rows, err := s.client.StoredSubscription.Query().
		Where(storedsubscription.StateNotIn(storedsubscription.StateClosed, storedsubscription.StateAway)).
		Order(ent.Asc(storedsubscription.FieldID)).All(auth.AsSystem(ctx))
	if err != nil {
		return nil, err
	}
	records := make([]*bridge.Record, len(rows))
	for i, row := range rows {
		records[i] = recordOf(row)
	}
	return records, nil
}

func recordOf(row *ent.StoredSubscription) *bridge.Record {
	return &bridge.Record{
		ID: row.ID, Channel: row.Channel, Topic: bridge.Topic(row.Topic), Shared: row.Shared, Field: row.Field,
		Viewer:    bridge.Viewer{User: strconv.Itoa(row.UserID), Session: strconv.Itoa(row.SessionID)},
		Operation: row.OperationName, Document: row.Document, Variables: row.Variables,
		Protocol: bridge.Protocol(row.Protocol), Compress: row.Compress, State: bridge.State(row.State), Cursor: bridge.Seq(row.Cursor),
		CreatedAt: row.CreatedAt, ExpiresAt: row.ExpiresAt,
		AuthorizedAt: timeOf(row.AuthorizedAt), VacatedAt: timeOf(row.VacatedAt), DeliveredAt: timeOf(row.LastDeliveredAt),
		ClosedAt: timeOf(row.ClosedAt), LastError: textOf(row.LastError), ClosedReason: textOf(row.ClosedReason),
	}
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func textOf(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// Update implements bridge.Store.
func (s Store) Update(ctx context.Context, updates []bridge.Update) error {
	type statement struct {
		update *bridge.Update
		ids    []int
	}
	var statements []statement
	for i := range updates {
		for chunk := range slices.Chunk(updates[i].IDs, rowsAtOnce) {
			statements = append(statements, statement{&updates[i], chunk})
		}
	}
	for chunk := range slices.Chunk(statements, statementsAtOnce) {
		if err := s.log.WithTx(ctx, func(ctx context.Context, tx *ent.Client) error {
			for _, one := range chunk {
				if err := write(ctx, tx, one.update, one.ids); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

func write(ctx context.Context, tx *ent.Client, u *bridge.Update, ids []int) error {
	update := tx.StoredSubscription.Update().Where(storedsubscription.IDIn(ids...), isOpen).
		SetState(storedsubscription.State(u.State)).SetCursor(int(u.Cursor))
	if !u.VacatedAt.IsZero() {
		update.SetVacatedAt(u.VacatedAt)
	} else {
		update.ClearVacatedAt()
	}
	if !u.DeliveredAt.IsZero() {
		update.SetLastDeliveredAt(u.DeliveredAt)
	}
	if u.LastError != "" {
		update.SetLastError(u.LastError)
	}
	if u.State == bridge.StateClosed {
		update.SetClosedAt(u.ClosedAt).SetClosedReason(u.ClosedReason)
		if !u.Readable {
			update.SetDocument("").ClearVariables().ClearOperationName()
		}
	}
	return update.Exec(auth.AsSystem(ctx))
}

var (
	isOpen = storedsubscription.StateNEQ(storedsubscription.StateClosed)
	isAway = storedsubscription.StateEQ(storedsubscription.StateAway)
)

// Join implements bridge.Store.
func (s Store) Join(ctx context.Context, id int, p bridge.Protocol, cursor bridge.Seq, at time.Time) (bool, error) {
	written := 0
	err := s.log.WithTx(ctx, func(ctx context.Context, tx *ent.Client) (err error) {
		written, err = tx.StoredSubscription.Update().Where(storedsubscription.ID(id), isOpen).
			SetState(storedsubscription.StateJoining).SetProtocol(storedsubscription.Protocol(p)).SetCursor(int(cursor)).
			SetAuthorizedAt(at).ClearVacatedAt().
			Save(auth.AsSystem(ctx))
		return err
	})
	return err == nil && written > 0, err
}

// End implements bridge.Store.
func (s Store) End(ctx context.Context, ids []int, reason string, onlyAway bool) (int, error) {
	which := isOpen
	if onlyAway {
		which = isAway
	}
	ended := 0
	for chunk := range slices.Chunk(ids, rowsAtOnce) {
		n, err := s.end(ctx, reason, storedsubscription.IDIn(chunk...), which)
		if err != nil {
			return ended, err
		}
		ended += n
	}
	return ended, nil
}

// EndSession implements bridge.Store.
func (s Store) EndSession(ctx context.Context, session, reason string) error {
	_, err := s.end(ctx, reason, storedsubscription.SessionID(number(session)), isAway)
	return err
}

// EndOlder implements bridge.Store.
func (s Store) EndOlder(ctx context.Context, before time.Time, reason string) error {
	_, err := s.end(ctx, reason, isAway, storedsubscription.CreatedAtLT(before))
	return err
}

func (s Store) end(ctx context.Context, reason string, which ...predicate.StoredSubscription) (int, error) {
	ended := 0
	err := s.log.WithTx(ctx, func(ctx context.Context, tx *ent.Client) (err error) {
		ended, err = tx.StoredSubscription.Update().Where(which...).
			SetState(storedsubscription.StateClosed).SetClosedAt(time.Now().UTC().Truncate(time.Second)).SetClosedReason(reason).
			SetDocument("").ClearVariables().ClearOperationName().
			Save(auth.AsSystem(ctx))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("end subscriptions: %w", err)
	}
	return ended, nil
}

// AwaySessions implements bridge.Store.
func (s Store) AwaySessions(ctx context.Context) ([]string, error) {
	ids, err := s.client.StoredSubscription.Query().Where(isAway).Unique(true).
		Select(storedsubscription.FieldSessionID).Ints(auth.AsSystem(ctx))
	if err != nil {
		return nil, fmt.Errorf("read the sessions of subscriptions that are away: %w", err)
	}
	sessions := make([]string, len(ids))
	for i, id := range ids {
		sessions[i] = strconv.Itoa(id)
	}
	return sessions, nil
}

// ExcessAway implements bridge.Store.
func (s Store) ExcessAway(ctx context.Context, user string, keep, limit int) ([]int, error) {
	ids, err := s.client.StoredSubscription.Query().Where(storedsubscription.UserID(number(user)), isAway).
		Order(ent.Desc(storedsubscription.FieldVacatedAt, storedsubscription.FieldID)).Offset(keep).Limit(limit).
		IDs(auth.AsSystem(ctx))
	if err != nil {
		return nil, fmt.Errorf("count the subscriptions of a person that are away: %w", err)
	}
	return ids, nil
}

// Remove implements bridge.Store.
func (s Store) Remove(ctx context.Context, before time.Time) (int, error) {
	return s.client.StoredSubscription.Delete().Where(storedsubscription.ClosedAtLT(before)).Exec(auth.AsSystem(ctx))
}
