package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"lorebridge/graph"
)

// shutdownTimeout is how long requests may take to finish after a signal. The relay's drain begins after it.
const shutdownTimeout = 10 * time.Second

// Run serves until ctx ends. Then it stops accepting connections, ends the streams, and lets requests finish. After
// that the readers of the log send their last events. The sockets close last, because these events go over them.
func (a *App) Run(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           a.Routes(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      graph.DefaultTimeout + 15*time.Second, // event streams have their own
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelWarn),
	}
	group, ctx := errgroup.WithContext(ctx)
	readersCtx, stopReaders := context.WithCancel(context.WithoutCancel(ctx))
	socketsCtx, stopSockets := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error {
		if err := server.Serve(a.capacity.Listen(listener, server)); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		a.stopping.Store(true)
		defer stopReaders()
		a.GraphQL.Close()
		timeout, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		err := server.Shutdown(timeout)
		a.announce(context.WithoutCancel(ctx)) // only now, because no page can read the old settings any more
		if err != nil {
			return errors.Join(fmt.Errorf("finish the last requests: %w", err), server.Close())
		}
		return nil
	})
	group.Go(func() error { return a.announceChange(ctx) })
	group.Go(func() error {
		defer stopSockets()
		var readers errgroup.Group
		for _, run := range []func(context.Context) error{a.Relay.Run, a.Subscriptions.Run} {
			readers.Go(func() error {
				defer stopReaders() // so that no reader runs without the other
				return run(readersCtx)
			})
		}
		return readers.Wait()
	})
	if a.sockets != nil {
		group.Go(func() error {
			err := a.sockets.Run(socketsCtx)
			// Only after the last socket has closed it is known which events its client received.
			return errors.Join(err, a.Subscriptions.Persist(context.WithoutCancel(ctx)))
		})
	}
	group.Go(func() error { return a.Accounts.Run(ctx) })
	group.Go(func() error { return a.keepTidy(ctx) })
	group.Go(func() error { return a.health.Run(ctx) })
	if a.control != nil {
		group.Go(func() error { return a.control.Run(ctx) })
	}
	return group.Wait()
}

// announceChange asks the open pages to connect anew, if an earlier server gave them other settings.
func (a *App) announceChange(ctx context.Context) error {
	before, err := a.settings.Replace(ctx, "realtime version", a.version)
	if err != nil && ctx.Err() == nil {
		return err
	}
	if before != "" && before != a.version {
		a.announce(ctx)
	}
	return nil
}

// announce asks the open pages to connect anew. A page that it does not reach connects anew when it is rejected, or
// after its next request.
func (a *App) announce(ctx context.Context) {
	if err := a.People.Announce(ctx); err != nil {
		a.log.InfoContext(ctx, "open pages could not be asked to connect anew", slog.Any("error", err))
	}
}

// keepTidy removes, every hour, old events, ended sessions and closed subscriptions.
func (a *App) keepTidy(ctx context.Context) error {
	ticker := time.NewTicker(time.Hour)
	defer ticker.Stop()
	for {
		err := errors.Join(a.retention.Remove(ctx), a.Accounts.RemoveEnded(ctx))
		if err != nil && ctx.Err() == nil {
			a.log.ErrorContext(ctx, "old events and sessions could not be removed; trying again in an hour", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
