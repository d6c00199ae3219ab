package auth

import (
	"cmp"
	"fmt"
	"math"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// maxLimited is how many keys a Limiter remembers. Whoever is forgotten begins anew.
const maxLimited = 10_000

// RateLimitError says that somebody did something too often, or has too much at a time.
type RateLimitError struct {
	RetryAfter time.Duration
	Limit      string // the limit and what to do, for people; empty: an action was too often
}

func (e *RateLimitError) Error() string {
	return fmt.Sprintf("%s: try again in %d seconds", cmp.Or(e.Limit, "too often"), e.Seconds())
}

// Seconds is RetryAfter in whole seconds, rounded up.
func (e *RateLimitError) Seconds() int { return int(math.Ceil(e.RetryAfter.Seconds())) }

// window is what perMinute counts in.
const window = time.Minute

// Limiter allows each key so many actions in any minute. It may be used concurrently.
type Limiter[K comparable] struct {
	perMinute int

	// mu guards the actions as well as the cache.
	mu   sync.Mutex
	keys *lru.Cache[K, *actions]
}

// actions are the times of a key's last actions, in a ring whose oldest is at next.
type actions struct {
	times []time.Time
	next  int
}

// NewLimiter allows perMinute actions a minute, of which there must be at least one.
func NewLimiter[K comparable](perMinute int) (*Limiter[K], error) {
	if perMinute < 1 {
		return nil, fmt.Errorf("a limit of %d a minute: it must be at least 1", perMinute)
	}
	keys, err := lru.New[K, *actions](maxLimited)
	if err != nil {
		return nil, err
	}
	return &Limiter[K]{perMinute: perMinute, keys: keys}, nil
}

// Allow counts one action of key, or returns a *RateLimitError and counts nothing.
func (l *Limiter[K]) Allow(key K) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	a, ok := l.keys.Get(key)
	if !ok {
		a = &actions{}
		l.keys.Add(key, a)
	}
	now := time.Now()
	if len(a.times) < l.perMinute {
		a.times = append(a.times, now)
		return nil
	}
	if wait := a.times[a.next].Add(window).Sub(now); wait > 0 {
		return &RateLimitError{RetryAfter: wait}
	}
	a.times[a.next] = now
	a.next = (a.next + 1) % l.perMinute
	return nil
}
