package main

import (
	"context"
	"sync"
)

// maxArrivals limits how many arrivals a receiver keeps: those of the longest measurement, and as many faulty ones.
const maxArrivals = 2 * maxOperations

// receiver collects the events of all sockets of a target. Its zero value is empty. It may be used concurrently.
type receiver[T any] struct {
	arrivalsMu sync.Mutex // guards the fields below
	arrivals   []T        // in the order of arrival, at least per recipient
	wanted     int        // the number that wait waits for; 0 if nobody waits
	enough     chan struct{}
}

func (r *receiver[T]) add(a T) {
	r.arrivalsMu.Lock()
	defer r.arrivalsMu.Unlock()
	if len(r.arrivals) < maxArrivals {
		r.arrivals = append(r.arrivals, a)
	}
	if r.wanted > 0 && len(r.arrivals) >= r.wanted {
		r.wanted = 0
		close(r.enough)
	}
}

// wait returns when n arrivals are there or ctx has ended. Only one goroutine may wait.
func (r *receiver[T]) wait(ctx context.Context, n int) {
	r.arrivalsMu.Lock()
	if len(r.arrivals) >= n {
		r.arrivalsMu.Unlock()
		return
	}
	enough := make(chan struct{})
	r.wanted, r.enough = n, enough
	r.arrivalsMu.Unlock()
	select {
	case <-enough:
	case <-ctx.Done():
	}
}

// take returns the arrivals and empties the receiver.
func (r *receiver[T]) take() []T {
	r.arrivalsMu.Lock()
	defer r.arrivalsMu.Unlock()
	arrivals := r.arrivals
	r.arrivals, r.wanted = nil, 0
	return arrivals
}
