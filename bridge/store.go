package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"
)

// rowsAtOnce is how many records are ended in one call.
const rowsAtOnce = 500

// snapshot is what changes of a row while its subscription lives. Rows that say the same are written with one
// statement.
type snapshot struct {
	state                            State
	cursor                           Seq
	vacatedAt, deliveredAt, closedAt time.Time
	lastError, closedReason          string
	readable                         bool
}

// Persist writes down what changed. What it could not write it tries again with the next call. Run does so every few
// seconds and at its end; after the embedded server has closed its sockets it should be called once more, for only
// then is it known what their clients had.
func (b *Bridge) Persist(ctx context.Context) error {
	b.persisting.Lock()
	defer b.persisting.Unlock()
	now := time.Now()
	b.mu.Lock()
	changed := b.dirty
	b.dirty = make(map[*subscription]struct{})
	rows := make(map[snapshot][]int)
	for sub := range changed {
		snap := sub.snapshot(now)
		rows[snap] = append(rows[snap], sub.id)
		if sub.live() && snap.cursor < sub.cursor { // it can be believed by and by
			b.dirty[sub] = struct{}{}
		}
	}
	b.mu.Unlock()
	if err := b.write(ctx, updates(rows)); err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		maps.Copy(b.dirty, changed)
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for sub := range changed {
		if b.unwritten[sub.channel] == sub {
			delete(b.unwritten, sub.channel)
		}
	}
	return nil
}

// snapshot is what a restart should go on from: of a client that seems to listen it cannot be known since when it
// does not.
func (s *subscription) snapshot(now time.Time) snapshot {
	believed := s.believed(now.Add(-catchUpWindow))
	if s.gap != gapNone {
		believed = min(believed, s.gapFrom)
	}
	return snapshot{
		state: s.state, cursor: believed,
		vacatedAt: s.vacatedAt.UTC().Truncate(time.Second), closedAt: s.closedAt.UTC().Truncate(time.Second),
		deliveredAt: s.deliveredAt.UTC().Truncate(time.Second),
		lastError:   s.lastError, closedReason: s.closedReason, readable: s.readable,
	}
}

// updates are the changes of these records.
func updates(rows map[snapshot][]int) []Update {
	var all []Update
	for snap, ids := range rows {
		all = append(all, Update{
			IDs: ids, State: snap.state, Cursor: snap.cursor, VacatedAt: snap.vacatedAt, DeliveredAt: snap.deliveredAt,
			LastError: snap.lastError, ClosedAt: snap.closedAt, ClosedReason: snap.closedReason, Readable: snap.readable,
		})
	}
	return all
}

func (b *Bridge) write(ctx context.Context, all []Update) error {
	if len(all) == 0 {
		return nil
	}
	if err := b.rows.Update(ctx, all); err != nil {
		return fmt.Errorf("write the state of subscriptions: %w", err)
	}
	return nil
}

// Load restores the subscriptions that an earlier process left, except those that were away. It must return before
// anything but Changed is called. With the embedded server no client outlives the process: all of them have left now,
// and have the grace to come back.
func (b *Bridge) Load(ctx context.Context) error {
	end, err := b.eventLog.End(ctx)
	if err != nil {
		return err
	}
	rows, err := b.rows.Open(ctx)
	if err != nil {
		return fmt.Errorf("read subscriptions: %w", err)
	}
	held, err := b.holding(ctx, rows...)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, row := range rows {
		b.restore(ctx, row, held, end)
	}
	if len(rows) > 0 {
		b.log.InfoContext(ctx, "subscriptions go on", slog.Int("subscriptions", len(b.byID)), slog.Int("ended", len(rows)-len(b.byID)))
	}
	return nil
}

// holding returns the sessions of these records that hold, and until when.
func (b *Bridge) holding(ctx context.Context, rows ...*Record) (map[string]time.Time, error) {
	ids := make(map[string]bool)
	for _, row := range rows {
		if row.Viewer.Session != "" {
			ids[row.Viewer.Session] = true
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	held, err := b.identity.Holding(ctx, slices.Collect(maps.Keys(ids)))
	if err != nil {
		return nil, fmt.Errorf("ask which sessions hold: %w", err)
	}
	return held, nil
}

// operationOf is what a row's subscription runs.
func operationOf(row *Record) operation {
	return operation{document: row.Document, name: row.Operation, field: row.Field, variables: row.Variables}
}

// restore makes a subscription of a row. One that cannot go on is ended, and its client told. b.mu is held.
func (b *Bridge) restore(ctx context.Context, row *Record, held map[string]time.Time, end Seq) {
	r := b.rebuild(ctx, row, held, end)
	b.add(r, true)
	sub := r.sub
	switch {
	case sub.gone():
	case b.embedded():
		sub.state, sub.vacatedAt = StateVacated, time.Now().UTC()
		b.dirty[sub] = struct{}{}
	case sub.state == StateVacated:
	case sub.state == StateJoining:
		b.place(sub, true)
		b.pollAfter(sub, firstPoll)
	default:
		b.place(sub, true)
		if sub.occupied = sub.live(); sub.gap == gapOwed {
			b.again(sub)
		}
	}
}
