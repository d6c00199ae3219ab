// Command pusherserver runs the Pusher Channels server alone, with one app. Use it to develop a front end without its
// back end, or with several back ends. It is configured by environment variables, which -h lists.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/caarlos0/env/v11"

	"lorebridge/pusherserver"
)

// Timeouts of HTTP requests. They do not apply to WebSockets, which have the timeouts of package pusherserver.
const (
	readHeaderTimeout = 10 * time.Second
	requestTimeout    = 30 * time.Second
	idleTimeout       = 120 * time.Second
	shutdownTimeout   = 5 * time.Second
)

// config is the environment. pusherserver.New checks most values, and nameVariable translates its errors.
type config struct {
	ListenAddr      string        `env:"LISTEN_ADDR" envDefault:"127.0.0.1:6001"`
	AppID           string        `env:"PUSHER_APP_ID" envDefault:"1"`
	Key             string        `env:"PUSHER_KEY"`
	Secret          string        `env:"PUSHER_SECRET"`
	MaxSockets      int           `env:"MAX_SOCKETS" envDefault:"10000"`
	ActivityTimeout time.Duration `env:"ACTIVITY_TIMEOUT" envDefault:"30s"`
	// Empty parts are kept, so that New rejects them: behind a superfluous comma a URL may be missing.
	WebhookURLs []string `env:"PUSHER_WEBHOOK_URL"`
}

// webhooks returns what PUSHER_WEBHOOK_URL lists.
func (c config) webhooks() []pusherserver.Webhook {
	var webhooks []pusherserver.Webhook
	for _, url := range c.WebhookURLs {
		webhooks = append(webhooks, pusherserver.Webhook{URL: strings.TrimSpace(url)})
	}
	return webhooks
}

const usage = `Usage: pusherserver

Serves the Pusher Channels protocol: WebSockets at /app/{key}, the HTTP API at /apps/{id}/...
SIGTERM and SIGINT close all sockets so that the clients connect again after a second.

Environment:
  LISTEN_ADDR    host:port to listen on (127.0.0.1:6001)
  MAX_SOCKETS    live connections, as far as descriptors allow; further clients are rejected with 4100 (10000)
  ACTIVITY_TIMEOUT
                 silence on a socket after which its client pings, such as 30s (30s)
  PUSHER_APP_ID  app id in the paths of the HTTP API: letters, digits, - and _ (1)
  PUSHER_KEY     public key of the app: letters, digits, - and _ (required)
  PUSHER_SECRET  secret that signs requests and subscriptions (required)
  PUSHER_WEBHOOK_URL
                 http or https URL that gets channel_occupied, channel_vacated and cache_miss; several are separated by
                 commas (none)
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], env.ToMap(os.Environ()), os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "pusherserver:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. It prints the URL when it listens.
func run(ctx context.Context, args []string, environment map[string]string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("pusherserver", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stderr, usage) }
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: see -h", flags.Arg(0))
	}
	var c config
	err := env.ParseWithOptions(&c, env.Options{Environment: environment})
	if wrong, ok := errors.AsType[env.ParseError](err); ok {
		for name, allowed := range map[string]string{"MAX_SOCKETS": "a whole number, at least 1", "ACTIVITY_TIMEOUT": "a duration such as 30s, at least 1s"} {
			if strings.EqualFold(strings.ReplaceAll(name, "_", ""), wrong.Name) {
				return fmt.Errorf("%s must be %s, it is %q", name, allowed, environment[name])
			}
		}
	}
	if err != nil {
		return fmt.Errorf("read environment: %w", err)
	}
	switch {
	case c.MaxSockets < 1:
		return fmt.Errorf("MAX_SOCKETS must be at least 1, it is %d", c.MaxSockets)
	case c.ActivityTimeout < time.Second:
		return fmt.Errorf("ACTIVITY_TIMEOUT must be at least 1s, it is %v", c.ActivityTimeout)
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	capacity := pusherserver.FitCapacity(c.MaxSockets, 0)
	capacity.Warn(ctx, log, c.MaxSockets)
	server, err := pusherserver.New(pusherserver.Config{
		Apps:   []pusherserver.App{{ID: c.AppID, Key: c.Key, Secret: c.Secret, Webhooks: c.webhooks()}},
		Logger: log, ActivityTimeout: c.ActivityTimeout,
		MaxConnections: capacity.Sockets, MaxRefused: capacity.Refused,
	})
	if err != nil {
		return nameVariable(err)
	}
	listener, err := net.Listen("tcp", c.ListenAddr)
	if err != nil {
		return fmt.Errorf("LISTEN_ADDR must be a free host:port: %w", err)
	}
	fmt.Fprintf(stdout, "pusherserver: app %s at http://%s\n", c.AppID, listener.Addr())
	return serve(ctx, server, listener, capacity)
}

// serve serves until ctx ends. Then it stops accepting connections before it closes the open ones.
func serve(ctx context.Context, server *pusherserver.Server, listener net.Listener, capacity pusherserver.Capacity) error {
	web := &http.Server{
		Handler:           server,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      requestTimeout,
		IdleTimeout:       idleTimeout,
	}
	running, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(running) }()
	release := context.AfterFunc(ctx, func() {
		closing, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		defer cancel()
		if web.Shutdown(closing) != nil {
			web.Close()
		}
		stop()
	})
	err := web.Serve(capacity.Listen(listener, web))
	if release() {
		stop()
	}
	if runErr := <-done; runErr != nil {
		return runErr
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve: %w", err)
}

// nameVariable returns the error of New with the variable in place of the field.
func nameVariable(err error) error {
	variables := map[string]string{
		"Apps[0].ID": "PUSHER_APP_ID", "Apps[0].Key": "PUSHER_KEY", "Apps[0].Secret": "PUSHER_SECRET",
	}
	wrong := new(pusherserver.ConfigError)
	if !errors.As(err, &wrong) {
		return err
	}
	variable := variables[wrong.Field]
	if strings.HasPrefix(wrong.Field, "Apps[0].Webhooks") {
		variable = "PUSHER_WEBHOOK_URL"
	}
	if variable == "" {
		return err
	}
	return fmt.Errorf("%s %s", variable, wrong.Reason)
}
