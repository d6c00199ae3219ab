package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"lorebridge/pusherapi"
)

// The defaults of Config.
const (
	DefaultPerViewer = 100
	DefaultGrace     = time.Minute
	DefaultLifetime  = 30 * 24 * time.Hour
	DefaultSweep     = time.Minute
	DefaultKept      = 7 * 24 * time.Hour
	// DefaultResultPath is where ResultHandler is mounted.
	DefaultResultPath = "/graphql/subscriptions/result"
)

// Config is what an operator sets. A zero means the default.
type Config struct {
	// PerViewer is how many subscriptions and streams one viewer may have at a time. Anonymous viewers have no limit:
	// limit their requests.
	PerViewer int
	// PerViewerSetting is what the operator calls PerViewer; clients that reach the limit are shown it.
	PerViewerSetting string
	// Grace is how long a client that left is waited for, at least a second. After that its subscription is away: it
	// costs a record until the client joins again.
	Grace time.Duration
	// Lifetime is how long a subscription lives, at least a minute.
	Lifetime time.Duration
	// Sweep is how often Pusher is asked which channels are occupied, at least a second.
	Sweep time.Duration
	// Kept is how long the Log certainly keeps an event, more than an hour. Whoever is away for longer is sent a gap.
	Kept time.Duration
	// Oversize is what becomes of results that are too large for Pusher; by default OversizeError.
	Oversize Oversize
	// ResultPath is where ResultHandler is mounted.
	ResultPath string
	// Namespace keeps apart the channels of installations that share one app: at most 64 letters, digits, - and _. It
	// does not begin with encrypted- or cache-.
	Namespace string
	// WebhookTokens are further secrets by key, beside the app's own, that webhooks may be signed with.
	WebhookTokens map[string]string
}

// ConfigError names the field of Config that is wrong.
type ConfigError struct{ Field, Problem string }

func (e *ConfigError) Error() string { return "bridge: Config." + e.Field + " " + e.Problem }

// maxNamespace leaves room in a channel's name, of which Pusher takes 164 bytes.
const maxNamespace = 64

var (
	namespaces = regexp.MustCompile(`^[A-Za-z0-9_-]*$`)
	tokenKeys  = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
)

// Validate returns a *ConfigError for the first field that is wrong.
func (c Config) Validate() error {
	return c.withDefaults().validate()
}

func (c Config) validate() error {
	if c.PerViewer < 1 {
		return &ConfigError{"PerViewer", fmt.Sprintf("is %d: it must be at least 1", c.PerViewer)}
	}
	for _, v := range []struct {
		name         string
		value, least time.Duration
	}{
		{"Grace", c.Grace, time.Second},
		{"Lifetime", c.Lifetime, time.Minute},
		{"Sweep", c.Sweep, time.Second},
		{"Kept", c.Kept, keptMargin + time.Second},
	} {
		if v.value < v.least {
			return &ConfigError{v.name, fmt.Sprintf("is %v: it must be a duration such as 90s or 1h, at least %v", v.value, v.least)}
		}
	}
	if !c.Oversize.known() {
		return &ConfigError{"Oversize", fmt.Sprintf("is %q: it must be error, drop, terminate or fetch", c.Oversize)}
	}
	if len(c.Namespace) > maxNamespace || !namespaces.MatchString(c.Namespace) ||
		strings.HasPrefix(c.Namespace, "encrypted-") || strings.HasPrefix(c.Namespace, "cache-") {
		return &ConfigError{"Namespace", fmt.Sprintf("is %.100q: it must be at most %d letters, digits, - and _, "+
			"and not begin with encrypted- or cache-", c.Namespace, maxNamespace)}
	}
	for key, secret := range c.WebhookTokens {
		if !tokenKeys.MatchString(key) || secret == "" {
			return &ConfigError{"WebhookTokens", fmt.Sprintf("has the key %q: it must be letters, digits, - and _, with a secret", key)}
		}
	}
	return nil
}

func (c Config) withDefaults() Config {
	c.PerViewer = cmp.Or(c.PerViewer, DefaultPerViewer)
	c.Grace = cmp.Or(c.Grace, DefaultGrace)
	c.Lifetime = cmp.Or(c.Lifetime, DefaultLifetime)
	c.Sweep = cmp.Or(c.Sweep, DefaultSweep)
	c.Kept = cmp.Or(c.Kept, DefaultKept)
	c.Oversize = cmp.Or(c.Oversize, OversizeError)
	c.ResultPath = cmp.Or(c.ResultPath, DefaultResultPath)
	return c
}

// Deps is what a Bridge works with. A field may be nil only if its comment allows it.
type Deps struct {
	Pusher   *pusherapi.Client
	Log      Log
	Store    Store
	Identity Identity
	Logger   *slog.Logger
	// Executor returns what runs the operations of subscriptions, always the same; gqlgen's executor.New makes one. It
	// is called by Load for the first time, so that the resolvers can have the Bridge. A gqlgen handler.Server has an
	// executor of its own: give this one the same error presenter and extensions.
	Executor func() graphql.GraphExecutor
	// Sockets is the embedded server, which reports each change of its channels to Changed; nil where Pusher is
	// another.
	Sockets Sockets
	// Register is asked before each new subscription, for example to limit how often a viewer begins one; nil allows
	// all.
	Register func(Viewer) error
	// CheckTopic returns an error for the topic of a record from an earlier process that means nothing any more: such a
	// subscription ends. Nil takes all topics.
	CheckTopic func(Topic) error
	// Ended reports whether an error in a result means that the viewer may subscribe no longer: it closes the
	// subscription. Nil takes those whose extensions.code is UNAUTHENTICATED, FORBIDDEN or NOT_FOUND.
	Ended func(code any) bool
	// StreamError gives a stream over another transport the error that it ends with; nil is gqlgen's
	// transport.AddSubscriptionError.
	StreamError func(ctx context.Context, err error)
	// Lagging is called when a subscription could not be sent a result, with its topic, the number of attempts in a
	// row, when it is tried next, and why; nil for nobody. It must not block.
	Lagging func(t Topic, attempts int, until time.Time, why string)
}

func (d Deps) validate() error {
	if d.Pusher == nil || d.Log == nil || d.Store == nil || d.Identity == nil || d.Logger == nil || d.Executor == nil {
		return errors.New("bridge: Deps needs Pusher, Log, Store, Identity, Logger and Executor")
	}
	return nil
}

// withDefaults fills in what may be nil.
func (d Deps) withDefaults() Deps {
	if d.Register == nil {
		d.Register = func(Viewer) error { return nil }
	}
	if d.CheckTopic == nil {
		d.CheckTopic = func(Topic) error { return nil }
	}
	if d.Ended == nil {
		d.Ended = func(code any) bool { return revoking[code] }
	}
	if d.Lagging == nil {
		d.Lagging = func(Topic, int, time.Time, string) {}
	}
	if d.StreamError == nil {
		d.StreamError = func(ctx context.Context, err error) {
			defer func() { _ = recover() }() // gqlgen panics where the transport is not its WebSocket: there is no place for it
			transport.AddSubscriptionError(ctx, gqlerror.Wrap(err))
		}
	}
	return d
}
