package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
)

// Load restores the subscriptions that an earlier process left, except those that were away. It must return before
// anything but Changed is called. With the embedded server no client outlives the process: all of them have left now,
// and have the grace to come back.
func (k *keeper) Load(ctx context.Context) error {
	end, err := k.eventLog.End(ctx)
	if err != nil {
		return err
	}
	rows, err := k.rows.Open(ctx)
	if err != nil {
		return fmt.Errorf("read subscriptions: %w", err)
	}
	held, err := k.holding(ctx, rows...)
	if err != nil {
		return err
	}
	restored := make([]rebuilt, len(rows))
	for i, row := range rows {
		restored[i] = k.rebuild(ctx, row, held, end)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.loaded = true
	for _, r := range restored {
		k.restore(r)
	}
	if len(rows) > 0 {
		k.log.InfoContext(ctx, "subscriptions go on", slog.Int("subscriptions", len(k.byID)), slog.Int("ended", len(rows)-len(k.byID)))
	}
	return nil
}

// holding returns the sessions of these records that hold, and until when.
func (k *keeper) holding(ctx context.Context, rows ...*Record) (map[string]time.Time, error) {
	ids := make(map[string]bool)
	for _, row := range rows {
		if row.Viewer.Session != "" {
			ids[row.Viewer.Session] = true
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	held, err := k.identity.Holding(ctx, slices.Collect(maps.Keys(ids)))
	if err != nil {
		return nil, fmt.Errorf("ask which sessions hold: %w", err)
	}
	return held, nil
}

// operationOf is what the subscription of a record runs.
func operationOf(row *Record) operation {
	return operation{document: row.Document, name: row.Operation, field: row.Field, variables: row.Variables}
}

// restore takes up a subscription of an earlier process. One that cannot go on is ended, and its client is sent the
// end. k.mu is held.
func (k *keeper) restore(r rebuilt) {
	k.add(r, false)
	sub := r.sub
	if !sub.over() {
		sub.machine = sub.restarted(time.Now().UTC(), k.rules)
	}
	switch {
	case sub.over():
	case k.rules.embedded:
		k.dirty[sub] = struct{}{}
	case sub.state == StateVacated:
	case sub.state == StateJoining:
		k.place(sub, true)
		k.apply(sub, happening{event: answered})
	default:
		k.place(sub, true)
		if sub.gap == gapOwed {
			k.apply(sub, happening{event: interrupted})
		}
	}
	if !sub.over() {
		k.schedule(sub)
	}
}

// stored returns the row of a subscription that is not in memory, or nil where there is none. What memory knew of it
// last is written first, and what was on its way to it has arrived.
func (k *keeper) stored(ctx context.Context, channel string) (*Record, error) {
	var underWay []chan struct{}
	k.mu.Lock()
	sub := k.unwritten[channel]
	if sub != nil {
		underWay = []chan struct{}{sub.sending, sub.chasing}
	}
	k.mu.Unlock()
	if sub != nil {
		if err := awaitAll(ctx, underWay, maxUnderWay); err != nil {
			return nil, err
		}
		if err := k.Persist(ctx); err != nil {
			return nil, err
		}
	}
	r, err := k.rows.Find(ctx, channel)
	if err != nil {
		return nil, fmt.Errorf("read a subscription: %w", err)
	}
	return r, nil
}

// revive brings a subscription back from its record, as it was when its client left: what it missed is read from the
// log once the client has joined. One that cannot go on is ended instead. If its session ends while this runs, the
// record is closed, which admit sees.
func (k *keeper) revive(ctx context.Context, row *Record) error {
	held, err := k.holding(ctx, row)
	if err != nil {
		return err
	}
	end, err := k.eventLog.End(ctx)
	if err != nil {
		return err
	}
	r := k.rebuild(ctx, row, held, end)
	r.sub.machine = r.sub.revived(time.Now().UTC())
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.byChannel[row.Channel] != nil || k.unwritten[row.Channel] != nil { // somebody else was faster
		return nil
	}
	k.add(r, true)
	return nil
}

// rebuilt is a subscription made of its record, and why it cannot go on; empty if it can.
type rebuilt struct {
	sub     *subscription
	key     groupKey
	problem string
}

// rebuild makes a subscription of a record. held are the sessions that hold, and until when. A record that is further
// than the newest event is one of a log that has lost events: its client is sent a gap.
func (k *keeper) rebuild(ctx context.Context, row *Record, held map[string]time.Time, end Seq) rebuilt {
	at, gap := row.Cursor, gapNone
	if end < at {
		at, gap = end, gapOwed
	}
	viewer, holds := row.Viewer, true
	if viewer.Session != "" {
		viewer.ExpiresAt, holds = held[viewer.Session]
	} else {
		viewer.ExpiresAt = row.ExpiresAt
	}
	sub := &subscription{
		id: row.ID, channel: row.Channel, topic: row.Topic, compress: row.Compress, viewer: viewer, operation: operationOf(row),
		protocol: row.Protocol, deliveredAt: row.DeliveredAt, lastError: row.LastError,
		machine: machine{
			state: row.State, createdAt: row.CreatedAt, expiresAt: viewer.ExpiresAt, anonymous: viewer.anonymous(),
			cursor: at, joinCursor: at, liveCursor: at, liveAt: time.Now().UTC(),
			authorizedAt: row.AuthorizedAt, vacatedAt: row.VacatedAt, restored: true, joins: 1, gap: gap,
		},
	}
	r := rebuilt{sub: sub, key: groupKey{topic: row.Topic, user: viewer.User}}
	key, err := k.keyOfRecord(ctx, row)
	if err == nil {
		r.key = key
	}
	switch {
	case err != nil:
		r.problem = reasonInvalid + err.Error()
	case !strings.HasPrefix(sub.channel, k.prefix):
		r.problem = reasonRenamed
	case !holds || !sub.alive(time.Now()):
		r.problem = reasonExpired
	case time.Since(sub.createdAt) > k.config.Lifetime:
		r.problem = reasonLifetime
	}
	return r
}

// keyOfRecord returns the group of a record, or why it cannot be run any more.
func (k *keeper) keyOfRecord(ctx context.Context, row *Record) (groupKey, error) {
	if err := k.checkTopic(row.Topic); err != nil {
		return groupKey{}, err
	}
	oc, errs := k.executor().CreateOperationContext(graphql.StartOperationTrace(ctx), &graphql.RawParams{
		Query: row.Document, OperationName: row.Operation, Variables: row.Variables,
	})
	if errs != nil {
		return groupKey{}, errs
	}
	return keyOf(row.Topic, row.Viewer.User, row.Shared, oc)
}

// add puts a rebuilt subscription into memory, and ends it if it cannot go on; silent is for end. k.mu is held.
func (k *keeper) add(r rebuilt, silent bool) {
	k.hold(r.sub.topic)
	k.enter(r.sub, r.key)
	if r.problem != "" {
		k.end(r.sub, r.problem, silent)
	}
}
