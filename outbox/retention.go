package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"entgo.io/ent/dialect/sql"

	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/knowledgerequest"
	"lorebridge/ent/knowledgeshare"
	"lorebridge/ent/parked"
	"lorebridge/ent/predicate"
	entprogress "lorebridge/ent/progress"
)

const (
	// KeepEvents is how long an event without a recipient is kept, and the payload of any event.
	KeepEvents = 7 * 24 * time.Hour
	// KeepRead is how long a notification is kept after it was read.
	KeepRead = 90 * 24 * time.Hour

	// batchTime is the time for which a batch should hold the writer. It is half of what is allowed.
	batchTime = 5 * time.Millisecond
	maxBatch  = 500 // rows of one batch
)

// RetentionConfig holds the times that an operator can set. The others are the constants above.
type RetentionConfig struct {
	KeepUnread   time.Duration `env:"KEEP_UNREAD" envDefault:"8760h" help:"how long a notification is kept that nobody reads, such as 8760h; 0 is for ever"`
	KeepRequests time.Duration `env:"KEEP_REQUESTS" envDefault:"0" help:"how long a request is kept after its answer, such as 8760h; 0 is for ever"`
}

// Validate returns an error that names the wrong variable and its allowed values.
func (c RetentionConfig) Validate() error {
	if c.KeepUnread != 0 && c.KeepUnread < KeepEvents {
		return fmt.Errorf("KEEP_UNREAD is %v: it must be 0, which is for ever, or at least %v", c.KeepUnread, KeepEvents)
	}
	if c.KeepRequests != 0 && c.KeepRequests < KeepEvents {
		return fmt.Errorf("KEEP_REQUESTS is %v: it must be 0, which is for ever, or at least %v", c.KeepRequests, KeepEvents)
	}
	return nil
}

// Retention removes old rows that nobody needs any more, and only behind the place that every reader has settled. It
// belongs to one goroutine.
type Retention struct {
	config RetentionConfig
	log    *Log
	logger *slog.Logger
	batch  int       // rows of the next batch
	last   time.Time // time of the last run by the monotonic clock …
	wall   time.Time // … and by the wall clock, which can be changed
}

// NewRetention returns the retention of a log.
func NewRetention(c RetentionConfig, l *Log, logger *slog.Logger) *Retention {
	return &Retention{config: c, log: l, logger: logger, batch: 20}
}

// maxJump is the greatest change of the clock since the last run that Remove accepts.
const maxJump = time.Hour

// Remove removes everything that is too old now, in batches that hold the writer for a few milliseconds each. If the
// clock has jumped, it removes nothing until the next run, so that there is time to notice a wrong clock.
func (r *Retention) Remove(ctx context.Context) error {
	now := time.Now()
	last, wall := r.last, r.wall
	r.last, r.wall = now, now.Round(0)
	if jump := r.wall.Sub(wall) - now.Sub(last); !last.IsZero() && jump.Abs() > maxJump {
		r.logger.WarnContext(ctx, "the clock was changed: nothing old is removed until the next time", slog.Duration("by", jump))
		return nil
	}
	ctx = system(ctx)
	floor, err := r.floor(ctx)
	if err != nil {
		return err
	}
	now = now.UTC()
	client := r.log.client
	errs := []error{
		r.walk(ctx, "retention", floor, now.Add(-KeepEvents), lighten),
		r.every(ctx, func(ctx context.Context, limit int) ([]int, error) {
			return client.Event.Query().Where(event.ReadAtLT(now.Add(-KeepRead)), event.IDLTE(floor.seq)).Limit(limit).IDs(ctx)
		}, func(ctx context.Context, tx *ent.Client, ids []int) error {
			return discard(tx.Event.Delete().Where(event.IDIn(ids...)).Exec(ctx))
		}),
		r.every(ctx, func(ctx context.Context, limit int) ([]int, error) {
			return client.Parked.Query().Where(parked.StateNEQ(parked.StateWaiting), parked.CreatedAtLT(now.Add(-KeepRead)),
				parked.FromSeqLTE(floor.seq)).Limit(limit).IDs(ctx) // rows above the floor still prevent that their event is sent
		}, func(ctx context.Context, tx *ent.Client, ids []int) error {
			return discard(tx.Parked.Delete().Where(parked.IDIn(ids...)).Exec(ctx))
		}),
	}
	if r.config.KeepUnread > 0 {
		errs = append(errs, r.walk(ctx, "retention of unread", floor, now.Add(-r.config.KeepUnread),
			func(ctx context.Context, tx *ent.Client, ids []int) error {
				return discard(tx.Event.Delete().Where(event.IDIn(ids...), event.ReadAtIsNil()).Exec(ctx))
			}))
	}
	if r.config.KeepRequests > 0 { // the events stay, as notifications without a request
		errs = append(errs, r.every(ctx, func(ctx context.Context, limit int) ([]int, error) {
			return client.KnowledgeRequest.Query().Where(knowledgerequest.RespondedAtLT(now.Add(-r.config.KeepRequests)),
				grantsNothing, announced(floor)).Limit(limit).IDs(ctx)
		}, func(ctx context.Context, tx *ent.Client, ids []int) error {
			return discard(tx.KnowledgeRequest.Delete().Where(knowledgerequest.IDIn(ids...)).Exec(ctx))
		}))
	}
	return errors.Join(errs...)
}

func discard(_ int, err error) error { return err }

// grantsNothing selects the requests that do not give anybody the right to read an item.
func grantsNothing(requests *sql.Selector) {
	shares := sql.Table(knowledgeshare.Table)
	requests.Where(sql.NotIn(requests.C(knowledgerequest.FieldID), sql.Select(shares.C(knowledgeshare.FieldRequestID)).From(shares)))
}

// announced selects the requests whose events every reader has settled.
func announced(floor Cursor) predicate.KnowledgeRequest {
	return func(requests *sql.Selector) {
		events := sql.Table(event.Table)
		requests.Where(sql.NotExists(sql.Select().From(events).Where(sql.And(
			sql.ColumnsEQ(events.C(event.FieldRequestID), requests.C(knowledgerequest.FieldID)),
			sql.GT(events.C(event.FieldID), floor.seq),
		))))
	}
}

// floor returns the place up to which every reader has settled all events.
func (r *Retention) floor(ctx context.Context) (Cursor, error) {
	rows, err := r.log.client.Progress.Query().Where(entprogress.ReaderIn(People, Subscriptions)).All(ctx)
	if err != nil {
		return Cursor{}, fmt.Errorf("read how far the readers are: %w", err)
	}
	if len(rows) < 2 { // one reader has not begun
		return Cursor{}, nil
	}
	floor := Earlier(CursorOf(rows[0].DoneSeq), CursorOf(rows[1].DoneSeq))
	oldest, err := r.log.client.Parked.Query().Where(parked.StateEQ(parked.StateWaiting)).Order(parked.ByFromSeq()).First(ctx)
	switch {
	case ent.IsNotFound(err):
		return floor, nil
	case err != nil:
		return Cursor{}, fmt.Errorf("read who is parked: %w", err)
	}
	return Earlier(floor, CursorOf(oldest.FromSeq).Previous()), nil
}

// walk reads the log from its last stop to the last event before a time, or to floor.
func (r *Retention) walk(ctx context.Context, name string, floor Cursor, before time.Time,
	do func(ctx context.Context, tx *ent.Client, ids []int) error,
) error {
	row, err := r.log.client.Progress.Query().Where(entprogress.Reader(name)).Only(ctx)
	if err != nil && !ent.IsNotFound(err) {
		return fmt.Errorf("read how far the %s is: %w", name, err)
	}
	at := 0
	if row != nil {
		at = row.DoneSeq
	}
	return r.every(ctx, func(ctx context.Context, limit int) ([]int, error) {
		page, err := r.log.client.Event.Query().Where(event.IDGT(at), event.IDLTE(floor.seq)).Order(ent.Asc(event.FieldID)).Limit(limit).
			Select(event.FieldCreatedAt).All(ctx)
		n := len(page)
		for n > 0 && !page[n-1].CreatedAt.Before(before) { // all events before an old one count as old, even if the clock was wrong then
			n--
		}
		ids := make([]int, n)
		for i := range ids {
			ids[i] = page[i].ID
		}
		return ids, err
	}, func(ctx context.Context, tx *ent.Client, ids []int) error {
		if err := do(ctx, tx, ids); err != nil {
			return err
		}
		at = ids[len(ids)-1]
		return tx.Progress.Create().SetReader(name).SetDoneSeq(at).OnConflictColumns(entprogress.FieldReader).UpdateNewValues().Exec(ctx)
	})
}

// every removes in batches all rows that find returns. find runs on a reader, so only the removal holds the writer.
// The next batch is larger after a fast one, and smaller after a slow one.
func (r *Retention) every(ctx context.Context, find func(ctx context.Context, limit int) ([]int, error),
	remove func(ctx context.Context, tx *ent.Client, ids []int) error,
) error {
	for {
		limit := r.batch
		ids, err := find(ctx, limit)
		if err != nil {
			return fmt.Errorf("find what is old: %w", err)
		}
		if len(ids) == 0 {
			return nil
		}
		var took time.Duration
		if err := r.log.WithTx(ctx, func(ctx context.Context, tx *ent.Client) error {
			begun := time.Now()
			defer func() { took = time.Since(begun) }()
			return remove(ctx, tx, ids)
		}); err != nil {
			r.batch = max(1, r.batch/2) // it may have taken too long
			return fmt.Errorf("remove what is old: %w", err)
		}
		switch {
		case took > batchTime:
			r.batch = max(1, r.batch/2)
		case took < batchTime/2 && len(ids) == limit:
			r.batch = min(maxBatch, 2*r.batch)
		}
	}
}

// lighten removes the events without a recipient, and the payloads of the others.
func lighten(ctx context.Context, tx *ent.Client, ids []int) error {
	if _, err := tx.Event.Delete().Where(event.IDIn(ids...), event.RecipientIDIsNil()).Exec(ctx); err != nil {
		return err
	}
	return tx.Event.Update().Where(event.IDIn(ids...)).SetPayload(json.RawMessage("{}")).Exec(ctx)
}
