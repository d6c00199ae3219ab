package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// bridgeRun is what the parts of a run of bridgeCommand share: the server's binary and the directories.
type bridgeRun struct {
	bridgeOptions

	dir      string
	binary   string
	progress io.Writer
}

// runBridge measures GraphQL subscriptions over Pusher and prints the report to stdout.
func runBridge(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parseBridgeOptions(args, stderr)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.limit(), fmt.Errorf("the run took more than %v: it hangs", o.limit()))
	defer cancel()
	dir, err := os.MkdirTemp("", "lorebridge-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	st := &bridgeRun{bridgeOptions: o, dir: dir, binary: o.bin, progress: stderr}
	if st.binary == "" {
		if err := st.build(ctx); err != nil {
			return err
		}
	}
	results := &bridgeResults{options: o, build: buildInfo(st.binary)}
	for _, part := range []struct {
		name    string
		wanted  bool
		measure func(context.Context, *bridgeRun, *target, *profiler, *bridgeResults) error
	}{
		{"same", len(o.same) > 0, measureSame},
		{"distinct", o.distinct > 0, measureAllDistinct},
	} {
		if !part.wanted {
			continue
		}
		err := st.serve(ctx, part.name, func(t *target, prof *profiler) error {
			return part.measure(ctx, st, t, prof, results)
		})
		if err != nil {
			return cmp.Or(context.Cause(ctx), err) // the end of ctx is the reason for all other errors
		}
	}
	results.print(stdout, args)
	return results.faults.err()
}

// build builds the server, with a profiler if profiles are wanted.
func (s *bridgeRun) build(ctx context.Context) error {
	fmt.Fprintln(s.progress, "building the server")
	var flags []string
	if s.profile != "" {
		var err error
		if flags, err = profilerOverlay(ctx, s.dir); err != nil {
			return err
		}
	}
	s.binary = filepath.Join(s.dir, "lorebridge")
	return build(ctx, s.binary, serverPackage, flags...)
}

// serve runs the server for one part, on a database of its own.
func (s *bridgeRun) serve(ctx context.Context, part string, measure func(*target, *profiler) error) (err error) {
	data := filepath.Join(s.dir, part)
	if err := os.Mkdir(data, 0o700); err != nil {
		return err
	}
	env := append(serverEnv(data), "MAX_SOCKETS="+unlimited, "SUBSCRIPTIONS_PER_PERSON="+unlimited)
	var prof *profiler
	if s.profile != "" {
		prof = &profiler{socket: filepath.Join(data, "profiler"), path: s.profile + "-" + part + ".pprof"}
		env = append(env, profilerSocket+"="+prof.socket)
	}
	p, err := start(ctx, s.binary, data, env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	return measure(newTarget(server{name: "server", url: p.url, pid: p.pid}), prof)
}

// measureSame measures one selection for each number of subscriptions, and takes a profile at the last number.
func measureSame(ctx context.Context, st *bridgeRun, t *target, prof *profiler, into *bridgeResults) error {
	fmt.Fprintf(st.progress, "one selection: signing up %s at %s\n", count(st.people, "person"), t.url)
	subs, err := newSubscribers(ctx, t, st.people, false)
	if err != nil {
		return err
	}
	defer subs.api.close()
	return subs.during(ctx, func(ctx context.Context) error {
		for i, n := range st.same {
			sockets := max(1, n*st.subscriberSockets()/st.most()-len(subs.listening))
			e, err := subs.grow(ctx, n, sockets)
			if err != nil {
				return err
			}
			fmt.Fprintf(st.progress, "one selection: %d subscriptions on %d sockets, registered at %.0f/s and joined at %.0f/s\n",
				n, len(subs.listening), e.registering.perSecond(), e.joining.perSecond())
			profileNow := prof
			if i < len(st.same)-1 {
				profileNow = nil
			}
			m, err := measureFanOut(ctx, subs, st.events, profileNow)
			if err != nil {
				return err
			}
			fmt.Fprintf(st.progress, "one selection: %d subscriptions, %.1f ms of server CPU an event, last update after %.0f ms\n",
				n, m.cpu/1000, percentile(m.lasts, 50))
			into.addFanOut(m, e, len(subs.listening))
		}
		return nil
	})
}

// measureAllDistinct measures a selection for each subscription, and takes a profile in the last round.
func measureAllDistinct(ctx context.Context, st *bridgeRun, t *target, prof *profiler, into *bridgeResults) error {
	fmt.Fprintf(st.progress, "distinct selections: signing up %s at %s\n", count(st.people, "person"), t.url)
	subs, err := newSubscribers(ctx, t, st.people, true)
	if err != nil {
		return err
	}
	defer subs.api.close()
	neighbors, err := newNeighbors(ctx, t, st.rate)
	if err != nil {
		return err
	}
	return subs.during(ctx, func(ctx context.Context) error {
		e, err := subs.grow(ctx, st.distinct, (st.distinct+distinctPerSocket-1)/distinctPerSocket)
		if err != nil {
			return err
		}
		into.enrolments = append(into.enrolments, enrolled{what: "a selection each", enrolment: e, sockets: len(subs.listening)})
		fmt.Fprintf(st.progress, "distinct selections: %d subscriptions on %d sockets, registered at %.0f/s and joined at %.0f/s\n",
			st.distinct, len(subs.listening), e.registering.perSecond(), e.joining.perSecond())
		warming, err := subs.publish(ctx) // when it ends, all have caught up
		if err != nil {
			return err
		}
		publications := []publication{warming}
		if err := rest(ctx, writingDown); err != nil {
			return err
		}
		idleFor := warming.last() - warming.sent
		for round := range st.rounds {
			profileNow := prof
			if round < st.rounds-1 {
				profileNow = nil
			}
			d, err := measureDistinct(ctx, subs, neighbors, idleFor, profileNow)
			if err != nil {
				return err
			}
			idleFor = d.took
			publications = append(publications, d.publication)
			into.distinct = append(into.distinct, d)
			fmt.Fprintf(st.progress, "distinct selections: round %d/%d, delivered in %.1f s, p99 of others %.1f ms idle, %.1f ms meanwhile\n",
				round+1, st.rounds, d.took.Seconds(), percentile(d.idle, 99), percentile(d.busy, 99))
		}
		received, f := auditUpdates(publications, st.distinct, subs.updates.take())
		into.check(received, f)
		return nil
	})
}
