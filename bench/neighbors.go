package main

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	neighborClients = 4
	neighborOwners  = 8 // the people they ask, who have no sockets
	// leastIdle is the least duration of a phase of a round.
	leastIdle = 2 * time.Second
)

// distinct is the result of one round: an event for a number of subscriptions with a selection each, while other
// people send mutations. For comparison there are the same mutations while nothing is delivered, and beside a process
// that takes half of the cores, as a delivery may.
type distinct struct {
	publication

	took       time.Duration   // from sent to the last update
	idle       []time.Duration // answers to mutations of others while nothing is delivered
	beside     []time.Duration // the same while another process takes half of the cores
	busy       []time.Duration // the same from the mutation to the last update
	afterwards []time.Duration // the same while the server stores the results
	cpu        float64         // µs of the server for a subscription, without the mutations of others
	cores      float64         // cores that the delivery used
	others     float64         // cores that other programs used
	executions *int64          // nil: the server does not report it
}

// ahead returns how long before the first update the mutation was answered. It is negative if the update came first.
func (d *distinct) ahead() time.Duration { return d.first() - d.answered }

// neighbors are people who send mutations at a steady pace while something is delivered to others.
type neighbors struct {
	*target

	every time.Duration // for each client
}

// newNeighbors signs up the people who send and those who are asked.
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
		group.Go(func() error { return c.pace(ctx, n.every*time.Duration(i)/neighborClients, n.every) }) // evenly, and not all at once
	}
	return group.Wait()
}

// during runs work while the neighbors send, and returns their mutations.
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

// within returns the answer times of the mutations that were sent from one time to before another.
func within(mutations []mutation, from, to time.Duration) []time.Duration {
	var latencies []time.Duration
	for _, m := range mutations {
		if m.sent >= from && m.sent < to {
			latencies = append(latencies, m.answered-m.sent)
		}
	}
	return latencies
}

// measureDistinct publishes one event while the neighbors send. Before that they send beside a process that takes
// half of the cores, and then with no other load. Each of these takes as long as the last delivery.
func measureDistinct(ctx context.Context, subs *subscribers, n *neighbors, idleFor time.Duration, prof *profiler) (*distinct, error) {
	d := &distinct{}
	var loaded, begin, calm, end, done clocks
	var before, after counters
	mutations, err := n.during(ctx, func(ctx context.Context) error {
		stopLoad, err := startCPULoad(ctx)
		if err != nil {
			return err
		}
		loaded = subs.clocks()
		err = rest(ctx, max(idleFor, leastIdle))
		begin = subs.clocks()
		if err := errors.Join(err, stopLoad()); err != nil {
			return err
		}
		if err := rest(ctx, max(idleFor, leastIdle)); err != nil {
			return err
		}
		calm = subs.clocks()
		if before, err = subs.counters(); err != nil {
			return err
		}
		stopProfile, err := prof.start(ctx)
		if err != nil {
			return err
		}
		if d.publication, err = subs.publish(ctx); err != nil {
			return err
		}
		end = subs.clocks()
		if err := stopProfile(); err != nil {
			return err
		}
		if after, err = subs.counters(); err != nil {
			return err
		}
		err = rest(ctx, writingDown)
		done = subs.clocks()
		return err
	})
	if err != nil {
		return nil, err
	}
	d.took = d.last() - d.sent
	d.beside = within(mutations, loaded.at, begin.at)
	d.idle = within(mutations, begin.at, calm.at)
	d.busy = within(mutations, d.sent, d.last())
	d.afterwards = within(mutations, d.last(), done.at)
	quiet := calm.since(begin).cores()
	d.cores = end.since(calm).cores() - quiet
	d.others = end.since(calm).others()
	d.cpu = done.since(calm).over(quiet) / float64(len(subs.channels))
	if before.Executions != nil && after.Executions != nil {
		executions := *after.Executions - *before.Executions
		d.executions = &executions
	}
	return d, nil
}

// slowdown returns the ratio of two medians over the rounds, of the 99th percentiles of the answer times.
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
