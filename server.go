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
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/joho/godotenv"
	"golang.org/x/sync/errgroup"

	"lorebridge/auth"
	"lorebridge/bridge"
	"lorebridge/database"
	"lorebridge/ent"
	"lorebridge/ent/rule"
	"lorebridge/graph"
	"lorebridge/outbox"
	"lorebridge/pusherserver"
)

// shutdownTimeout is how long requests may take to finish after a signal; the relay's drain comes on top.
const shutdownTimeout = 10 * time.Second

type config struct {
	ListenAddr string     `env:"LISTEN_ADDR" envDefault:"127.0.0.1:8080" help:"where to listen, host:port"`
	LogLevel   slog.Level `env:"LOG_LEVEL" envDefault:"INFO" help:"DEBUG, INFO, WARN or ERROR"`
	MaxSockets int        `env:"MAX_SOCKETS" envDefault:"10000" help:"a whole number: live connections of the embedded Pusher server"`
	Database   database.Config
	Auth       auth.Config
	Graph      graph.Settings
	Pusher     bridge.Config
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
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q: it is configured by its environment, see lorebridge -h", flags.Arg(0))
	}
	c, err := readConfig()
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400) // the heap is small: measured in docs/performance.md
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: c.LogLevel}))
	listener, err := net.Listen("tcp", c.ListenAddr) // first: who cannot have the address should not migrate either
	if err != nil {
		return fmt.Errorf("LISTEN_ADDR: %w", err)
	}
	client, err := database.Open(ctx, c.Database)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	return errors.Join(serve(ctx, c, listener, client, log, out), client.Close())
}

// serve wires the rooms and runs them. On a signal it stops accepting, lets requests finish, drains the relay, and
// only then closes the sockets that the last events travel over.
func serve(ctx context.Context, c config, listener net.Listener, client *ent.Client, log *slog.Logger, out io.Writer) (err error) {
	defer func() { _ = listener.Close() }() // closed already, unless the wiring fails
	accounts, err := auth.NewAccounts(client, c.Auth)
	if err != nil {
		return err
	}
	identify, err := auth.Middleware(accounts, c.Auth)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	parts := bridge.Parts{Sessions: accounts, Logger: log}
	runSockets := func(context.Context) error { return nil }
	if c.Pusher.Embedded() {
		if !c.Pusher.HasApp() {
			if c.Pusher, err = c.Pusher.WithOwnApp(c.Database.Path() + ".pusher.json"); err != nil {
				return err
			}
		}
		sockets, err := pusherserver.New(pusherserver.Config{
			Apps:   []pusherserver.App{{ID: c.Pusher.AppID, Key: c.Pusher.Key, Secret: c.Pusher.Secret}},
			Logger: log, MaxConnections: c.MaxSockets,
		})
		if err != nil {
			return err
		}
		parts.Transport, parts.Sockets, runSockets = sockets.RoundTripper(), sockets, sockets.Run
		mux.Handle("/app/", sockets)
		mux.Handle("/apps/", sockets)
	}
	pusher, err := bridge.New(c.Pusher, parts)
	if err != nil {
		return err
	}
	relay, err := outbox.New(outbox.Config{Client: client, Sender: pusher, Logger: log})
	if err != nil {
		return err
	}
	api, err := graph.NewHandler(c.Graph, graph.Parts{
		Client: client, WithTx: relay.WithTx, Accounts: accounts, Logger: log,
		Realtime:      connection(pusher),
		SessionEnded:  pusher.EndSession,
		Introspection: listener.Addr().(*net.TCPAddr).IP.IsLoopback(),
	})
	if err != nil {
		return err
	}
	var stopping atomic.Bool
	mux.Handle("/graphql", identify(api))
	mux.Handle("/pusher/auth", identify(pusher))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { report(w, relay, []string{}) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		report(w, relay, problems(r.Context(), relay, &stopping))
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "Lorebridge is running. Its API is POST /graphql; its README has a tour.\n")
	})
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      graph.DefaultTimeout + 15*time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	group, ctx := errgroup.WithContext(ctx)
	relayCtx, stopRelay := context.WithCancel(context.WithoutCancel(ctx))
	socketsCtx, stopSockets := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		stopping.Store(true)
		defer stopRelay()
		timeout, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if err := server.Shutdown(timeout); err != nil {
			return errors.Join(fmt.Errorf("finish the last requests: %w", err), server.Close())
		}
		return nil
	})
	group.Go(func() error {
		defer stopSockets()
		return relay.Run(relayCtx)
	})
	group.Go(func() error { return runSockets(socketsCtx) })
	group.Go(func() error { return keepTidy(ctx, client, accounts, log) })
	fmt.Fprintf(out, "Lorebridge is running at %s\n", cmp.Or(c.Auth.PublicURL, "http://"+listener.Addr().String()))
	return group.Wait()
}

// connection joins what graph asks for to what bridge knows.
func connection(b *bridge.Bridge) func(context.Context, int) (*graph.Realtime, error) {
	return func(ctx context.Context, userID int) (*graph.Realtime, error) {
		c, err := b.Connection(auth.ClientFrom(ctx), userID)
		if err != nil { // the request's Host is all that can be wrong
			return nil, rule.Inputf("Host", "%v: call the server by its name, or set PUBLIC_URL", err)
		}
		r := &graph.Realtime{Key: c.Key, TLS: c.TLS, AuthEndpoint: "/pusher/auth", Channel: c.Channel}
		if c.Cluster != "" {
			r.Cluster = &c.Cluster
		} else {
			r.Host, r.Port = &c.Host, &c.Port
		}
		return r, nil
	}
}

// keepTidy removes, every hour, what nobody can use or see any more.
func keepTidy(ctx context.Context, client *ent.Client, accounts *auth.Accounts, log *slog.Logger) error {
	ticker := time.NewTicker(time.Hour)
	defer ticker.Stop()
	for {
		if err := errors.Join(outbox.RemoveOld(ctx, client), accounts.RemoveExpired(ctx)); err != nil && ctx.Err() == nil {
			log.ErrorContext(ctx, "old events and sessions could not be removed; trying again in an hour", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// problems are why this server should get no requests now.
func problems(ctx context.Context, relay *outbox.Relay, stopping *atomic.Bool) []string {
	found := []string{}
	if stopping.Load() {
		found = append(found, "the server is stopping")
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := relay.WithTx(ctx, func(context.Context, *ent.Client) error { return nil }); err != nil {
		found = append(found, "the database cannot be written: "+err.Error())
	}
	if err := relay.Status().Err; errors.Is(err, outbox.ErrUnauthorized) {
		found = append(found, "events wait: "+err.Error()+": check PUSHER_APP_ID, PUSHER_KEY, PUSHER_SECRET and the account")
	}
	return found
}

func report(w http.ResponseWriter, relay *outbox.Relay, problems []string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if len(problems) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	status := relay.Status()
	_ = json.NewEncoder(w).Encode(map[string]any{ // the asker may be gone
		"ok": len(problems) == 0, "problems": problems, "eventsWaiting": status.Waiting, "moreInTable": status.Behind,
	})
}

// readConfig reads the process's environment, then .env.local, then .env.
func readConfig() (config, error) {
	for _, name := range []string{".env.local", ".env"} { // Load keeps what is set already
		if err := godotenv.Load(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			// Not with the library's words: they quote the line, and with it a secret.
			return config{}, fmt.Errorf("%s cannot be read: it must be lines of NAME=value, as in .env.example", name)
		}
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
	if _, _, err := net.SplitHostPort(c.ListenAddr); err != nil {
		return config{}, fmt.Errorf("LISTEN_ADDR is %q: it must be host:port, such as 127.0.0.1:8080", c.ListenAddr)
	}
	for _, room := range []interface{ Validate() error }{c.Database, c.Auth, c.Graph, c.Pusher} {
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
	fmt.Fprint(out, "lorebridge takes no arguments; it reads these variables from its environment, then .env.local, then .env:\n\n")
	for _, v := range documented(reflect.TypeFor[config]()) {
		fmt.Fprintf(out, "  %-30s %-22s %s\n", v.Tag.Get("env"), cmp.Or(v.Tag.Get("envDefault"), "-"), v.Tag.Get("help"))
	}
}
