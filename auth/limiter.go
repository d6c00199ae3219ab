package auth

import (
	"cmp"
	"fmt"
	"math"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// maxLimited is the number of keys that a Limiter remembers. It forgets the least recently used key, whose count then
// starts at zero.
const maxLimited = 10_000

// RateLimitError reports that somebody did something too often, or has too much open at a time.
type RateLimitError struct {
	RetryAfter time.Duration
	Limit      string // what the limit is and what to do about it, for people; empty: "too often"
}

func (e *RateLimitError) Error() string {
	return fmt.Sprintf("%s: try again in %d seconds", cmp.Or(e.Limit, "too often"), e.Seconds())
}

// Seconds returns RetryAfter in whole seconds, rounded up.
func (e *RateLimitError) Seconds() int { return int(math.Ceil(e.RetryAfter.Seconds())) }

// window is the period of perMinute.
const window = time.Minute

// Limiter allows each key a number of actions in any minute. It may be used concurrently.
type Limiter[K comparable] struct {
	perMinute int

	keysMu sync.Mutex // guards the cache and the actions in it
	keys   *lru.Cache[K, *actions]
}

// actions is a ring of the times of a key's last actions. The oldest is at next.
type actions struct {
	times []time.Time
	next  int
}

// NewLimiter returns a limiter of perMinute actions a minute. It returns an error if perMinute is less than 1.
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

// Allow counts one action of key. Over the limit it returns a *RateLimitError and does not count.
func (l *Limiter[K]) Allow(key K) error {
	l.keysMu.Lock()
	defer l.keysMu.Unlock()
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
