// Command lorebridge is the server: it reads the configuration, wires the rooms and runs until a signal.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"reflect"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/joho/godotenv"
	"golang.org/x/sync/errgroup"

	"lorebridge/app"
	"lorebridge/auth"
	"lorebridge/bridge"
	"lorebridge/database"
	"lorebridge/demo"
	"lorebridge/ent"
	"lorebridge/ent/rule"
	"lorebridge/graph"
	"lorebridge/outbox"
	"lorebridge/pusherserver"
	"lorebridge/web"
)

// shutdownTimeout is how long requests may take to finish after a signal; the relay's drain comes on top.
const shutdownTimeout = 10 * time.Second

// maxActivityTimeout is longer than any proxy waits, and shorter than what clients cannot count.
const maxActivityTimeout = time.Hour

type config struct {
	ListenAddr string     `env:"LISTEN_ADDR" envDefault:"127.0.0.1:8080" help:"where to listen, host:port"`
	LogLevel   slog.Level `env:"LOG_LEVEL" envDefault:"INFO" help:"DEBUG, INFO, WARN or ERROR"`
	MaxSockets int        `env:"MAX_SOCKETS" envDefault:"10000" help:"a whole number: live connections of the embedded Pusher server, as far as descriptors allow"`
	// ActivityTimeout is announced to browsers; proxies cut what is idle for long, many after 60 s.
	ActivityTimeout time.Duration `env:"ACTIVITY_TIMEOUT" envDefault:"30s" help:"a duration such as 30s: silence on a socket of the embedded Pusher server after which its client pings"`
	Database        database.Config
	Auth            auth.Config
	Graph           graph.Settings
	Pusher          bridge.Config
	// Subscriptions live in the bridge, too.
	Subscriptions bridge.SubscriptionsConfig
	Retention     outbox.RetentionConfig
	Web           web.Settings
	// Demo is the flag -demo.
	Demo bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal does not wait
	err := run(ctx, os.Args[1:], os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "lorebridge:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has run
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("lorebridge", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Usage = func() { printUsage(out) }
	fill := flags.Bool("demo", false, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.Arg(0) == "events" && !*fill {
		return runEvents(ctx, flags.Args()[1:], out)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q: it is configured by its environment, see lorebridge -h", flags.Arg(0))
	}
	c, err := readConfig()
	if err != nil {
		return err
	}
	c.Demo = *fill
	if os.Getenv("GOGC") == "" {
		heapFloor = make([]byte, 54<<20) // measured in docs/performance.md
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: c.LogLevel}))
	listener, err := net.Listen("tcp", c.ListenAddr) // first: who cannot have the address should not migrate either
	if err != nil {
		return fmt.Errorf("LISTEN_ADDR: %w", err)
	}
	if c.Demo && !isLocal(c, listener) {
		return errors.Join(fmt.Errorf("LISTEN_ADDR is %q, PUBLIC_URL %q and TRUSTED_PROXIES %q: -demo makes accounts whose passwords everybody "+
			"knows, so it must be on loopback, such as 127.0.0.1:8080, and without the other two",
			c.ListenAddr, c.Auth.PublicURL, c.Auth.TrustedProxies), listener.Close())
	}
	client, health, err := database.OpenWatched(ctx, c.Database, log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	return errors.Join(serve(ctx, c, listener, client, health, log, out), client.Close())
}

// runEvents is the command "events". It needs nothing of the configuration but the database.
func runEvents(ctx context.Context, args []string, out io.Writer) error {
	if err := loadEnv(); err != nil {
		return err
	}
	var c database.Config
	if err := errors.Join(env.Parse(&c), c.Validate()); err != nil {
		return err
	}
	return app.RunEvents(ctx, c, args, out)
}

// serve joins the rooms and runs them until ctx ends.
func serve(ctx context.Context, c config, listener net.Listener, client *ent.Client, health *database.Health,
	log *slog.Logger, out io.Writer,
) error {
	defer func() { _ = listener.Close() }() // closed already, unless the wiring fails
	if !c.Demo {                            // that begins with an empty database
		if err := database.Leap(ctx, client); err != nil {
			return err
		}
	}
	h, err := build(ctx, c, client, log, c.Web.HasPlayground(isLocal(c, listener)))
	if err != nil {
		return err
	}
	h.health = health
	if h.control, err = app.NewControl(c.Database.Path(), h.relay, h.events, h.subscriptions, log); err != nil {
		log.WarnContext(ctx, "commands cannot reach this server", slog.Any("error", err))
	} else {
		defer func() { _ = h.control.Close() }() // closed already, unless what follows fails
	}
	var people demo.People
	if c.Demo {
		if people, err = demo.Fill(ctx, client, h.events.WithTx); err != nil {
			return fmt.Errorf("fill the database %s for -demo: %w", c.Database.Path(), err)
		}
	}
	if err := h.subscriptions.Load(ctx, h.api.Executor); err != nil {
		return err
	}
	fmt.Fprintf(out, "Lorebridge is running at %s\n", cmp.Or(c.Auth.PublicURL, "http://"+listener.Addr().String()))
	if c.Demo {
		fmt.Fprintf(out, "\nSign in as any of these, by e-mail address and password:\n\n%s", people)
	}
	return h.run(ctx, listener)
}

// isLocal says that only people at this machine reach the server: behind a proxy it listens on loopback, too.
func isLocal(c config, listener net.Listener) bool {
	return listener.Addr().(*net.TCPAddr).IP.IsLoopback() && c.Auth.IsLocal()
}

// house is the rooms, joined.
type house struct {
	client        *ent.Client
	accounts      *auth.Accounts
	events        *outbox.Log
	relay         *outbox.Relay
	retention     *outbox.Retention
	pusher        *bridge.Bridge
	subscriptions *bridge.Subscriptions
	sockets       *pusherserver.Server // nil where Pusher is another
	api           *graph.Handler
	face          *web.Handler
	identify      func(http.Handler) http.Handler
	health        *database.Health
	version       string // of how pages connect
	log           *slog.Logger
	capacity      pusherserver.Capacity
	control       *app.Control // nil where its socket cannot be
	stopping      atomic.Bool
}

func build(ctx context.Context, c config, client *ent.Client, log *slog.Logger, playground bool) (h *house, err error) {
	h = &house{client: client, log: log}
	sockets := c.MaxSockets
	if !c.Pusher.Embedded() {
		sockets = 0
	}
	h.capacity = pusherserver.FitCapacity(sockets, graph.DefaultMaxStreams)
	settings := database.NewSettings(client)
	installation, err := auth.ReadInstallation(ctx, settings)
	if err != nil {
		return nil, err
	}
	if h.accounts, err = auth.NewAccounts(c.Auth, auth.Parts{Client: client, Logger: log}); err != nil {
		return nil, err
	}
	if h.identify, err = auth.Middleware(h.accounts, installation, c.Auth); err != nil {
		return nil, err
	}
	if h.events, err = outbox.New(ctx, outbox.Config{Client: client, Logger: log}); err != nil {
		return nil, err
	}
	h.retention = outbox.NewRetention(c.Retention, h.events, log)
	if err := h.buildPusher(ctx, c, settings); err != nil {
		return nil, err
	}
	h.accounts.Listen(h.pusher)
	h.version = h.pusher.Version(c.Auth.PublicURL)
	if h.relay, err = outbox.NewRelay(outbox.RelayConfig{Log: h.events, Sender: h.pusher, Logger: log}); err != nil {
		return nil, err
	}
	page := ""
	if playground {
		page = "/playground"
	}
	h.api, err = graph.NewHandler(c.Graph, graph.Parts{
		Client: client, WithTx: h.events.WithTx, Accounts: h.accounts, Logger: log,
		Subscriptions: h.subscriptions,
		Realtime:      h.realtime,
		Introspection: playground,
		Playground:    page,
		MaxStreams:    h.capacity.Streams,
	})
	if err != nil {
		return nil, err
	}
	h.face, err = web.New(web.Config{Playground: playground, ConnectTo: c.Pusher.Origins(c.Auth.PublicURL)})
	return h, err
}

// buildPusher builds our side of Pusher, and where none is configured, Pusher itself.
func (h *house) buildPusher(ctx context.Context, c config, settings database.Settings) (err error) {
	parts := bridge.Parts{Sessions: h.accounts, Logger: h.log, PublicURL: c.Auth.PublicURL}
	if c.Pusher.Embedded() {
		if !c.Pusher.HasApp() {
			if c.Pusher, err = c.Pusher.WithOwnApp(ctx, settings, c.Database.Path()+".pusher.json", h.log); err != nil {
				return err
			}
		}
		h.capacity.Warn(context.Background(), h.log, c.MaxSockets)
		h.sockets, err = pusherserver.New(pusherserver.Config{
			Apps:   []pusherserver.App{{ID: c.Pusher.AppID, Key: c.Pusher.Key, Secret: c.Pusher.Secret}},
			Logger: h.log, MaxConnections: h.capacity.Sockets, MaxRefused: h.capacity.Refused,
			ActivityTimeout:   c.ActivityTimeout,
			MaxEventDataBytes: max(c.Subscriptions.PayloadLimit, pusherserver.DefaultMaxEventDataBytes),
			OnSubscription: func(s pusherserver.SubscriptionChange) {
				h.subscriptions.Changed(bridge.Change{
					Channel: s.Channel, Joined: s.Joined, Listeners: s.Subscribers, Unsubscribed: s.Unsubscribed, Heard: s.Heard,
				})
			},
		})
		if err != nil {
			return err
		}
		parts.Transport, parts.Sockets = h.sockets.RoundTripper(), h.sockets
	}
	if h.pusher, err = bridge.New(c.Pusher, parts); err != nil {
		return err
	}
	h.subscriptions, err = bridge.NewSubscriptions(c.Subscriptions, h.pusher,
		bridge.SubscriptionsParts{Client: h.client, Log: h.events, Logger: h.log})
	return err
}

// routes are the paths that are answered.
func (h *house) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/graphql", h.withVersion(h.identify(h.api)))
	mux.Handle("/graphql/subscriptions/result", h.identify(http.HandlerFunc(h.subscriptions.ServeResult)))
	for _, path := range []string{"/pusher/auth", "/graphql/subscriptions/auth"} { // the second is where Lighthouse's clients ask
		mux.Handle(path, h.identify(h.pusher))
	}
	for _, path := range []string{"/pusher/webhooks", "/graphql/subscriptions/webhook"} {
		mux.HandleFunc(path, h.subscriptions.ServeWebhook)
	}
	if h.sockets != nil {
		mux.Handle("/app/", h.sockets)
		mux.Handle("/apps/", h.sockets)
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { h.report(w, r, []string{}) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { h.report(w, r, h.problems()) })
	mux.Handle("/", h.face)
	return mux
}

// run serves until ctx ends. Then it stops accepting, ends the streams, lets requests finish, sends what the readers of the log have yet to
// send, and only then closes the sockets that the last events travel over.
func (h *house) run(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           h.routes(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      graph.DefaultTimeout + 15*time.Second, // event streams have their own
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(h.log.Handler(), slog.LevelWarn),
	}
	group, ctx := errgroup.WithContext(ctx)
	readersCtx, stopReaders := context.WithCancel(context.WithoutCancel(ctx))
	socketsCtx, stopSockets := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error {
		if err := server.Serve(h.capacity.Listen(listener, server)); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		h.stopping.Store(true)
		defer stopReaders()
		h.api.Close()
		timeout, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		err := server.Shutdown(timeout)
		h.announce(context.WithoutCancel(ctx)) // now: whoever asks us no longer gets the settings of before
		if err != nil {
			return errors.Join(fmt.Errorf("finish the last requests: %w", err), server.Close())
		}
		return nil
	})
	group.Go(func() error { return h.announceChange(ctx) })
	group.Go(func() error {
		defer stopSockets()
		var readers errgroup.Group
		for _, run := range []func(context.Context) error{h.relay.Run, h.subscriptions.Run} {
			readers.Go(func() error {
				defer stopReaders() // neither goes on without the other
				return run(readersCtx)
			})
		}
		return readers.Wait()
	})
	if h.sockets != nil {
		group.Go(func() error {
			err := h.sockets.Run(socketsCtx)
			return errors.Join(err, h.subscriptions.Persist(context.WithoutCancel(ctx))) // now it is known what their clients had
		})
	}
	group.Go(func() error { return h.accounts.Run(ctx) })
	group.Go(func() error { return h.keepTidy(ctx) })
	group.Go(func() error { return h.health.Run(ctx) })
	if h.control != nil {
		group.Go(func() error { return h.control.Run(ctx) })
	}
	return group.Wait()
}

// versionHeader is on every answer of the API, so that whatever a page asks, it learns that it has to connect in another way.
const versionHeader = "X-Realtime-Version"

func (h *house) withVersion(next http.Handler) http.Handler {
	version := []string{h.version}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()[versionHeader] = version
		next.ServeHTTP(w, r)
	})
}

// announceChange asks the pages that are open to connect anew, if a server before this one gave them other settings.
func (h *house) announceChange(ctx context.Context) error {
	before, err := database.NewSettings(h.client).Replace(ctx, "realtime version", h.version)
	if err != nil && ctx.Err() == nil {
		return err
	}
	if before != "" && before != h.version {
		h.announce(ctx)
	}
	return nil
}

// announce does its best: pages that it does not reach learn it when they are refused, or with their next question.
func (h *house) announce(ctx context.Context) {
	if err := h.pusher.Announce(ctx); err != nil {
		h.log.InfoContext(ctx, "open pages could not be asked to connect anew", slog.Any("error", err))
	}
}

// realtime joins what graph asks for to what bridge knows.
func (h *house) realtime(ctx context.Context, userID int) (*graph.Realtime, error) {
	c, err := h.pusher.Connection(auth.ClientFrom(ctx), userID)
	if err != nil { // the request's Host is all that can be wrong
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

// keepTidy removes, every hour, what nobody can use or see any more.
func (h *house) keepTidy(ctx context.Context) error {
	ticker := time.NewTicker(time.Hour)
	defer ticker.Stop()
	for {
		err := errors.Join(h.retention.Remove(ctx), h.accounts.RemoveEnded(ctx), h.subscriptions.RemoveClosed(ctx))
		if err != nil && ctx.Err() == nil {
			h.log.ErrorContext(ctx, "old events, sessions and subscriptions could not be removed; trying again in an hour", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// problems are why this server should get no requests now.
func (h *house) problems() []string {
	found := []string{}
	if h.stopping.Load() {
		found = append(found, "the server is stopping")
	}
	if problem := h.health.Problem(); problem != "" {
		found = append(found, problem)
	}
	broken, _ := h.pusher.Faults()
	return append(found, broken...)
}

func (h *house) report(w http.ResponseWriter, r *http.Request, problems []string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if len(problems) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	status := h.relay.Status()
	_, warnings := h.pusher.Faults()
	parked, err := h.events.CountParked(r.Context())
	if err != nil && r.Context().Err() == nil {
		warnings = append(warnings, "what is parked cannot be counted: the log says why")
		h.log.WarnContext(r.Context(), "what is parked cannot be counted", slog.Any("error", err))
	}
	_ = json.NewEncoder(w).Encode(map[string]any{ // the asker may be gone
		"ok": len(problems) == 0, "problems": problems, "warnings": warnings, "eventsWaiting": status.Waiting, "moreInTable": status.Behind,
		"parked": parked, "subscriptions": h.subscriptions.Stats(),
	})
}

// loadEnv adds to the process's environment what .env.local has, and then what .env has.
func loadEnv() error {
	for _, name := range []string{".env.local", ".env"} { // Load keeps what is set already
		if err := godotenv.Load(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			// Not with the library's words: they quote the line, and with it a secret.
			return fmt.Errorf("%s cannot be read: it must be lines of NAME=value, as in .env.example", name)
		}
	}
	return nil
}

// readConfig reads the process's environment, then .env.local, then .env.
func readConfig() (config, error) {
	if err := loadEnv(); err != nil {
		return config{}, err
	}
	var c config
	err := env.Parse(&c)
	if parse, ok := errors.AsType[env.ParseError](err); ok {
		for _, v := range documented(reflect.TypeFor[config]()) {
			if name := v.Tag.Get("env"); v.Name == parse.Name {
				return config{}, fmt.Errorf("%s is %q: it must be %s", name, os.Getenv(name), v.Tag.Get("help"))
			}
		}
	}
	if err != nil {
		return config{}, err
	}
	if c.MaxSockets < 1 {
		return config{}, fmt.Errorf("MAX_SOCKETS is %d: it must be at least 1", c.MaxSockets)
	}
	if c.ActivityTimeout < time.Second || c.ActivityTimeout > maxActivityTimeout {
		return config{}, fmt.Errorf("ACTIVITY_TIMEOUT is %v: it must be a duration such as 30s, from 1s to %v", c.ActivityTimeout, maxActivityTimeout)
	}
	if _, _, err := net.SplitHostPort(c.ListenAddr); err != nil {
		return config{}, fmt.Errorf("LISTEN_ADDR is %q: it must be host:port, such as 127.0.0.1:8080", c.ListenAddr)
	}
	for _, room := range []interface{ Validate() error }{c.Database, c.Auth, c.Graph, c.Pusher, c.Subscriptions, c.Retention, c.Web} {
		if err := room.Validate(); err != nil {
			return config{}, err
		}
	}
	return c, nil
}

// documented are the fields of a configuration that variables set, in all its rooms.
func documented(t reflect.Type) []reflect.StructField {
	var fields []reflect.StructField
	for _, field := range reflect.VisibleFields(t) {
		if field.Tag.Get("env") != "" {
			fields = append(fields, field)
		} else if field.Type.Kind() == reflect.Struct {
			fields = append(fields, documented(field.Type)...)
		}
	}
	return fields
}

func printUsage(out io.Writer) {
	fmt.Fprint(out, "lorebridge [-demo]\n\n"+
		"  -demo  fills an empty database with three people and what they know, prints how to sign in as each, and runs on\n\n"+
		app.EventsUsage+"\n"+
		"It reads these variables from its environment, then .env.local, then .env:\n\n")
	for _, v := range documented(reflect.TypeFor[config]()) {
		fmt.Fprintf(out, "  %-30s %-22s %s\n", v.Tag.Get("env"), cmp.Or(v.Tag.Get("envDefault"), "-"), v.Tag.Get("help"))
	}
}

// heapFloor is never touched, and so takes no memory. To the garbage collector it is alive: a small heap is not
// collected before it has some 64 MB, and a large one when what is alive has doubled.
var heapFloor []byte
