package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures and prints the report to stdout. All that it started has ended when it returns, also if ctx has ended.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	if len(args) > 0 {
		switch args[0] {
		case bridgeCommand:
			return runBridge(ctx, args[1:], stdout, stderr)
		case ceilingCommand:
			return runCeiling(ctx, args[1:], stdout, stderr)
		case cpuLoadCommand:
			return runCPULoad(os.Stdin)
		}
	}
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.limit(), fmt.Errorf("the run took more than %v: it hangs", o.limit()))
	defer cancel()
	servers, stop, err := startServers(ctx, o, stderr)
	defer func() { err = errors.Join(err, stop()) }()
	if err != nil {
		return err
	}
	targets := make([]*target, 0, len(servers))
	defer func() {
		for _, t := range targets {
			t.close()
		}
	}()
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range servers {
		fmt.Fprintf(stderr, "signing up at %s\n", s.url)
		t := newTarget(s)
		targets = append(targets, t)
		if err := t.populate(ctx, o.recipients, maxOf(o.clients)); err != nil {
			return cmp.Or(context.Cause(ctx), err) // the end of ctx is the reason for all other errors
		}
		for i := range t.sockets {
			group.Go(func() error { return t.listen(i) })
		}
	}
	results := newResults(o, servers)
	group.Go(func() error {
		defer func() {
			for _, t := range targets {
				t.close() // ends the goroutines that read the sockets
			}
		}()
		err := measureAll(ctx, o, targets, results, stderr)
		if ended := context.Cause(ctx); ended != nil {
			return ended // the reason for err
		}
		return err
	})
	if err := group.Wait(); err != nil {
		return err
	}
	results.print(stdout, args)
	return results.faults.err()
}

// measureAll measures all rounds.
func measureAll(ctx context.Context, o options, targets []*target, into *results, progress io.Writer) error {
	for i, t := range targets {
		// This fills the lists that are read, and warms the server up.
		filling := load{work: workCreate, clients: min(8, maxOf(o.clients)), duration: maxDuration, limit: listed * o.recipients}
		m, err := t.measure(ctx, filling)
		if err != nil {
			return fmt.Errorf("warm %s up: %w", into.servers[i].name, err)
		}
		into.check(m)
	}
	for round := range o.rounds {
		for _, w := range o.works {
			for _, clients := range o.clients {
				for turn := range targets {
					i := (turn + round) % len(targets) // they take turns at going first
					m, err := targets[i].measure(ctx, load{work: w, clients: clients, duration: o.duration, limit: maxOperations})
					if err != nil {
						return fmt.Errorf("measure %s with %d clients: %w", w, clients, err)
					}
					into.check(m)
					f := m.figures()
					into.add(i, w, clients, f)
					fmt.Fprintf(progress, "round %d/%d  %s  %s %d clients  %.0f %s/s  %.0f µs CPU each\n", round+1, o.rounds,
						into.servers[i].name, w, clients, f[rate], w.unit(), f[serverCPU])
				}
			}
		}
	}
	return nil
}

func maxOf(numbers []int) int {
	most := 0
	for _, n := range numbers {
		most = max(most, n)
	}
	return most
}
