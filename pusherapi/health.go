package pusherapi

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Purpose is what a call does, as a plural noun such as "events". Client.Faults puts "wait since" behind it.
type Purpose string

const (
	// warnAfter is how long a fault must last before it is a warning, because a single call may fail.
	warnAfter = time.Second
	// staleAfter is how long a fault counts after its last call. It is longer than every pause between two attempts.
	staleAfter = 2 * time.Minute
)

// health holds which purposes fail now. It may be used concurrently.
type health struct {
	failuresMu sync.Mutex
	failures   map[Purpose]failure
}

// failure is a series of failed calls for one purpose.
type failure struct {
	err         error
	since, last time.Time
}

// note records the result of a call. An event that Pusher rejects counts as a success, because it shows that the rest
// works.
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
	if before, ok := h.failures[p]; ok && now.Sub(before.last) < staleAfter {
		f.since = before.since
	}
	if h.failures == nil {
		h.failures = make(map[Purpose]failure)
	}
	h.failures[p] = f
}

// Faults returns a text for each purpose whose calls fail now: since when, why, and what to do. An operator must repair
// problems. Warnings may end by themselves. Both are sorted, and never nil. Faults may be called concurrently.
func (c *Client) Faults() (problems, warnings []string) {
	problems, warnings = []string{}, []string{} // JSON has no nil
	now := time.Now()
	c.health.failuresMu.Lock()
	defer c.health.failuresMu.Unlock()
	for p, f := range c.health.failures {
		words := fmt.Sprintf("%s wait since %s: %v", p, f.since.UTC().Format(time.RFC3339), f.err)
		switch {
		case now.Sub(f.last) > staleAfter:
		case errors.Is(f.err, ErrUnauthorized):
			problems = append(problems, words)
		case now.Sub(f.since) >= warnAfter:
			warnings = append(warnings, words)
		}
	}
	slices.SortFunc(problems, strings.Compare)
	slices.SortFunc(warnings, strings.Compare)
	return problems, warnings
}
