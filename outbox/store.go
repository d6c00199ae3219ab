package outbox

import (
	"context"
	"fmt"
	"time"

	"lorebridge/ent"
	"lorebridge/ent/parked"
	entprogress "lorebridge/ent/progress"
)

// These are the readers with stored progress, by the names in their rows.
const (
	People        = "people"
	Subscriptions = "subscriptions"
)

// kept is the stored progress of a reader from an earlier process.
type kept struct {
	mark    Cursor
	settled ranges
	parked  []parking
	finals  map[Cursor]struct{} // events that are never sent but may be read again
}

// done reports whether an earlier process has settled the event.
func (k *kept) done(at Cursor) bool {
	_, final := k.finals[at]
	return final || k.settled.cover(at)
}

// load reads the stored progress of a reader.
func load(ctx context.Context, client *ent.Client, reader string) (*kept, error) {
	ctx = system(ctx)
	k := &kept{finals: make(map[Cursor]struct{})}
	row, err := client.Progress.Query().Where(entprogress.Reader(reader)).Only(ctx)
	if err != nil && !ent.IsNotFound(err) {
		return nil, fmt.Errorf("read the progress of %s: %w", reader, err)
	}
	if err == nil {
		k.mark = CursorOf(row.DoneSeq)
		if k.settled, err = parseRanges(row.Settled); err != nil {
			return nil, err
		}
	}
	rows, err := client.Parked.Query().Where(parked.Reader(reader)).Order(ent.Asc(parked.FieldFromSeq)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read who is parked for %s: %w", reader, err)
	}
	for _, row := range rows {
		if row.State != parked.StateWaiting {
			k.finals[CursorOf(row.FromSeq)] = struct{}{}
			continue
		}
		one := parking{key: row.Recipient, from: CursorOf(row.FromSeq), attempts: row.Attempts}
		if row.Until != nil {
			one.until = *row.Until
		}
		if row.Error != nil {
			one.err = *row.Error
		}
		k.parked = append(k.parked, one)
	}
	return k, nil
}

// write stores a record of progress in one transaction.
func (l *Log) write(ctx context.Context, reader string, rec record) error {
	err := l.WithTx(ctx, func(ctx context.Context, tx *ent.Client) error {
		ctx = system(ctx)
		if err := tx.Progress.Create().SetReader(reader).SetDoneSeq(rec.mark.done.seq).SetSettled(rec.mark.settled).
			OnConflictColumns(entprogress.FieldReader).UpdateNewValues().Exec(ctx); err != nil {
			return err
		}
		if len(rec.free) > 0 {
			if _, err := tx.Parked.Delete().Where(parked.Reader(reader), parked.StateEQ(parked.StateWaiting),
				parked.RecipientIn(rec.free...)).Exec(ctx); err != nil {
				return err
			}
		}
		for i := range rec.parked {
			if err := park(ctx, tx, reader, &rec.parked[i]); err != nil {
				return err
			}
		}
		for _, f := range rec.finals {
			if err := conclude(ctx, tx, reader, f); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write the progress of %s: %w", reader, err)
	}
	return nil
}

// park writes the row of a parked recipient.
func park(ctx context.Context, tx *ent.Client, reader string, one *parking) error {
	update := tx.Parked.Update().Where(parked.Reader(reader), parked.Recipient(one.key), parked.StateEQ(parked.StateWaiting)).
		SetFromSeq(one.from.seq).SetAttempts(one.attempts)
	create := tx.Parked.Create().SetReader(reader).SetRecipient(one.key).SetFromSeq(one.from.seq).SetAttempts(one.attempts)
	if one.until.IsZero() {
		update.ClearUntil()
	} else {
		until := one.until.UTC().Truncate(time.Millisecond)
		update.SetUntil(until)
		create.SetUntil(until)
	}
	if one.err == "" {
		update.ClearError()
	} else {
		update.SetError(one.err)
		create.SetError(one.err)
	}
	n, err := update.Save(ctx)
	if err != nil || n > 0 {
		return err
	}
	return create.Exec(ctx)
}

// conclude writes the row of an event that is never sent. After a crash the row may already exist.
func conclude(ctx context.Context, tx *ent.Client, reader string, f final) error {
	create := tx.Parked.Create().SetReader(reader).SetRecipient(f.key).SetFromSeq(f.at.seq).
		SetAttempts(f.attempts).SetState(parked.StateRefused)
	if f.reason != "" {
		create.SetError(f.reason)
	}
	if f.why != "" {
		create.SetState(parked.StateSkipped).SetWhy(f.why)
	}
	exists, err := tx.Parked.Query().Where(parked.Reader(reader), parked.FromSeq(f.at.seq), parked.StateNEQ(parked.StateWaiting)).Exist(ctx)
	if err != nil || exists {
		return err
	}
	return create.Exec(ctx)
}
