package app

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"reflect"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/joho/godotenv"

	"lorebridge/auth"
	"lorebridge/database"
	"lorebridge/graph"
	"lorebridge/outbox"
	"lorebridge/realtime"
	"lorebridge/web"
)

// maxActivityTimeout is longer than proxies wait, and short enough for the timers of every client.
const maxActivityTimeout = time.Hour

// Config is what an operator sets, in all rooms.
type Config struct {
	ListenAddr string     `env:"LISTEN_ADDR" envDefault:"127.0.0.1:8080" help:"where to listen, host:port"`
	LogLevel   slog.Level `env:"LOG_LEVEL" envDefault:"INFO" help:"DEBUG, INFO, WARN or ERROR"`
	MaxSockets int        `env:"MAX_SOCKETS" envDefault:"10000" help:"a whole number: sockets of the embedded server, if descriptors allow"`
	// ActivityTimeout is announced to browsers. Many proxies close a connection that is idle for 60 s.
	ActivityTimeout time.Duration `env:"ACTIVITY_TIMEOUT" envDefault:"30s" help:"a duration such as 30s: silence until a client pings"`
	Database        database.Config
	Auth            auth.Config
	Graph           graph.Settings
	Pusher          realtime.Config
	Subscriptions   realtime.SubscriptionsConfig
	Retention       outbox.RetentionConfig
	Web             web.Settings
	// Demo is the flag -demo.
	Demo bool
}

// loadEnv adds the variables of .env.local, and then those of .env, to the process's environment.
func loadEnv() error {
	for _, name := range []string{".env.local", ".env"} { // Load does not change a variable that is set already
		if err := godotenv.Load(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			// The library's error is left out, because it quotes the file, which may have a secret there.
			return fmt.Errorf("%s cannot be read: it must be lines of NAME=value, as in .env.example", name)
		}
	}
	return nil
}

// readConfig reads the process's environment, then .env.local, then .env.
func readConfig() (Config, error) {
	if err := loadEnv(); err != nil {
		return Config{}, err
	}
	var c Config
	err := env.Parse(&c)
	if parse, ok := errors.AsType[env.ParseError](err); ok {
		for _, v := range documented(reflect.TypeFor[Config]()) {
			if name := v.Tag.Get("env"); v.Name == parse.Name {
				return Config{}, fmt.Errorf("%s is %q: it must be %s", name, os.Getenv(name), v.Tag.Get("help"))
			}
		}
	}
	if err != nil {
		return Config{}, err
	}
	if c.MaxSockets < 1 {
		return Config{}, fmt.Errorf("MAX_SOCKETS is %d: it must be at least 1", c.MaxSockets)
	}
	if c.ActivityTimeout < time.Second || c.ActivityTimeout > maxActivityTimeout {
		return Config{}, fmt.Errorf("ACTIVITY_TIMEOUT is %v: it must be a duration such as 30s, from 1s to %v",
			c.ActivityTimeout, maxActivityTimeout)
	}
	if _, _, err := net.SplitHostPort(c.ListenAddr); err != nil {
		return Config{}, fmt.Errorf("LISTEN_ADDR is %q: it must be host:port, such as 127.0.0.1:8080", c.ListenAddr)
	}
	for _, room := range []interface{ Validate() error }{c.Database, c.Auth, c.Graph, c.Pusher, c.Subscriptions, c.Retention, c.Web} {
		if err := room.Validate(); err != nil {
			return Config{}, err
		}
	}
	return c, nil
}

// documented returns the fields of a configuration that environment variables set, also those of nested structs.
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
		EventsUsage+"\n"+
		"It reads these variables from its environment, then .env.local, then .env:\n\n")
	for _, v := range documented(reflect.TypeFor[Config]()) {
		fmt.Fprintf(out, "  %-30s %-22s %s\n", v.Tag.Get("env"), cmp.Or(v.Tag.Get("envDefault"), "-"), v.Tag.Get("help"))
	}
}
