package pusherapi

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Purpose is what a call is for, in words that stand before "wait": Client.Faults names it.
type Purpose string

const (
	// hushed is how long a fault must last before it is a warning: a single call may fail.
	hushed = time.Second
	// stale is how long a fault counts after its last call: longer than any pause between two attempts.
	stale = 2 * time.Minute
)

// health knows which calls fail now. It may be used concurrently.
type health struct {
	failuresMu sync.Mutex
	failures   map[Purpose]failure
}

// failure is a row of failed calls.
type failure struct {
	err         error
	since, last time.Time
}

// note takes in the result of a call. An event that Pusher refuses shows that all else is well.
func (h *health) note(p Purpose, err error, now time.Time) {
	if _, ok := errors.AsType[*RefusedError](err); ok {
		err = nil
	}
	h.failuresMu.Lock()
	defer h.failuresMu.Unlock()
	if err == nil {
		delete(h.failures, p)
		return
	}
	f := failure{err: err, since: now, last: now}
	if before, ok := h.failures[p]; ok && now.Sub(before.last) < stale {
		f.since = before.since
	}
	if h.failures == nil {
		h.failures = make(map[Purpose]failure)
	}
	h.failures[p] = f
}

// Faults says what Pusher does not take at this moment, since when, why, and what to do. Problems are ours to repair;
// warnings are not, or it is not certain. It may be called concurrently.
func (c *Client) Faults() (problems, warnings []string) {
	problems, warnings = []string{}, []string{} // JSON has no nil
	now := time.Now()
	c.health.failuresMu.Lock()
	defer c.health.failuresMu.Unlock()
	for p, f := range c.health.failures {
		words := fmt.Sprintf("%s wait since %s: %v", p, f.since.UTC().Format(time.RFC3339), f.err)
		switch {
		case now.Sub(f.last) > stale:
		case errors.Is(f.err, ErrUnauthorized):
			problems = append(problems, words)
		case now.Sub(f.since) >= hushed:
			warnings = append(warnings, words)
		}
	}
	slices.SortFunc(problems, strings.Compare)
	slices.SortFunc(warnings, strings.Compare)
	return problems, warnings
}
