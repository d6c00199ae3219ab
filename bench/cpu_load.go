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

// cpuLoadCommand is the first argument of the process that startCPULoad starts.
const cpuLoadCommand = "cpu-load"

// startCPULoad starts a process that keeps half of the cores busy until stop. It is a control: it shows how much of a
// slowdown comes from the load on the CPU alone.
func startCPULoad(ctx context.Context) (stop func() error, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, cpuLoadCommand) //nolint:gosec // the path of this program
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a process that keeps cores busy: %w", err)
	}
	return func() error { return errors.Join(stdin.Close(), cmd.Wait()) }, nil
}

// runCPULoad keeps half of the cores busy until its input ends.
func runCPULoad(input io.Reader) error {
	var (
		ended atomic.Bool
		load  sync.WaitGroup
	)
	for range max(1, runtime.GOMAXPROCS(0)/2) {
		load.Go(func() {
			for turns := 0; !ended.Load(); turns++ {
			}
		})
	}
	_, err := io.Copy(io.Discard, input)
	ended.Store(true)
	load.Wait()
	return err
}
