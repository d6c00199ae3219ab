package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
)

// burnCommand is the first argument of the process that burn starts.
const burnCommand = "burn"

// burn starts a process that keeps half of the cores busy, as deliveries may, until stop: what the machine makes of
// that, whoever does it.
func burn(ctx context.Context) (stop func() error, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, burnCommand) //nolint:gosec // this program
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a process that keeps cores busy: %w", err)
	}
	return func() error { return errors.Join(stdin.Close(), cmd.Wait()) }, nil
}

// runBurner keeps half of the cores busy until its input ends.
func runBurner(input io.Reader) error {
	var (
		ended   atomic.Bool
		burning sync.WaitGroup
	)
	for range max(1, runtime.GOMAXPROCS(0)/2) {
		burning.Go(func() {
			for turns := 0; !ended.Load(); turns++ {
			}
		})
	}
	_, err := io.Copy(io.Discard, input)
	ended.Store(true)
	burning.Wait()
	return err
}
