package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 30 * time.Second // longer than a server's own limit
)

// printedURL matches the URL that a server prints when it listens.
var printedURL = regexp.MustCompile(`https?://\S+`)

// process is a server that we started.
type process struct {
	url  *url.URL
	pid  int
	stop func() error // asks it to end, and waits; returns an error if it failed
}

// start runs a binary in dir until stop is called, and returns when it has printed its URL. Its log goes to stderr.
// It gets only the Go runtime's settings of our environment, so that a developer's own configuration has no effect.
func start(ctx context.Context, binary, dir string, env []string) (*process, error) {
	binary, err := filepath.Abs(binary) // because it will run in dir
	if err != nil {
		return nil, err
	}
	alive, end := context.WithCancel(context.WithoutCancel(ctx)) // not ctx, because the server must end after its clients
	cmd := exec.CommandContext(alive, binary)
	cmd.Dir = dir
	cmd.Env = slices.Concat(env, runtimeSettings())
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		end()
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		end()
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	lines, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		reader := bufio.NewReader(stdout)
		line, _ := reader.ReadString('\n') // after an error the line has no URL, which is reported below
		lines <- line
		_, _ = io.Copy(io.Discard, reader) // its other output is for people
		ended <- cmd.Wait()
	}()
	p := &process{pid: cmd.Process.Pid}
	p.stop = func() error {
		end()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("stop %s: %w", binary, err)
		}
		return nil
	}
	select {
	case line := <-lines:
		p.url, err = url.Parse(printedURL.FindString(line))
		if err == nil && p.url.Host == "" {
			err = fmt.Errorf("it printed %q instead of its URL", line)
		}
	case <-time.After(startTimeout):
		err = fmt.Errorf("it printed no URL within %v", startTimeout)
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", binary, err), p.stop())
	}
	return p, nil
}

func runtimeSettings() []string {
	settings := []string{"GOMAXPROCS", "GOGC", "GOMEMLIMIT", "GODEBUG", "TMPDIR"}
	return slices.DeleteFunc(os.Environ(), func(s string) bool {
		name, _, _ := strings.Cut(s, "=")
		return !slices.Contains(settings, name)
	})
}
