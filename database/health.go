package database

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"entgo.io/ent/dialect"

	"lorebridge/rule"
)

// probeEvery is the interval at which Health writes a row as a test if nobody else writes.
const probeEvery = 5 * time.Second

// maxProbe is how long a probe may take before it counts as failed, because on a hanging disk no write returns. It is
// longer than any wait for a lock.
const maxProbe = 2 * probeEvery

// Health knows whether the last write succeeded.
type Health struct {
	begin func(context.Context) (dialect.Tx, error)
	log   *slog.Logger

	mu      sync.Mutex
	commits int // since the database was opened
	err     error
	probing time.Time // start of the running probe; zero if there is none
}

// Problem returns in plain words, without names of files, why the database cannot be written. It is empty if it can.
func (h *Health) Problem() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.probing.IsZero() && time.Since(h.probing) > maxProbe {
		return "the database cannot be written: a write has not come to an end for " + time.Since(h.probing).Truncate(time.Second).String()
	}
	if h.err == nil {
		return ""
	}
	if unavailable, ok := errors.AsType[*rule.UnavailableError](h.err); ok {
		return "the database cannot be written: " + unavailable.Reason
	}
	return "the database cannot be written: the log says why"
}

// wrote records the result of a write. It ignores errors that the database did not cause.
func (h *Health) wrote(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		h.commits++
		h.err = nil
	} else if _, unavailable := errors.AsType[*rule.UnavailableError](err); unavailable {
		h.err = err
	}
}

// Run writes a row whenever nothing else was committed for five seconds, until ctx ends.
func (h *Health) Run(ctx context.Context) error {
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	for seen := h.count(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if h.count() == seen {
			h.probe(ctx)
		}
		seen = h.count()
	}
}

func (h *Health) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.commits
}

func (h *Health) probe(ctx context.Context) {
	h.setProbing(time.Now())
	err := h.write(ctx)
	h.setProbing(time.Time{})
	if err == nil || ctx.Err() != nil {
		return
	}
	h.log.WarnContext(ctx, "the database cannot be written", slog.Any("error", err))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err // any error is the database's, because this row is valid
}

func (h *Health) setProbing(begun time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.probing = begun
}

func (h *Health) write(ctx context.Context) error {
	tx, err := h.begin(ctx)
	if err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	if err := tx.Exec(ctx, "INSERT INTO settings (created_at, key, value) VALUES (?, 'written_at', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
		[]any{now, now.Format(time.RFC3339)}, nil); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
