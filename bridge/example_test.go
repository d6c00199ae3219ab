package bridge_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"lorebridge/bridge"
	"lorebridge/pusherapi"
	"lorebridge/pusherserver"
)

// nobody is an Identity for an application without accounts: everybody is anonymous.
type nobody struct{}

func (nobody) Viewer(context.Context) (bridge.Viewer, error) { return bridge.Viewer{}, nil }

func (nobody) Former(context.Context) (bridge.Viewer, bool)                    { return bridge.Viewer{}, false }
func (nobody) With(ctx context.Context, _ bridge.Viewer) context.Context       { return ctx }
func (nobody) Unauthenticated(error) bool                                      { return false }
func (nobody) Holding(context.Context, []string) (map[string]time.Time, error) { return nil, nil }

// An application has a log of its events, an embedded Pusher server, and a bridge between them.
func Example() {
	app := pusherserver.App{ID: "1", Key: "key", Secret: "secret"}
	var b *bridge.Bridge
	server, err := pusherserver.New(pusherserver.Config{
		Apps: []pusherserver.App{app},
		OnSubscription: func(s pusherserver.SubscriptionChange) {
			b.Changed(bridge.Change{
				Channel: s.Channel, Joined: s.Joined, Listeners: s.Subscribers, Unsubscribed: s.Unsubscribed, Heard: s.Heard,
			})
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := pusherapi.New(
		pusherapi.Config{AppID: app.ID, Key: app.Key, Secret: app.Secret},
		pusherapi.Deps{Logger: slog.New(slog.DiscardHandler), Transport: server.RoundTripper()},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	log := bridge.NewMemoryLog(100)
	var exec graphql.GraphExecutor // executor.New(generated.NewExecutableSchema(…)), once there are resolvers
	b, err = bridge.New(bridge.Config{}, bridge.Deps{
		Pusher: client, Log: log, Store: bridge.NewMemoryStore(), Identity: nobody{}, Logger: slog.New(slog.DiscardHandler),
		Executor: func() graphql.GraphExecutor { return exec }, Sockets: server,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/app/", server) // browsers connect here
	mux.Handle("/pusher/auth", b.AuthorizeHandler(nil))
	// Before it serves: srv.AddTransport(b.Transport(transport.POST{})), b.Load(ctx), and b.Run(ctx) in a goroutine.

	// This is the body of a resolver, for a stream: what commits from now on arrives on values.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	values, err := bridge.Resolve(ctx, b, bridge.Source[string]{
		Topic: "room:1",
		Of: func(_ context.Context, e *bridge.Event) (*string, error) {
			text := fmt.Sprint(e.Seq, ": ", e.Value)
			return &text, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	// And this is what a mutation does after its commit.
	log.Dispatch(b, "hello", "room:1")
	fmt.Println(*<-values)
	// Output: 1: hello
}

func ExampleMemoryLog() {
	log := bridge.NewMemoryLog(100)
	for _, text := range []string{"one", "two", "three"} {
		log.Append(text, "room:1")
	}
	events, err := log.After(context.Background(), "room:1", 1, 10) // what is behind the first one
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range events {
		fmt.Println(e.Seq, e.Value)
	}
	// Output:
	// 2 two
	// 3 three
}
