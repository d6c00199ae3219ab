// Command chat is a second application on bridge and pusherserver: rooms and messages in memory, whose GraphQL
// subscriptions travel over a Pusher in the same process. It listens on LISTEN_ADDR, or on 127.0.0.1:8090, and
// keeps the credentials of its Pusher in pusher-app.json.
package main

//go:generate go run github.com/99designs/gqlgen

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"golang.org/x/sync/errgroup"

	"lorebridge/bridge"
	"lorebridge/examples/chat/graph"
	"lorebridge/pusherapi"
	"lorebridge/pusherserver"
)

//go:embed index.html chat.css chat.js
var page embed.FS

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal does not wait
	app, appErr := pusherserver.LoadOrCreateApp("pusher-app.json")
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("LISTEN_ADDR"), "127.0.0.1:8090"))
	if err = errors.Join(appErr, err); err == nil {
		fmt.Fprintf(os.Stdout, "The chat is at http://%s\n", listener.Addr())
		err = serve(ctx, listener, app, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	}
	if err != nil && !errors.Is(err, http.ErrServerClosed) {
		fmt.Fprintln(os.Stderr, "chat:", err)
		os.Exit(1)
	}
}

// serve runs the chat until ctx ends. Then it returns http.ErrServerClosed.
func serve(ctx context.Context, listener net.Listener, app pusherserver.App, logger *slog.Logger) error {
	c := &chat{pusherKey: app.Key, log: bridge.NewMemoryLog(keptMessages), open: make(map[string]bool)}
	sockets, err := pusherserver.New(pusherserver.Config{
		Apps: []pusherserver.App{app}, Logger: logger,
		OnSubscription: func(s pusherserver.SubscriptionChange) {
			c.bridge.Changed(bridge.Change{
				Channel: s.Channel, Joined: s.Joined, Listeners: s.Subscribers, Unsubscribed: s.Unsubscribed, Heard: s.Heard,
			})
		},
	})
	if err != nil {
		return err
	}
	client, err := pusherapi.New(pusherapi.Config{AppID: app.ID, Key: app.Key, Secret: app.Secret},
		pusherapi.Deps{Logger: logger, Transport: sockets.RoundTripper()})
	if err != nil {
		return err
	}
	schema := graph.NewExecutableSchema(graph.Config{Resolvers: c})
	exec := executor.New(schema)
	c.bridge, err = bridge.New(bridge.Config{}, bridge.Deps{
		Pusher: client, Sockets: sockets, Log: c.log, Store: bridge.NewMemoryStore(), Identity: bridge.Anonymous{}, Logger: logger,
		Executor: func() graphql.GraphExecutor { return exec },
	})
	if err != nil {
		return err
	}
	api := handler.New(schema)
	api.AddTransport(transport.Websocket{})
	api.AddTransport(c.bridge.Transport(transport.POST{}))
	mux := http.NewServeMux()
	mux.Handle("/graphql", api)
	mux.Handle("/pusher/auth", c.bridge.AuthorizeHandler(nil))
	mux.Handle("/graphql/subscriptions/auth", c.bridge.AuthorizeHandler(nil)) // Lighthouse's clients ask there
	mux.Handle("/app/", sockets)
	mux.Handle("/", http.FileServerFS(page))
	server := &http.Server{Handler: http.MaxBytesHandler(mux, 64<<10), ReadHeaderTimeout: 5 * time.Second}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { <-ctx.Done(); return server.Close() })
	group.Go(func() error { return sockets.Run(ctx) })
	group.Go(func() error { return errors.Join(c.bridge.Load(ctx), c.bridge.Run(ctx)) })
	group.Go(func() error { return server.Serve(listener) })
	return group.Wait()
}
