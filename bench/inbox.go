package main

import (
	"context"
	"sync"
)

// maxArrivals is how many arrivals an inbox keeps: those of the longest measurement, and as many that should not be.
const maxArrivals = 2 * maxOperations

// inbox collects what all sockets of a target receive. Its zero value is empty; all may use it concurrently.
type inbox[T any] struct {
	// mu guards all that follows.
	mu       sync.Mutex
	arrivals []T // in the order of arrival, at least per recipient
	wanted   int // of wait; 0: nobody waits
	enough   chan struct{}
}

func (b *inbox[T]) add(a T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.arrivals) < maxArrivals {
		b.arrivals = append(b.arrivals, a)
	}
	if b.wanted > 0 && len(b.arrivals) >= b.wanted {
		b.wanted = 0
		close(b.enough)
	}
}

// wait returns when n arrivals are there, or ctx has ended. One goroutine may wait.
func (b *inbox[T]) wait(ctx context.Context, n int) {
	b.mu.Lock()
	if len(b.arrivals) >= n {
		b.mu.Unlock()
		return
	}
	enough := make(chan struct{})
	b.wanted, b.enough = n, enough
	b.mu.Unlock()
	select {
	case <-enough:
	case <-ctx.Done():
	}
}

// take empties the inbox.
func (b *inbox[T]) take() []T {
	b.mu.Lock()
	defer b.mu.Unlock()
	arrivals := b.arrivals
	b.arrivals, b.wanted = nil, 0
	return arrivals
}
