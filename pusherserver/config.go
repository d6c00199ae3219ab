package pusherserver

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Defaults of Config: a zero field has this value.
const (
	DefaultActivityTimeout      = 30 * time.Second
	DefaultPongTimeout          = 60 * time.Second
	DefaultWriteTimeout         = 30 * time.Second
	DefaultShutdownTimeout      = 5 * time.Second
	DefaultMaxRefused           = 1000
	DefaultMaxSubscriptions     = 1000
	DefaultMaxMessageBytes      = 32 << 10
	DefaultMaxChannelNameLength = 164
	DefaultMaxEventDataBytes    = 10 << 10
	DefaultMaxQueuedFrames      = 4096
	DefaultMaxQueuedBytes       = 1 << 20

	DefaultCacheTTL        = 30 * time.Minute
	DefaultMaxCachedEvents = 10_000
	DefaultMaxCachedBytes  = 32 << 20

	DefaultVacatedDelay           = 3 * time.Second
	DefaultWebhookDelay           = 250 * time.Millisecond
	DefaultMaxWebhookEvents       = 20
	DefaultMaxQueuedWebhookEvents = 50_000
)

// App is one tenant: its events reach only its own subscribers. Key is public. Secret signs requests and subscriptions.
type App struct {
	ID     string // in the paths of the HTTP API: letters, digits, '-' and '_'
	Key    string // in the path of the WebSocket: as ID
	Secret string

	Webhooks []Webhook // each gets the events of all channels; usually there are none
}

// Config is the input of New. Apps is required. A zero in any other field means its default.
type Config struct {
	Apps   []App        // at least one; ids and keys are unique
	Logger *slog.Logger // nil discards all records

	ActivityTimeout time.Duration // silence after which a client is pinged; at least 1 s, sent to it in whole seconds
	PongTimeout     time.Duration // further silence after which its connection is closed with 4201
	WriteTimeout    time.Duration // how long one write to a socket, of at most 64 KiB or one frame, may take
	ShutdownTimeout time.Duration // how long the end of Run may take to flush and close the sockets

	MaxConnections       int // 0 is unlimited; further clients get 4100 after a random delay
	MaxRefused           int // sockets that stay open only to send the reason of the rejection; others are closed at once
	MaxSubscriptions     int // per connection
	MaxMessageBytes      int // of one message from a client, with all its fragments
	MaxChannelNameLength int // in bytes, with the prefix; at most 200
	MaxEventDataBytes    int // of the data of one published event
	MaxQueuedFrames      int // that wait for one connection; with more it is closed as too slow
	MaxQueuedBytes       int // as MaxQueuedFrames; room for at least one event of MaxEventDataBytes

	CacheTTL        time.Duration // how long a cache channel keeps its last event; the service keeps it 30 min at most
	MaxCachedEvents int           // per app; with more, the oldest are removed
	MaxCachedBytes  int           // as MaxCachedEvents; room for at least one event of MaxEventDataBytes

	VacatedDelay           time.Duration // how long a channel must stay empty before channel_vacated is sent
	WebhookDelay           time.Duration // how long a webhook event waits for others, to share a request with them
	MaxWebhookEvents       int           // in one request
	MaxQueuedWebhookEvents int           // that wait for one URL, also during VacatedDelay; with more, the oldest are dropped

	// WebhookTransport carries the requests of webhooks; redirects are not followed. Nil means a transport of the
	// server. That one uses the proxy of HTTP_PROXY, HTTPS_PROXY and NO_PROXY, as http.DefaultTransport does.
	WebhookTransport http.RoundTripper

	// OnSubscription, if not nil, is called for every subscription that begins or ends, of all apps. The calls for one
	// channel come in the order of its changes. Calls for several channels may be concurrent. The server holds a lock
	// during the call: OnSubscription must return at once and call no method of Server.
	OnSubscription func(SubscriptionChange)

	// Now is the clock for liveness and for the timestamps of requests. Nil means time.Now. Socket deadlines always
	// follow the system clock.
	Now func() time.Time

	// Uint64 is the source of socket ids and delays. It must be unpredictable and safe for concurrent use. Nil means
	// crypto/rand.
	Uint64 func() uint64
}

// ConfigError is the error of New. It names the field of Config that is not valid.
type ConfigError struct {
	Field  string // as in Go: "MaxQueuedBytes", "Apps[0].Key"
	Reason string // what is allowed
}

func (e *ConfigError) Error() string { return e.Field + " " + e.Reason }

// withDefaults returns c with its defaults in place of zeros. The zero of MaxConnections stays: it means unlimited.
func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Uint64 == nil {
		c.Uint64 = secureUint64
	}
	c.ActivityTimeout = cmp.Or(c.ActivityTimeout, DefaultActivityTimeout)
	c.PongTimeout = cmp.Or(c.PongTimeout, DefaultPongTimeout)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, DefaultWriteTimeout)
	c.ShutdownTimeout = cmp.Or(c.ShutdownTimeout, DefaultShutdownTimeout)
	c.MaxRefused = cmp.Or(c.MaxRefused, DefaultMaxRefused)
	c.MaxSubscriptions = cmp.Or(c.MaxSubscriptions, DefaultMaxSubscriptions)
	c.MaxMessageBytes = cmp.Or(c.MaxMessageBytes, DefaultMaxMessageBytes)
	c.MaxChannelNameLength = cmp.Or(c.MaxChannelNameLength, DefaultMaxChannelNameLength)
	c.MaxEventDataBytes = cmp.Or(c.MaxEventDataBytes, DefaultMaxEventDataBytes)
	c.MaxQueuedFrames = cmp.Or(c.MaxQueuedFrames, DefaultMaxQueuedFrames)
	c.MaxQueuedBytes = cmp.Or(c.MaxQueuedBytes, DefaultMaxQueuedBytes)
	c.CacheTTL = cmp.Or(c.CacheTTL, DefaultCacheTTL)
	c.MaxCachedEvents = cmp.Or(c.MaxCachedEvents, DefaultMaxCachedEvents)
	c.MaxCachedBytes = cmp.Or(c.MaxCachedBytes, DefaultMaxCachedBytes)
	c.VacatedDelay = cmp.Or(c.VacatedDelay, DefaultVacatedDelay)
	c.WebhookDelay = cmp.Or(c.WebhookDelay, DefaultWebhookDelay)
	c.MaxWebhookEvents = cmp.Or(c.MaxWebhookEvents, DefaultMaxWebhookEvents)
	c.MaxQueuedWebhookEvents = cmp.Or(c.MaxQueuedWebhookEvents, DefaultMaxQueuedWebhookEvents)
	return c
}

// validate returns the first *ConfigError of c, or nil. c must have its defaults.
func (c Config) validate() error {
	if err := validateApps(c.Apps); err != nil {
		return err
	}
	for _, timeout := range []struct {
		field string
		value time.Duration
		least time.Duration
	}{
		{"ActivityTimeout", c.ActivityTimeout, time.Second},
		{"PongTimeout", c.PongTimeout, time.Second},
		{"WriteTimeout", c.WriteTimeout, time.Millisecond},
		{"ShutdownTimeout", c.ShutdownTimeout, time.Millisecond},
		{"CacheTTL", c.CacheTTL, time.Second},
		{"VacatedDelay", c.VacatedDelay, time.Millisecond},
		{"WebhookDelay", c.WebhookDelay, time.Millisecond},
	} {
		if timeout.value < timeout.least {
			return &ConfigError{timeout.field, fmt.Sprintf("must be at least %v, it is %v", timeout.least, timeout.value)}
		}
	}
	for _, limit := range []struct {
		field        string
		value, least int
	}{
		{"MaxConnections", c.MaxConnections, 0},
		{"MaxRefused", c.MaxRefused, 1},
		{"MaxSubscriptions", c.MaxSubscriptions, 1},
		{"MaxMessageBytes", c.MaxMessageBytes, 1 << 10},
		{"MaxChannelNameLength", c.MaxChannelNameLength, 1},
		{"MaxEventDataBytes", c.MaxEventDataBytes, 1},
		{"MaxQueuedFrames", c.MaxQueuedFrames, 2},
		{"MaxQueuedBytes", c.MaxQueuedBytes, largestEvent(c.MaxEventDataBytes)},
		{"MaxCachedEvents", c.MaxCachedEvents, 1},
		{"MaxCachedBytes", c.MaxCachedBytes, largestEvent(c.MaxEventDataBytes) + maxChannelNameLength + cachedEventOverhead},
		{"MaxWebhookEvents", c.MaxWebhookEvents, 1},
		{"MaxQueuedWebhookEvents", c.MaxQueuedWebhookEvents, 1},
	} {
		if limit.value < limit.least {
			return &ConfigError{limit.field, fmt.Sprintf("must be at least %d, it is %d", limit.least, limit.value)}
		}
	}
	if c.MaxChannelNameLength > maxChannelNameLength {
		return &ConfigError{"MaxChannelNameLength", fmt.Sprintf("must be at most %d, the limit of the client libraries, it is %d",
			maxChannelNameLength, c.MaxChannelNameLength)}
	}
	return nil
}

func validateApps(apps []App) error {
	if len(apps) == 0 {
		return &ConfigError{"Apps", "must hold at least one app"}
	}
	ids, keys := make(map[string]bool), make(map[string]bool)
	for i, app := range apps {
		field := func(name string) string { return fmt.Sprintf("Apps[%d].%s", i, name) }
		switch {
		case !isPathSegment(app.ID):
			return &ConfigError{field("ID"), "must be one or more letters, digits, '-' and '_'"}
		case !isPathSegment(app.Key):
			return &ConfigError{field("Key"), "must be one or more letters, digits, '-' and '_'"}
		case app.Secret == "":
			return &ConfigError{field("Secret"), "must not be empty"}
		case ids[app.ID]:
			return &ConfigError{field("ID"), "must be unique"}
		case keys[app.Key]:
			return &ConfigError{field("Key"), "must be unique"}
		}
		ids[app.ID], keys[app.Key] = true, true
		for j, w := range app.Webhooks {
			if err := w.validate(); err != nil {
				return &ConfigError{field(fmt.Sprintf("Webhooks[%d].URL", j)), err.Error()}
			}
			if slices.Contains(app.Webhooks[:j], w) {
				return &ConfigError{field(fmt.Sprintf("Webhooks[%d].URL", j)), "must be unique within the app"}
			}
		}
	}
	return nil
}

// isPathSegment reports whether s needs no escape in a URL. So it is the same in the text that a publisher signs.
func isPathSegment(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
}

func secureUint64() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails: on an error crypto/rand ends the program
	return binary.NativeEndian.Uint64(b[:])
}
