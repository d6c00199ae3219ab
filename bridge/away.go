package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/99designs/gqlgen/graphql"
)

// keptMargin is how much earlier than Config.Kept an event counts as removed: what removes them may run once an hour.
const keptMargin = time.Hour

// maxAway is how many subscriptions of one person may be away: those that left first are ended.
const maxAway = 200

// goAway lets go of a subscription whose client has been gone for too long. It takes no place and no memory any more,
// and nothing is executed for it: its row and the table of events are enough to revive it. b.mu is held.
func (b *Bridge) goAway(sub *subscription) {
	if sub.vacatedAt.IsZero() { // it was never there
		sub.vacatedAt = time.Now().UTC()
	}
	sub.state = StateAway
	b.forget(sub)
	if !b.embedded() && !sub.authorizedAt.IsZero() {
		b.enqueue(task{end: sub}) // for whoever is there although Pusher said that nobody is
	}
	if !sub.viewer.anonymous() {
		b.wentAway[sub.viewer.User] = struct{}{}
	}
}

// isBack says that a subscription which had gone away was revived. b.mu is held.
func (b *Bridge) isBack(sub *subscription) bool {
	return sub.state == StateAway && b.byChannel[sub.channel] != nil
}

// forget takes a subscription out of memory. Until its row is written, unwritten has it. b.mu is held.
func (b *Bridge) forget(sub *subscription) {
	sub.joins++
	b.pay(sub)
	delete(b.byID, sub.id)
	delete(b.byChannel, sub.channel)
	delete(sub.group.members, sub)
	if listeners := b.topics[sub.topic]; len(sub.group.members) == 0 && listeners.groups[sub.group.key] == sub.group {
		delete(listeners.groups, sub.group.key)
	}
	b.unplace(sub)
	b.drop(sub.topic)
	b.unwritten[sub.channel] = sub
	b.dirty[sub] = struct{}{}
}

// stored returns the row of a subscription that is not in memory, or nil where there is none. What memory knew of it
// last is written first, and what was on its way to it has arrived.
func (b *Bridge) stored(ctx context.Context, channel string) (*Record, error) {
	var underWay []chan struct{}
	b.mu.Lock()
	sub := b.unwritten[channel]
	if sub != nil {
		underWay = []chan struct{}{sub.sending, sub.chasing}
	}
	b.mu.Unlock()
	if sub != nil {
		if err := awaitAll(ctx, underWay, maxUnderWay); err != nil {
			return nil, err
		}
		if err := b.Persist(ctx); err != nil {
			return nil, err
		}
	}
	r, err := b.rows.Find(ctx, channel)
	if err != nil {
		return nil, fmt.Errorf("read a subscription: %w", err)
	}
	return r, nil
}

// revive brings a subscription back from its row, as it was when its client left: what it missed is read from the
// table once the client has joined. One that cannot go on is ended instead. If its session ends while this runs, the
// row is closed, which admit sees.
func (b *Bridge) revive(ctx context.Context, row *Record) error {
	held, err := b.holding(ctx, row)
	if err != nil {
		return err
	}
	end, err := b.eventLog.End(ctx)
	if err != nil {
		return err
	}
	r := b.rebuild(ctx, row, held, end)
	r.sub.state, r.sub.awaySince, r.sub.vacatedAt = StateVacated, r.sub.vacatedAt, time.Now().UTC()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.byChannel[row.Channel] != nil || b.unwritten[row.Channel] != nil { // somebody else was faster
		return nil
	}
	b.add(r, false)
	return nil
}

// rebuilt is a subscription made of its row, and why it cannot go on; empty if it can.
type rebuilt struct {
	sub     *subscription
	key     groupKey
	problem string
}

// rebuild makes a subscription of a record. held are the sessions that hold, and until when. A record that is further
// than the newest event is one of a log that has lost events: its client is sent a gap.
func (b *Bridge) rebuild(ctx context.Context, row *Record, held map[string]time.Time, end Seq) rebuilt {
	at, gap := row.Cursor, gapNone
	if end < at {
		at, gap = end, gapOwed
	}
	viewer, holds := row.Viewer, true
	if viewer.Session != "" {
		viewer.ExpiresAt, holds = held[viewer.Session]
	}
	sub := &subscription{
		id: row.ID, channel: row.Channel, topic: row.Topic, compress: row.Compress, createdAt: row.CreatedAt, viewer: viewer,
		operation: operationOf(row),
		state:     row.State, protocol: row.Protocol, cursor: at, joinCursor: at, liveCursor: at, liveAt: time.Now().UTC(),
		authorizedAt: row.AuthorizedAt, vacatedAt: row.VacatedAt, deliveredAt: row.DeliveredAt,
		restored: true, joins: 1, gap: gap, lastError: row.LastError,
	}
	r := rebuilt{sub: sub, key: groupKey{topic: row.Topic, user: viewer.User}}
	key, err := b.keyOfRecord(ctx, row)
	if err == nil {
		r.key = key
	}
	switch {
	case err != nil:
		r.problem = reasonInvalid + err.Error()
	case !b.isCurrent(sub.channel):
		r.problem = reasonRenamed
	case !holds:
		r.problem = reasonExpired
	case time.Since(sub.createdAt) > b.config.Lifetime:
		r.problem = reasonLifetime
	}
	return r
}

// keyOfRecord returns the group of a record, or why it cannot be run any more.
func (b *Bridge) keyOfRecord(ctx context.Context, row *Record) (groupKey, error) {
	if err := b.deps.CheckTopic(row.Topic); err != nil {
		return groupKey{}, err
	}
	oc, errs := b.deps.Executor().CreateOperationContext(graphql.StartOperationTrace(ctx), &graphql.RawParams{
		Query: row.Document, OperationName: row.Operation, Variables: row.Variables,
	})
	if errs != nil {
		return groupKey{}, errs
	}
	return keyOf(row.Topic, row.Viewer.User, row.Shared, oc)
}

// add puts a rebuilt subscription into memory, and ends it if it cannot go on; tell is for close. b.mu is held.
func (b *Bridge) add(r rebuilt, tell bool) {
	b.hold(r.sub.topic)
	b.enter(r.sub, r.key)
	if r.problem != "" {
		b.close(r.sub, r.problem, tell)
	}
}

// sweepAway ends the subscriptions that are away and cannot be revived any more.
func (b *Bridge) sweepAway(ctx context.Context) error {
	if err := b.rows.EndOlder(ctx, time.Now().UTC().Add(-b.config.Lifetime), reasonLifetime); err != nil {
		return err
	}
	sessions, err := b.rows.AwaySessions(ctx)
	if err != nil || len(sessions) == 0 {
		return err
	}
	held, err := b.identity.Holding(ctx, sessions)
	if err != nil {
		return fmt.Errorf("ask which sessions hold: %w", err)
	}
	for _, session := range sessions {
		if _, holds := held[session]; !holds {
			if err := b.rows.EndSession(ctx, session, reasonExpired); err != nil {
				return err
			}
		}
	}
	return nil
}

// trimAway ends what is over maxAway for each person of whom one has gone away lately, those that left first.
func (b *Bridge) trimAway(ctx context.Context) error {
	b.mu.Lock()
	people := b.wentAway
	b.wentAway = make(map[string]struct{})
	b.mu.Unlock()
	var errs []error
	for user := range people {
		if err := b.trimAwayOf(ctx, user); err != nil {
			errs = append(errs, err)
			b.mu.Lock()
			b.wentAway[user] = struct{}{}
			b.mu.Unlock()
		}
	}
	return errors.Join(errs...)
}

func (b *Bridge) trimAwayOf(ctx context.Context, user string) error {
	ids, err := b.rows.ExcessAway(ctx, user, maxAway, rowsAtOnce)
	if err != nil || len(ids) == 0 {
		return err
	}
	_, err = b.rows.End(ctx, ids, reasonTooManyAway, true)
	return err
}
