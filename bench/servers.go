package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
)

// These packages are built by import path, so that bench works in any directory of the module.
const (
	serverPackage = "lorebridge"
	pusherPackage = "lorebridge/pusherserver/cmd/pusherserver"
)

// unlimited is a rate per minute that nobody reaches.
const unlimited = "1000000000"

// server is a running server.
type server struct {
	name  string // in the report
	url   *url.URL
	pid   int    // 0: not known
	build string // Go version and commit
}

// startServers starts the servers that o asks for. Call stop also after an error. It ends the processes and removes
// their data.
func startServers(ctx context.Context, o options, progress io.Writer) (servers []server, stop func() error, err error) {
	if o.url != nil {
		return []server{{name: o.url.String(), url: o.url, pid: o.pid}}, func() error { return nil }, nil
	}
	dir, err := os.MkdirTemp("", "lorebridge-bench-")
	if err != nil {
		return nil, func() error { return nil }, err
	}
	l := &launcher{dir: dir}
	if err := l.build(ctx, o, progress); err != nil {
		return nil, l.stop, err
	}
	for i, binary := range l.binaries {
		name := "server"
		if len(l.binaries) > 1 {
			name = string(rune('A' + i))
		}
		s, err := l.start(ctx, name, binary)
		if err != nil {
			return nil, l.stop, err
		}
		servers = append(servers, s)
	}
	return servers, l.stop, nil
}

// launcher starts servers, each with data of its own below dir.
type launcher struct {
	dir      string
	binaries []string // of the servers
	pusher   string   // the binary of a Pusher in a second process; empty if there is none
	running  []*process
}

// build sets the binaries, and builds those that o does not name.
func (l *launcher) build(ctx context.Context, o options, progress io.Writer) error {
	first := o.bin
	if first == "" {
		fmt.Fprintln(progress, "building the server")
		first = filepath.Join(l.dir, "lorebridge")
		if err := build(ctx, first, serverPackage); err != nil {
			return err
		}
	}
	l.binaries = []string{first}
	if o.compare != "" {
		l.binaries = append(l.binaries, o.compare)
	}
	if o.pusher == pusherSecond {
		l.pusher = filepath.Join(l.dir, "pusherserver")
		return build(ctx, l.pusher, pusherPackage)
	}
	return nil
}

// start starts a server, and before it the Pusher of the server if that has a process of its own.
func (l *launcher) start(ctx context.Context, name, binary string) (server, error) {
	data := filepath.Join(l.dir, name)
	if err := os.Mkdir(data, 0o700); err != nil {
		return server{}, err
	}
	env := serverEnv(data)
	if l.pusher != "" {
		p, err := l.run(ctx, l.pusher, data, append([]string{"LISTEN_ADDR=127.0.0.1:0"}, pusherApp...))
		if err != nil {
			return server{}, err
		}
		env = append(append(env, pusherApp...), "PUSHER_SCHEME=http", "PUSHER_HOST="+p.url.Host)
	}
	p, err := l.run(ctx, binary, data, env)
	if err != nil {
		return server{}, err
	}
	return server{name: name, url: p.url, pid: p.pid, build: buildInfo(binary)}, nil
}

// run starts a process that stop ends.
func (l *launcher) run(ctx context.Context, binary, data string, env []string) (*process, error) {
	p, err := start(ctx, binary, data, env)
	if err == nil {
		l.running = append(l.running, p)
	}
	return p, err
}

// stop ends the processes, the last one first, and removes dir.
func (l *launcher) stop() error {
	var errs []error
	for _, p := range slices.Backward(l.running) {
		errs = append(errs, p.stop())
	}
	return errors.Join(append(errs, os.RemoveAll(l.dir))...)
}

// pusherApp is the app of a Pusher in a second process.
var pusherApp = []string{"PUSHER_APP_ID=1", "PUSHER_KEY=bench", "PUSHER_SECRET=bench-secret"}

func serverEnv(data string) []string {
	return []string{
		"LISTEN_ADDR=127.0.0.1:0",
		"LOG_LEVEL=WARN",
		"DATABASE_URL=sqlite:" + filepath.Join(data, "lorebridge.db"),
		"REQUESTS_PER_MINUTE=" + unlimited,
		"SIGN_INS_PER_ADDRESS=" + unlimited,
		"SIGN_INS_PER_ACCOUNT=" + unlimited,
		"SIGN_UPS_PER_ADDRESS=" + unlimited,
	}
}

func build(ctx context.Context, path, pkg string, flags ...string) error {
	args := slices.Concat([]string{"build", "-buildvcs=auto", "-o", path}, flags, []string{pkg})
	output, err := exec.CommandContext(ctx, "go", args...).CombinedOutput() //nolint:gosec // constants, and paths of ours
	if err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, output)
	}
	return nil
}

// buildInfo returns the Go version and the commit of a binary, as far as the binary knows them.
func buildInfo(binary string) string {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return "not a Go binary" // it may be a script that sets an environment
	}
	commit, changed := "unknown", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(7, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = " with uncommitted changes"
		}
	}
	return fmt.Sprintf("%s %s/%s, commit %s%s", info.GoVersion, runtime.GOOS, runtime.GOARCH, commit, changed)
}
