package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
)

// keeper writes down what changes, and brings back what the store has.
type keeper struct {
	*registry
	rows       Store
	eventLog   Log
	identity   Identity
	executor   func() graphql.GraphExecutor
	checkTopic func(Topic) error
	prefix     string // of the channels of new subscriptions
	log        *slog.Logger

	// persisting is held while records are written, so that the older state of one never follows the newer.
	persisting sync.Mutex

	loaded bool // by Load; guarded by registry.mu
}

func (k *keeper) isLoaded() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.loaded
}

const (
	// rowsAtOnce is how many records are ended in one call.
	rowsAtOnce = 500
	// maxAway is how many subscriptions of one user may be away: those that left first are ended.
	maxAway = 200
	// maxAwayAnonymous is the same for all anonymous viewers together.
	maxAwayAnonymous = 10_000
	// keptMargin is how much earlier than Config.Kept an event counts as removed: what removes them may run once an
	// hour.
	keptMargin = time.Hour
)

// snapshot is what changes of a record while its subscription lives. Records with equal snapshots are written together.
type snapshot struct {
	state                            State
	cursor                           Seq
	vacatedAt, deliveredAt, closedAt time.Time
	lastError, closedReason          string
	readable                         bool
}

// Persist writes down what changed. After an error the next call writes the same once more. Run does so every few
// seconds and at its end; after the embedded server has closed its sockets it should be called once more, for only
// then is it known what their clients had.
func (k *keeper) Persist(ctx context.Context) error {
	k.persisting.Lock()
	defer k.persisting.Unlock()
	now := time.Now()
	k.mu.Lock()
	changed := k.dirty
	k.dirty = make(map[*subscription]struct{})
	rows := make(map[snapshot][]int)
	for sub := range changed {
		snap := sub.snapshot(now)
		rows[snap] = append(rows[snap], sub.id)
		if sub.live() && snap.cursor < sub.cursor { // it can be believed by and by
			k.dirty[sub] = struct{}{}
		}
	}
	k.mu.Unlock()
	if err := k.write(ctx, updates(rows)); err != nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		maps.Copy(k.dirty, changed)
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for sub := range changed {
		if k.unwritten[sub.channel] == sub {
			delete(k.unwritten, sub.channel)
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

func (k *keeper) write(ctx context.Context, all []Update) error {
	if len(all) == 0 {
		return nil
	}
	if err := k.rows.Update(ctx, all); err != nil {
		return fmt.Errorf("write the state of subscriptions: %w", err)
	}
	return nil
}

// RemoveClosed deletes the records of subscriptions that ended long ago. Run calls it every hour.
func (k *keeper) RemoveClosed(ctx context.Context) error {
	removed, err := k.rows.Remove(ctx, time.Now().UTC().Add(-keepClosed))
	if err == nil && removed > 0 {
		k.log.DebugContext(ctx, "ended subscriptions were removed", slog.Int("subscriptions", removed))
	}
	return err
}

// sweepAway ends the subscriptions that are away and cannot be revived any more.
func (k *keeper) sweepAway(ctx context.Context) error {
	if err := k.rows.EndOlder(ctx, time.Now().UTC().Add(-k.config.Lifetime), reasonLifetime); err != nil {
		return err
	}
	sessions, err := k.rows.AwaySessions(ctx)
	if err != nil || len(sessions) == 0 {
		return err
	}
	held, err := k.identity.Holding(ctx, sessions)
	if err != nil {
		return fmt.Errorf("ask which sessions hold: %w", err)
	}
	for _, session := range sessions {
		if _, holds := held[session]; !holds {
			if err := k.rows.EndSession(ctx, session, reasonExpired); err != nil {
				return err
			}
		}
	}
	return nil
}

// trimAway ends what is over maxAway for each person of whom one has gone away lately, those that left first.
func (k *keeper) trimAway(ctx context.Context) error {
	k.mu.Lock()
	people := k.wentAway
	k.wentAway = make(map[string]struct{})
	k.mu.Unlock()
	var errs []error
	for user := range people {
		if err := k.trimAwayOf(ctx, user); err != nil {
			errs = append(errs, err)
			k.mu.Lock()
			k.wentAway[user] = struct{}{}
			k.mu.Unlock()
		}
	}
	return errors.Join(errs...)
}

func (k *keeper) trimAwayOf(ctx context.Context, user string) error {
	keep := maxAway
	if user == "" {
		keep = maxAwayAnonymous
	}
	for {
		ids, err := k.rows.ExcessAway(ctx, user, keep, rowsAtOnce)
		if err != nil || len(ids) == 0 {
			return err
		}
		if _, err = k.rows.End(ctx, ids, reasonTooManyAway, true); err != nil || len(ids) < rowsAtOnce {
			return err
		}
	}
}
