package bridge_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"lorebridge/bridge"
	"lorebridge/pusherapi"
	"lorebridge/pusherserver"
)

func TestRunRemovesWhatEndedLongAgoWithoutBeingAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, err := pusherserver.New(pusherserver.Config{Apps: []pusherserver.App{{ID: "1", Key: "key", Secret: "secret"}}})
		if err != nil {
			t.Fatal(err)
		}
		client, err := pusherapi.New(pusherapi.Config{AppID: "1", Key: "key", Secret: "secret"},
			pusherapi.Deps{Logger: slog.New(slog.DiscardHandler), Transport: server.RoundTripper()})
		if err != nil {
			t.Fatal(err)
		}
		store := bridge.NewMemoryStore()
		b, err := bridge.New(bridge.Config{}, bridge.Deps{
			Pusher: client, Log: bridge.NewMemoryLog(1), Store: store, Identity: bridge.Anonymous{},
			Logger: slog.New(slog.DiscardHandler), Executor: func() graphql.GraphExecutor { return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Run(t.Context()); err == nil {
			t.Fatal("it runs though nothing was loaded")
		}
		if err := b.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.Run(ctx) }()
		defer func() {
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}()

		const channel = "private-gql-ended"
		_, err = store.Create(ctx, &bridge.Record{Channel: channel, State: bridge.StateClosed, ClosedAt: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			after time.Duration
			kept  bool
		}{{23 * time.Hour, true}, {3 * time.Hour, false}} {
			<-time.After(tt.after)
			if r, err := store.Find(ctx, channel); err != nil || (r != nil) != tt.kept {
				t.Errorf("%v later it is %v, %v; kept should be %v", tt.after, r, err, tt.kept)
			}
		}
	})
}
