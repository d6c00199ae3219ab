package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

const stopTimeout = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Getenv("DATABASE_URL"), os.Getenv("LISTEN_ADDR"), os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "ceiling:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. It prints its URL when it listens.
func run(ctx context.Context, databaseURL, address string, stdout io.Writer) (err error) {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		floor := make([]byte, 54<<20) // like the server, so that a small heap may grow to some 64 MB between collections
		defer runtime.KeepAlive(floor)
	}
	path, ok := strings.CutPrefix(databaseURL, "sqlite:")
	if !ok {
		return errors.New("DATABASE_URL must be sqlite:PATH of a database that the server made")
	}
	c, err := newCeiling(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: c.handler(), ReadHeaderTimeout: stopTimeout}
	group, ctx := errgroup.WithContext(ctx)
	answered := make(chan struct{})
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		defer close(answered)
		<-ctx.Done()
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		err := server.Shutdown(ending)
		c.sockets.close()
		return err
	})
	group.Go(func() error {
		err := c.progress.run(ctx)
		<-answered
		return errors.Join(err, c.progress.write())
	})
	fmt.Fprintf(stdout, "ceiling: http://%s\n", listener.Addr())
	return group.Wait()
}
