package app

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"lorebridge/auth"
	"lorebridge/bridge"
	"lorebridge/database"
	"lorebridge/ent"
	"lorebridge/graph"
	"lorebridge/outbox"
	"lorebridge/pusherapi"
	"lorebridge/pusherserver"
	"lorebridge/realtime"
	"lorebridge/rule"
	"lorebridge/web"
)

// Deps is what New needs besides the configuration.
type Deps struct {
	Client *ent.Client
	Health *database.Health // of the same database
	Logger *slog.Logger
	Local  bool // whether only people at this machine can reach the server
	Seams  Seams
}

// Seams are what tests replace or change. With the zero value the server is as in production.
type Seams struct {
	// Transport returns the transport for calls of Pusher's HTTP API. Its argument is that of the embedded server, or
	// nil if another Pusher is configured.
	Transport     func(embedded http.RoundTripper) http.RoundTripper
	Sockets       func(*pusherserver.Config)
	Subscriptions func(graph.Subscriptions) graph.Subscriptions
	// Executor wraps the executor that runs the operations of subscriptions.
	Executor func(graphql.GraphExecutor) graphql.GraphExecutor
	Realtime func(ctx context.Context, userID int) (*graph.Realtime, error)
	Times    graph.StreamTimes
	Sweep    time.Duration // between two sweeps of sessions
	Drain    time.Duration // the longest time that the relay sends after its context ended
}

// App is the whole server: all rooms, connected. Load and then Run must be called once each, in this order. All other
// methods may be called concurrently.
type App struct {
	Accounts      *auth.Accounts
	Log           *outbox.Log
	Relay         *outbox.Relay
	People        *realtime.People
	Subscriptions *realtime.Subscriptions
	GraphQL       *graph.Handler

	pusher    *pusherapi.Client
	settings  database.Settings
	retention *outbox.Retention
	sockets   *pusherserver.Server // nil if another Pusher is configured
	page      *web.Handler
	identify  func(http.Handler) http.Handler
	health    *database.Health
	version   string // of the settings with which pages connect
	log       *slog.Logger
	capacity  pusherserver.Capacity
	control   *Control // nil if its socket could not be opened
	stopping  atomic.Bool
}

// New connects the rooms. It starts nothing. An error names the setting that is wrong, or the step that failed.
func New(ctx context.Context, c Config, deps Deps) (a *App, err error) {
	a = &App{settings: database.NewSettings(deps.Client), health: deps.Health, log: deps.Logger}
	sockets := c.MaxSockets
	if !c.Pusher.Embedded() {
		sockets = 0
	}
	a.capacity = pusherserver.FitCapacity(sockets, graph.DefaultMaxStreams)
	installation, err := auth.ReadInstallation(ctx, a.settings)
	if err != nil {
		return nil, err
	}
	a.Accounts, err = auth.NewAccounts(c.Auth, auth.Deps{Client: deps.Client, Logger: a.log, Sweep: deps.Seams.Sweep})
	if err != nil {
		return nil, err
	}
	if a.identify, err = auth.Middleware(a.Accounts, installation, c.Auth); err != nil {
		return nil, err
	}
	if a.Log, err = outbox.New(ctx, outbox.Config{Client: deps.Client, Logger: a.log}); err != nil {
		return nil, err
	}
	a.retention = outbox.NewRetention(c.Retention, a.Log, a.log)
	if err := a.joinPusher(ctx, c, deps); err != nil {
		return nil, err
	}
	a.Accounts.Listen(realtime.NewSessions(a.Subscriptions.Bridge))
	a.version = a.People.Version(c.Auth.PublicURL)
	a.Relay, err = outbox.NewRelay(outbox.RelayConfig{Log: a.Log, Sender: a.People, Logger: a.log, Drain: deps.Seams.Drain})
	if err != nil {
		return nil, err
	}
	if err := a.joinGraphQL(c, deps); err != nil {
		return nil, err
	}
	a.page, err = web.New(web.Config{
		Playground: c.Web.HasPlayground(deps.Local), ConnectTo: c.Pusher.Origins(c.Auth.PublicURL),
	})
	return a, err
}

func (a *App) joinGraphQL(c Config, deps Deps) (err error) {
	playground := c.Web.HasPlayground(deps.Local)
	path := ""
	if playground {
		path = "/playground"
	}
	graphDeps := graph.Deps{
		Client: deps.Client, WithTx: a.Log.WithTx, Accounts: a.Accounts, Logger: a.log,
		Subscriptions: a.Subscriptions,
		Realtime:      a.realtime,
		Times:         deps.Seams.Times,
		Introspection: playground,
		Playground:    path,
		MaxStreams:    a.capacity.Streams,
	}
	if tap := deps.Seams.Subscriptions; tap != nil {
		graphDeps.Subscriptions = tap(a.Subscriptions)
	}
	if deps.Seams.Realtime != nil {
		graphDeps.Realtime = deps.Seams.Realtime
	}
	a.GraphQL, err = graph.NewHandler(c.Graph, graphDeps)
	return err
}

// joinPusher builds the rooms that use Pusher, and Pusher itself if no other one is configured.
func (a *App) joinPusher(ctx context.Context, c Config, deps Deps) (err error) {
	var transport http.RoundTripper
	subscriptions := realtime.SubscriptionsDeps{
		Client: deps.Client, Log: a.Log, Logger: a.log, StreamError: graph.EndStream,
		Executor: func() graphql.GraphExecutor { return a.executor(deps.Seams.Executor) },
	}
	if c.Pusher.Embedded() {
		if !c.Pusher.HasApp() {
			own, err := realtime.OwnApp(ctx, a.settings, c.Database.Path()+".pusher.json", a.log)
			if err != nil {
				return err
			}
			c.Pusher.AppID, c.Pusher.Key, c.Pusher.Secret = own.ID, own.Key, own.Secret
		}
		if a.sockets, err = a.embedPusher(c, deps.Seams.Sockets); err != nil {
			return err
		}
		transport, subscriptions.Sockets = a.sockets.RoundTripper(), a.sockets
	}
	if deps.Seams.Transport != nil {
		transport = deps.Seams.Transport(transport)
	}
	if a.pusher, err = realtime.NewClient(c.Pusher, c.Subscriptions.PayloadLimit, transport, a.log); err != nil {
		return err
	}
	subscriptions.Pusher = a.pusher
	a.People = realtime.NewPeople(c.Pusher, a.pusher, c.Auth.PublicURL)
	a.Subscriptions, err = realtime.NewSubscriptions(ctx, c.Pusher, c.Subscriptions, subscriptions)
	return err
}

// executor returns the executor that runs the operations of subscriptions.
func (a *App) executor(seam func(graphql.GraphExecutor) graphql.GraphExecutor) graphql.GraphExecutor {
	if seam != nil {
		return seam(a.GraphQL.Executor)
	}
	return a.GraphQL.Executor
}

func (a *App) embedPusher(c Config, change func(*pusherserver.Config)) (*pusherserver.Server, error) {
	a.capacity.Warn(context.Background(), a.log, c.MaxSockets)
	config := pusherserver.Config{
		Apps:   []pusherserver.App{{ID: c.Pusher.AppID, Key: c.Pusher.Key, Secret: c.Pusher.Secret}},
		Logger: a.log, MaxConnections: a.capacity.Sockets, MaxRefused: a.capacity.Refused,
		ActivityTimeout:   c.ActivityTimeout,
		MaxEventDataBytes: max(c.Subscriptions.PayloadLimit, pusherserver.DefaultMaxEventDataBytes),
		OnSubscription: func(s pusherserver.SubscriptionChange) {
			a.Subscriptions.Changed(bridge.Change{
				Channel: s.Channel, Joined: s.Joined, Listeners: s.Subscribers,
				Unsubscribed: s.Unsubscribed, Heard: s.Heard,
			})
		},
	}
	if change != nil {
		change(&config)
	}
	return pusherserver.New(config)
}

// Load reads the subscriptions that an earlier process stored, so that Run continues them.
func (a *App) Load(ctx context.Context) error { return a.Subscriptions.Load(ctx) }

// realtime returns how a person's browser connects, as package graph needs it.
func (a *App) realtime(ctx context.Context, userID int) (*graph.Realtime, error) {
	c, err := a.People.Connection(auth.ClientFrom(ctx), userID)
	if err != nil { // only the request's Host can be wrong
		return nil, rule.Inputf("Host", "%v: call the server by its name, or set PUBLIC_URL", err)
	}
	r := &graph.Realtime{Key: c.Key, TLS: c.TLS, AuthEndpoint: "/pusher/auth", Channel: c.Channel}
	if c.Cluster != "" {
		r.Cluster = &c.Cluster
	} else {
		r.Host, r.Port = &c.Host, &c.Port
	}
	if c.NoticeChannel != "" {
		r.NoticeChannel = &c.NoticeChannel
	}
	return r, nil
}
