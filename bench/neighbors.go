package main

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	neighborClients = 4
	neighborOwners  = 8 // whom they ask; nobody listens to those
	// leastIdle is how long a phase of a round lasts at least.
	leastIdle = 2 * time.Second
)

// distinct is what came of one round: an event for so many subscriptions with a selection each, while others send
// mutations, and the same mutations while nothing is delivered. A delivery may take half of the cores; what that
// alone does to others is seen beside a process that takes them.
type distinct struct {
	publication

	took       time.Duration   // from sent to the last update
	idle       []time.Duration // answers to mutations of others while nothing is delivered
	beside     []time.Duration // and while another process takes half of the cores
	busy       []time.Duration // and from the mutation to the last update
	afterwards []time.Duration // and while the server writes down what became of it
	cpu        float64         // µs of the server for a subscription, without the mutations of others
	cores      float64         // that the delivery used
	others     float64         // cores that other programs used
	executions *int64          // nil: the server does not tell
}

// ahead is how long before the first update the mutation's answer was there; negative if it was not.
func (d *distinct) ahead() time.Duration { return d.first() - d.answered }

// neighbors are people who send mutations at a steady pace, whatever is delivered to others.
type neighbors struct {
	*target

	every time.Duration // for each client
}

// newNeighbors signs up who asks and who is asked.
func newNeighbors(ctx context.Context, t *target, perSecond int) (*neighbors, error) {
	if err := t.signAllUp(ctx, neighborOwners, neighborClients); err != nil {
		return nil, err
	}
	return &neighbors{target: t, every: neighborClients * time.Second / time.Duration(perSecond)}, nil
}

// run sends until ctx ends.
func (n *neighbors) run(ctx context.Context, clients []*client) error {
	group, ctx := errgroup.WithContext(ctx)
	for i, c := range clients {
		group.Go(func() error { return c.pace(ctx, n.every*time.Duration(i)/neighborClients, n.every) }) // not all at once
	}
	return group.Wait()
}

// during runs work while they send, and returns how long each answer took with the moment it was asked for.
func (n *neighbors) during(ctx context.Context, work func(context.Context) error) ([]mutation, error) {
	clients, err := n.connect(ctx, load{work: workCreate, clients: neighborClients})
	defer func() {
		for _, c := range clients {
			c.api.close()
		}
	}()
	if err != nil {
		return nil, err
	}
	group, ctx := errgroup.WithContext(ctx)
	sending, stop := context.WithCancel(ctx)
	group.Go(func() error { return n.run(sending, clients) })
	group.Go(func() error {
		defer stop()
		return work(ctx)
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var all []mutation
	for _, c := range clients {
		all = append(all, c.mutations...)
	}
	return all, nil
}

// within is how long the answers took to what was sent in a span of time.
func within(mutations []mutation, from, to time.Duration) []time.Duration {
	var latencies []time.Duration
	for _, m := range mutations {
		if m.sent >= from && m.sent < to {
			latencies = append(latencies, m.answered-m.sent)
		}
	}
	return latencies
}

// measureDistinct publishes one event while the neighbors send, after they have sent for as long as the last delivery
// took beside a process that takes half of the cores, and as long with nothing else going on.
func measureDistinct(ctx context.Context, c *crowd, n *neighbors, idleFor time.Duration, prof *profiler) (*distinct, error) {
	d := &distinct{}
	var burning, begin, calm, end, done clocks
	var before, after counters
	mutations, err := n.during(ctx, func(ctx context.Context) error {
		stopBurning, err := burn(ctx)
		if err != nil {
			return err
		}
		burning = c.clocks()
		err = rest(ctx, max(idleFor, leastIdle))
		begin = c.clocks()
		if err := errors.Join(err, stopBurning()); err != nil {
			return err
		}
		if err := rest(ctx, max(idleFor, leastIdle)); err != nil {
			return err
		}
		calm = c.clocks()
		if before, err = c.counters(); err != nil {
			return err
		}
		stopProfile, err := prof.start(ctx)
		if err != nil {
			return err
		}
		if d.publication, err = c.publish(ctx); err != nil {
			return err
		}
		end = c.clocks()
		if err := stopProfile(); err != nil {
			return err
		}
		if after, err = c.counters(); err != nil {
			return err
		}
		err = rest(ctx, writingDown)
		done = c.clocks()
		return err
	})
	if err != nil {
		return nil, err
	}
	d.took = d.last() - d.sent
	d.beside = within(mutations, burning.at, begin.at)
	d.idle = within(mutations, begin.at, calm.at)
	d.busy = within(mutations, d.sent, d.last())
	d.afterwards = within(mutations, d.last(), done.at)
	quiet := calm.since(begin).cores()
	d.cores = end.since(calm).cores() - quiet
	d.others = end.since(calm).others()
	d.cpu = done.since(calm).over(quiet) / float64(len(c.channels))
	if before.Executions != nil && after.Executions != nil {
		executions := *after.Executions - *before.Executions
		d.executions = &executions
	}
	return d, nil
}

// slowdown is the ratio of the medians over the rounds of the 99th percentiles of answers.
func slowdown(rounds []*distinct, before, after func(*distinct) []time.Duration) float64 {
	middle := func(of func(*distinct) []time.Duration) float64 {
		numbers := make([]float64, len(rounds))
		for i, d := range rounds {
			numbers[i] = percentile(of(d), 99)
		}
		return median(numbers)
	}
	return middle(after) / middle(before)
}
