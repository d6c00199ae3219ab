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

// EndReason is the reason why a session ended.
type EndReason string

const (
	// SignedOut means that the session was ended, here or by another process.
	SignedOut EndReason = "signed out"
	// Expired means that the session has reached its greatest age.
	Expired EndReason = "expired"
	// Removed means that the session's row was deleted, alone or with its person.
	Removed EndReason = "removed"
)

// Listener keeps something open for sessions, and is called when one of them has ended.
//
// A session here is a row of the table, and it ends once. A viewer with a token of an existing application has no
// such row. That token expires and the client renews it, which ends nothing that is open.
type Listener interface {
	// OpenSessions returns the sessions with something open here, in any order. It may repeat one.
	OpenSessions() []int
	// EndSession closes everything that is open here for the session. It is a no-op if nothing is.
	EndSession(id int, reason EndReason)
}

const (
	// An end that only the table shows is noticed at the next sweep. Nothing may be delivered later than ten seconds
	// after the end. These two keep that limit even if one sweep gets no answer.
	sweepInterval = 2 * time.Second
	sweepTimeout  = 3 * time.Second
	// sweptAtOnce is the number of sessions in one query.
	sweptAtOnce = 500
)

// Listen calls l whenever a session has ended. Call it before Run and before anything is open.
func (a *Accounts) Listen(l Listener) { a.listeners = append(a.listeners, l) }

// end closes everything that is open for a session.
func (a *Accounts) end(ctx context.Context, id int, reason EndReason) {
	a.sessions.forget() // no hook ran if another process ended it
	a.log.DebugContext(ctx, "a session has ended", slog.Int("session", id), slog.String("reason", string(reason)))
	for _, l := range a.listeners {
		l.EndSession(id, reason)
	}
}

// Run compares the sessions with something open against the table every few seconds until ctx ends. It closes what is
// open for sessions that no longer hold, whatever ended them. It returns nil.
func (a *Accounts) Run(ctx context.Context) error {
	ticker := time.NewTicker(a.sweep)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := a.runOnce(ctx); err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "checking sessions failed; will be retried", slog.Any("error", err))
		}
	}
}

func (a *Accounts) runOnce(ctx context.Context) error {
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
	// Each end may wait for Pusher, so all of them run concurrently.
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

// reasonOf returns why a session no longer holds.
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
	return Removed, nil // its person was removed
}
