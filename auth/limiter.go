package auth

import (
	"fmt"
	"math"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// maxLimited is how many keys a Limiter remembers. Whoever is forgotten begins anew.
const maxLimited = 10_000

// RateLimitError says that somebody did something too often.
type RateLimitError struct{ RetryAfter time.Duration }

func (e *RateLimitError) Error() string {
	return fmt.Sprintf("too often: try again in %d seconds", e.Seconds())
}

// Seconds is RetryAfter in whole seconds, rounded up.
func (e *RateLimitError) Seconds() int { return int(math.Ceil(e.RetryAfter.Seconds())) }

// Limiter allows each key so many actions a minute, all at once if need be. It may be used concurrently.
type Limiter[K comparable] struct {
	perMinute int

	// mu makes looking a key up and adding it one step, and reserving and canceling another: a reservation that is
	// canceled gives nothing back for those made since.
	mu      sync.Mutex
	buckets *lru.Cache[K, *rate.Limiter]
}

// NewLimiter allows perMinute actions a minute, of which there must be at least one.
func NewLimiter[K comparable](perMinute int) (*Limiter[K], error) {
	if perMinute < 1 {
		return nil, fmt.Errorf("a limit of %d a minute: it must be at least 1", perMinute)
	}
	buckets, err := lru.New[K, *rate.Limiter](maxLimited)
	if err != nil {
		return nil, err
	}
	return &Limiter[K]{perMinute: perMinute, buckets: buckets}, nil
}

// Allow counts one action of key, or returns a *RateLimitError and counts nothing.
func (l *Limiter[K]) Allow(key K) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	reservation := l.bucket(key).Reserve()
	if wait := reservation.Delay(); wait > 0 {
		reservation.Cancel()
		return &RateLimitError{RetryAfter: wait}
	}
	return nil
}

// bucket needs mu.
func (l *Limiter[K]) bucket(key K) *rate.Limiter {
	bucket, ok := l.buckets.Get(key)
	if !ok {
		bucket = rate.NewLimiter(rate.Limit(float64(l.perMinute)/time.Minute.Seconds()), l.perMinute)
		l.buckets.Add(key, bucket)
	}
	return bucket
}
