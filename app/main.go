package app

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/caarlos0/env/v11"

	"lorebridge/database"
	"lorebridge/demo"
)

// heapFloor is the size of an allocation that is never written, so that it uses no memory. The garbage collector counts
// it as live data. Therefore a small heap is first collected at about 64 MB, and a large one when its live data
// doubles.
const heapFloor = 54 << 20

// Main runs the program with its arguments, and returns its exit code. It returns when a command is done, and the
// server runs until a signal ends it.
func Main(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // so that a second signal ends the process at once
	if err := run(ctx, args, stdout, stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(stderr, "lorebridge:", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, args []string, out, logs io.Writer) error {
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
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" { // the floor would count toward such a limit
		floor := make([]byte, heapFloor) // measured in docs/performance.md
		defer runtime.KeepAlive(floor)
	}
	log := slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: c.LogLevel}))
	listener, err := net.Listen("tcp", c.ListenAddr) // first, because a server without an address must not migrate
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
	deps := Deps{Client: client, Health: health, Logger: log, Local: isLocal(c, listener)}
	return errors.Join(serve(ctx, c, listener, deps, out), client.Close())
}

// runEvents runs the command "events". Of the configuration it reads only the database.
func runEvents(ctx context.Context, args []string, out io.Writer) error {
	if err := loadEnv(); err != nil {
		return err
	}
	var c database.Config
	if err := errors.Join(env.Parse(&c), c.Validate()); err != nil {
		return err
	}
	return RunEvents(ctx, c, args, out)
}

// serve connects the rooms and runs them until ctx ends.
func serve(ctx context.Context, c Config, listener net.Listener, deps Deps, out io.Writer) error {
	defer func() { _ = listener.Close() }() // closed already, unless New or a later step fails
	if !c.Demo {                            // because a demo begins with an empty database
		if err := database.Leap(ctx, deps.Client); err != nil {
			return err
		}
	}
	a, err := New(ctx, c, deps)
	if err != nil {
		return err
	}
	if a.control, err = NewControl(c.Database.Path(), a.Relay, a.Log, a.Subscriptions, a.log); err != nil {
		a.log.WarnContext(ctx, "commands cannot reach this server", slog.Any("error", err))
	} else {
		defer func() { _ = a.control.Close() }() // closed already, unless a later step fails
	}
	var people demo.People
	if c.Demo {
		if people, err = demo.Fill(ctx, deps.Client, a.Log.WithTx); err != nil {
			return fmt.Errorf("fill the database %s for -demo: %w", c.Database.Path(), err)
		}
	}
	if err := a.Load(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "Lorebridge is running at %s\n", cmp.Or(c.Auth.PublicURL, "http://"+listener.Addr().String()))
	if c.Demo {
		fmt.Fprintf(out, "\nSign in as any of these, by e-mail address and password:\n\n%s", people)
	}
	return a.Run(ctx, listener)
}

// isLocal reports whether only people at this machine can reach the server. A server behind a proxy listens on loopback
// as well, but it is not local.
func isLocal(c Config, listener net.Listener) bool {
	return listener.Addr().(*net.TCPAddr).IP.IsLoopback() && c.Auth.IsLocal()
}
