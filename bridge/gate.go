package bridge

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"lorebridge/pusherapi/outage"
)

// gate holds up results while Pusher as a whole is down: then one is tried from time to time, and the first that is
// taken lets all go on. What only one result meets holds up nobody else. It may be used concurrently.
type gate struct {
	check   func(context.Context) error
	mu      sync.Mutex
	outage  outage.Outage
	trying  bool          // one is tried though the outage lasts
	changed chan struct{} // closed when the outage ends or a trial does, and then replaced
}

// enter waits until a result may be sent. It returns an error only if ctx ends.
func (g *gate) enter(ctx context.Context) error {
	for {
		g.mu.Lock()
		wait := time.Duration(0)
		if g.outage.Lasts() {
			wait = time.Until(g.outage.Until())
		}
		if !g.outage.Lasts() || wait <= 0 && !g.trying {
			g.trying = g.outage.Lasts()
			g.mu.Unlock()
			return nil
		}
		changed := g.changed
		g.mu.Unlock()
		timer := time.NewTimer(max(wait, time.Millisecond))
		if wait <= 0 { // somebody else tries
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-changed:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// leave ends a trial from which nothing is known about Pusher.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.trying {
		g.turn()
	}
}

// closed reports whether the outage lasts.
func (g *gate) closed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.outage.Lasts()
}

// sent notes that Pusher took something, or rejected it for what it is.
func (g *gate) sent() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.outage.Over() || g.trying {
		g.turn()
	}
}

// failed notes that the result for one subscription could not be sent, and reports whether Pusher as a whole is down:
// then it is not at fault. While it is down, each trial that fails is followed by a check: the trial may have met a
// fault of its own.
func (g *gate) failed(ctx context.Context, id int, err error) (down bool) {
	g.mu.Lock()
	check := g.outage.Failed(id, outage.RetryAfter(err), rand.Float64(), time.Now()) //nolint:gosec // only spreads retries
	down = g.outage.Lasts()
	g.turn()
	g.mu.Unlock()
	if !check && !down {
		return false
	}
	err = g.check(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case check:
		g.outage.Checked(err, rand.Float64(), time.Now()) //nolint:gosec // only spreads retries
	case err == nil && g.outage.Over():
		g.turn()
	}
	return g.outage.Lasts()
}

// turn wakes all that wait, so that they look at the gate once more. mu is held.
func (g *gate) turn() {
	g.trying = false
	close(g.changed)
	g.changed = make(chan struct{})
}
