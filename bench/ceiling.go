package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

const ceilingPackage = "lorebridge/bench/ceiling"

// These are the names of the programs in the table, in the order of its columns.
const (
	nameServer  = "server"
	nameOld     = "old"
	nameCeiling = "ceiling"
)

// databaseFile is the name of the database in serverEnv.
const databaseFile = "lorebridge.db"

// contestant is one of the programs that are compared.
type contestant struct{ name, binary, data string }

// runCeiling measures the server beside the ceiling and prints the report to stdout.
func runCeiling(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parseCeilingOptions(args, stderr)
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
	contestants, err := contestantsOf(ctx, o, dir, stderr)
	if err != nil {
		return err
	}
	people, err := prepare(ctx, o, contestants, stderr)
	if err != nil {
		return cmp.Or(context.Cause(ctx), err)
	}
	sync, err := syncTime(dir)
	if err != nil {
		return err
	}
	results := &ceilingResults{options: o, sync: sync, rounds: map[ceilingCell][]figures{}}
	for _, c := range contestants {
		results.names = append(results.names, c.name)
		results.build = append(results.build, buildInfo(c.binary))
	}
	if err := compete(ctx, contestants, people, results, stderr); err != nil {
		return cmp.Or(context.Cause(ctx), err) // the end of ctx is the reason for all other errors
	}
	results.print(stdout, args)
	return results.faults.err()
}

// contestantsOf returns the programs, and builds those without a binary.
func contestantsOf(ctx context.Context, o ceilingOptions, dir string, progress io.Writer) ([]contestant, error) {
	server := contestant{nameServer, o.bin, filepath.Join(dir, nameServer)}
	ceiling := contestant{nameCeiling, filepath.Join(dir, "ceiling-program"), filepath.Join(dir, nameCeiling)}
	if server.binary == "" {
		fmt.Fprintln(progress, "building the server")
		server.binary = filepath.Join(dir, "lorebridge")
		if err := build(ctx, server.binary, serverPackage); err != nil {
			return nil, err
		}
	}
	if err := build(ctx, ceiling.binary, ceilingPackage); err != nil {
		return nil, err
	}
	contestants := []contestant{server, ceiling}
	if o.old != "" {
		contestants = []contestant{server, {nameOld, o.old, filepath.Join(dir, nameOld)}, ceiling}
	}
	for _, c := range contestants {
		if err := os.Mkdir(c.data, 0o700); err != nil {
			return nil, err
		}
	}
	return contestants, nil
}

// prepare creates a database for each program and returns the people, who are the same in all. The old server creates
// its own database. The server migrates a copy of that, and the ceiling gets a copy of the server's. So server and
// ceiling have the same tables and indexes.
func prepare(ctx context.Context, o ceilingOptions, contestants []contestant, progress io.Writer) (*target, error) {
	makers := slices.DeleteFunc(slices.Clone(contestants), func(c contestant) bool { return c.name == nameCeiling })
	slices.Reverse(makers) // the old one first
	var people *target
	for i, c := range makers {
		if i > 0 {
			if err := copyDatabase(makers[i-1].data, c.data); err != nil {
				return nil, err
			}
		}
		p, err := start(ctx, c.binary, c.data, serverEnv(c.data))
		if err != nil {
			return nil, err
		}
		if people == nil {
			fmt.Fprintf(progress, "signing %s up\n", count(o.recipients+o.requesters(), "person"))
			people = newTarget(server{name: c.name, url: p.url, pid: p.pid})
			err = people.signAllUp(ctx, o.recipients, o.requesters())
		}
		if err := errors.Join(err, p.stop()); err != nil {
			return nil, err
		}
	}
	return people, copyDatabase(makers[len(makers)-1].data, contestants[len(contestants)-1].data)
}

// copyDatabase copies a database that nobody has open.
func copyDatabase(from, to string) error {
	wal, err := fs.Stat(os.DirFS(from), databaseFile+"-wal")
	if err == nil && wal.Size() > 0 {
		return fmt.Errorf("the database in %s was not closed: it has a write-ahead log", from)
	}
	content, err := fs.ReadFile(os.DirFS(from), databaseFile)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, databaseFile), content, 0o600) //nolint:gosec // a path of ours
}

// syncTime returns how long fsync takes below dir, in µs. It is the median over writes of the size of a small
// transaction.
func syncTime(dir string) (_ float64, err error) {
	const (
		writes = 200
		size   = 16 << 10
	)
	file, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	took := make([]float64, 0, writes)
	for i := range writes {
		if _, err := file.WriteAt(make([]byte, size), int64(i%10*size)); err != nil {
			return 0, err
		}
		started := time.Now()
		if err := file.Sync(); err != nil {
			return 0, err
		}
		if i >= 10 { // until then the file grows
			took = append(took, float64(time.Since(started))/float64(time.Microsecond))
		}
	}
	return median(took), nil
}

// compete starts all programs and measures them.
func compete(ctx context.Context, contestants []contestant, people *target, into *ceilingResults, progress io.Writer) (err error) {
	var targets []*target
	var running []*process
	closeAll := func() {
		for _, t := range targets {
			t.close()
		}
	}
	defer func() {
		closeAll()
		for _, p := range slices.Backward(running) {
			err = errors.Join(err, p.stop())
		}
	}()
	group, ctx := errgroup.WithContext(ctx)
	for _, c := range contestants {
		p, err := start(ctx, c.binary, c.data, serverEnv(c.data))
		if err != nil {
			return err
		}
		running = append(running, p)
		t := newTarget(server{name: c.name, url: p.url, pid: p.pid})
		t.recipients, t.requesters = people.recipients, people.requesters
		targets = append(targets, t)
		fmt.Fprintf(progress, "connecting %s to %s at %s\n", count(len(t.recipients), "recipient"), t.name, t.url)
		if err := t.connectRecipients(ctx); err != nil {
			return err
		}
		for i := range t.sockets {
			group.Go(func() error { return t.listen(i) })
		}
	}
	group.Go(func() error {
		defer closeAll() // ends the goroutines that read the sockets
		err := measureRounds(ctx, targets, into, progress)
		return cmp.Or(context.Cause(ctx), err) // the end of ctx is the reason for all other errors
	})
	return group.Wait()
}

// measureRounds measures all rounds, after one that does not count, in which caches fill and heaps and files grow.
func measureRounds(ctx context.Context, targets []*target, into *ceilingResults, progress io.Writer) error {
	o := into.options
	for round := range o.rounds + 1 {
		for _, p := range o.pressures() {
			for turn := range targets {
				i := (turn + round) % len(targets) // they take turns at going first
				before := clocksOf(targets)
				m, err := targets[i].measure(ctx, p.load(o.duration))
				if err != nil {
					return fmt.Errorf("measure %s with %s: %w", targets[i].name, p, err)
				}
				others := clocksOf(targets).since(before).others()
				into.check(m)
				f := m.figures()
				name := fmt.Sprintf("round %d/%d", round, o.rounds)
				if round == 0 {
					name = "warming up"
				} else {
					into.add(i, p, f, others)
				}
				fmt.Fprintf(progress, "%s  %s  %s  %.0f mutations/s  %.0f µs CPU each  delivered in %.2f ms\n",
					name, targets[i].name, p, f[rate], f[serverCPU], f[sent50])
			}
		}
	}
	return nil
}

// clocksOf reads the clocks, with the sum of the CPU times of all targets.
func clocksOf(targets []*target) clocks {
	c := targets[0].clocks()
	for _, t := range targets[1:] {
		cpu := readCPU(t.pid)
		c.cpu = cpuTime{c.cpu.Duration + cpu.Duration, c.cpu.known && cpu.known}
	}
	return c
}
