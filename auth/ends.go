package auth

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"lorebridge/ent"
	"lorebridge/ent/session"
)

// EndReason is how a session came to its end.
type EndReason string

const (
	// SignedOut is a session that was ended, here or by another process.
	SignedOut EndReason = "signed out"
	// Expired is a session that has reached its greatest age.
	Expired EndReason = "expired"
	// Removed is a session whose row is gone: deleted by itself or with its person.
	Removed EndReason = "removed"
)

// Listener is a place where something stays open for sessions. It is called when one of them has ended.
//
// A session here is a row of the table, which ends once and for all. A viewer who is known by the token of an
// existing application has no such row: that token expires and its client renews it, which ends nothing that is open.
type Listener interface {
	// OpenSessions are those for which something is open here, in any order, repeated or not.
	OpenSessions() []int
	// EndSession ends what is open here for a session, if anything is.
	EndSession(id int, reason EndReason)
}

const (
	// sweepInterval and sweepTimeout are how late the end is noticed of a session that only its row knows of: nothing
	// may be delivered ten seconds after it, also if one sweep is not answered.
	sweepInterval = 2 * time.Second
	sweepTimeout  = 3 * time.Second
	// sweptAtOnce is how many sessions one statement asks for.
	sweptAtOnce = 500
)

// Listen has l called when a session has ended. It must be called before Run and before anything is open.
func (a *Accounts) Listen(l Listener) { a.listeners = append(a.listeners, l) }

// end has everything ended that is open for a session.
func (a *Accounts) end(ctx context.Context, id int, reason EndReason) {
	a.sessions.forget() // also what another process has ended
	a.log.DebugContext(ctx, "a session has ended", slog.Int("session", id), slog.String("reason", string(reason)))
	for _, l := range a.listeners {
		l.EndSession(id, reason)
	}
}

// Run compares the sessions for which something is open with the table, every few seconds until ctx ends, and ends
// what is open for those that do not hold any more, whatever ended them. It returns nil.
func (a *Accounts) Run(ctx context.Context) error {
	ticker := time.NewTicker(a.sweep)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := a.endWhatDoesNotHold(ctx); err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "sessions could not be looked through; trying again", slog.Any("error", err))
		}
	}
}

func (a *Accounts) endWhatDoesNotHold(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(AsSystem(ctx), sweepTimeout)
	defer cancel()
	open := make(map[int]struct{})
	for _, l := range a.listeners {
		for _, id := range l.OpenSessions() {
			open[id] = struct{}{}
		}
	}
	for ids := range slices.Chunk(slices.Collect(maps.Keys(open)), sweptAtOnce) {
		held, err := a.client.Session.Query().Where(session.IDIn(ids...), Holding()).IDs(ctx)
		if err != nil {
			return fmt.Errorf("read sessions: %w", err)
		}
		for _, id := range held {
			delete(open, id)
		}
	}
	// Each end may wait for Pusher: they go together, however many there are.
	var ends sync.WaitGroup
	defer ends.Wait()
	for id := range open {
		reason, err := a.reasonOf(ctx, id)
		if err != nil {
			return err
		}
		ends.Go(func() { a.end(ctx, id, reason) })
	}
	return nil
}

// reasonOf is why a session does not hold.
func (a *Accounts) reasonOf(ctx context.Context, id int) (EndReason, error) {
	row, err := a.client.Session.Get(ctx, id)
	switch {
	case ent.IsNotFound(err):
		return Removed, nil
	case err != nil:
		return "", fmt.Errorf("read a session: %w", err)
	case row.EndedAt != nil:
		return SignedOut, nil
	case !row.ExpiresAt.After(time.Now()):
		return Expired, nil
	}
	return Removed, nil // its person is
}
