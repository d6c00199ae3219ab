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

// probeEvery is how often Health finds out whether rows can be written, if nobody writes any.
const probeEvery = 5 * time.Second

// maxProbe is how long a probe may take before it counts as failed: a disk that hangs lets no write come to an end.
// It is longer than anybody waits for a lock.
const maxProbe = 2 * probeEvery

// Health knows whether the last write came to be.
type Health struct {
	begin func(context.Context) (dialect.Tx, error)
	log   *slog.Logger

	mu      sync.Mutex
	commits int // since the database was opened
	err     error
	probing time.Time // when the probe that is under way began; zero if there is none
}

// Problem says in plain words, without names of files, why the database cannot be written, or is empty.
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

// wrote takes down how a write ended. What is no fault of the database's is no news of it.
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

// Run writes a row every five seconds in which nothing else has been committed, until ctx ends.
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
	h.err = err // whatever it is: there is nothing wrong with this row
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
