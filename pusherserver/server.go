package pusherserver

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// maxSweepInterval bounds how late a ping, a 4201 or the end of an idle writer may come.
const maxSweepInterval = 5 * time.Second

// Server is an http.Handler for /app/{key}, where clients connect, and /apps/{id}/..., where events are published.
// Everything else is 404. Run must be called for it to notice clients that vanished.
type Server struct {
	config    Config
	started   time.Time
	mux       *http.ServeMux
	appsByID  map[string]*app
	appsByKey map[string]*app
	registry  *registry
	counters  counters

	goroutines sync.WaitGroup
	running    atomic.Bool
}

var _ http.Handler = (*Server)(nil)

// app is an App with those who listen to it.
type app struct {
	App
	hub      *hub
	webhooks *webhooks // nil if there are none
}

// counters are the source of the totals in Stats.
type counters struct {
	refused, slowReaders, events, deliveries, webhookEvents, webhookDrops atomic.Uint64
}

// Stats is a snapshot. The first group of fields are gauges; the others count since New.
type Stats struct {
	Connections   int
	Refusing      int // sockets kept open only until they know why they are refused
	Channels      int // with at least one subscriber
	Subscriptions int
	CachedEvents  int // of cache channels; those that expired count until the next look at them
	WebhookQueue  int // events that wait for a webhook URL, once for each

	Refused     uint64 // sockets that were not let in after their upgrade
	SlowReaders uint64 // connections closed because they did not take their events
	Events      uint64 // published, once for each channel
	Deliveries  uint64 // of an event to a connection

	WebhookEvents uint64 // accepted by a webhook URL, once for each
	WebhookDrops  uint64 // events that a webhook URL did not get: it did not accept them in time, or too many waited
}

// New returns a server that is ready to serve, or a *ConfigError.
func New(config Config) (*Server, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	s := &Server{
		config:    config,
		started:   config.Now(),
		mux:       http.NewServeMux(),
		appsByID:  make(map[string]*app),
		appsByKey: make(map[string]*app),
	}
	s.registry = newRegistry(&s.goroutines, config.MaxConnections, config.MaxRefused)
	for _, a := range config.Apps {
		hooks := newWebhooks(s, a)
		served := &app{App: a, hub: newHub(a.ID, &s.config, hooks), webhooks: hooks}
		s.appsByID[a.ID], s.appsByKey[a.Key] = served, served
	}
	s.mux.HandleFunc("/app/{key}", s.serveSocket)
	s.mux.HandleFunc("/app/", s.serveSocket)
	s.mux.HandleFunc("/apps/{id}/events", s.signed(http.MethodPost, s.serveEvents))
	s.mux.HandleFunc("/apps/{id}/batch_events", s.signed(http.MethodPost, s.serveBatch))
	s.mux.HandleFunc("/apps/{id}/channels", s.signed(http.MethodGet, s.serveChannels))
	s.mux.HandleFunc("/apps/{id}/channels/{channel}", s.signed(http.MethodGet, s.serveChannel))
	s.mux.HandleFunc("/apps/{id}/channels/{channel}/users", s.signed(http.MethodGet, s.serveUsers))
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, http.StatusNotFound, "not found")
	})
	return s, nil
}

// ServeHTTP implements http.Handler. It can be mounted under a prefix with http.StripPrefix: publishers sign the path
// without it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Run watches over the connections and sends the webhooks until ctx ends. Then it refuses new connections with 503,
// closes the others with 4100 after what is queued for them, and returns nil when no goroutine of the server is left,
// which takes at most ShutdownTimeout. It can be called once.
//
// Webhooks that wait are sent once more within the same time, among them channel_vacated of channels that were empty
// when ctx ended, whether or not VacatedDelay is over. That the end of Run empties the others is not sent: their
// clients come back, to this program started again or to another.
func (s *Server) Run(ctx context.Context) error {
	if s.running.Swap(true) {
		return errors.New("run pusher server: it was run before")
	}
	sending, stopSending := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSending()
	for _, a := range s.appsByID {
		if a.webhooks != nil {
			a.webhooks.start(sending, &s.goroutines)
		}
	}
	s.sweepUntil(ctx)
	defer time.AfterFunc(s.config.ShutdownTimeout, stopSending).Stop()
	s.shutDown()
	return nil
}

// Tag gives a socket to its owner, for good, and adds a tag to those that CloseTagged finds it by; neither is empty.
// It returns whose the socket is: another than owner if it was given to that one before, or empty if there is no such
// socket, or no longer. Then nothing has changed: nobody takes another's socket out of reach of CloseTagged.
func (s *Server) Tag(socketID, owner, tag string) (holder string) {
	return s.registry.tag(socketID, owner, tag)
}

// Tags returns the tags that sockets have.
func (s *Server) Tags() []string { return s.registry.tags() }

// CloseTagged closes the sockets with this tag, of all apps. What was published before it is called is still sent, as
// far as they take it at once; nothing that is published later reaches them. It returns how many it closed.
//
// The code is 4009, after which pusher-js does not connect by itself. A socket that has further tags gets 4200: its
// client connects anew, and joins its channels with what it has to show by then.
func (s *Server) CloseTagged(tag string) int {
	closed := 0
	for c, more := range s.registry.takeTagged(tag) {
		last := farewell{code: codeUnauthorized, reason: "Unauthorized", announce: true, flush: true, within: closeTimeout}
		if more {
			last.code, last.reason = codeReconnect, "Connect again"
		}
		if c.queue.close(last) {
			closed++
		}
	}
	return closed
}

// Stats returns the present state. Its fields are each right, but not all of the same instant.
func (s *Server) Stats() Stats {
	stats := Stats{
		Refused:     s.counters.refused.Load(),
		SlowReaders: s.counters.slowReaders.Load(),
		Events:      s.counters.events.Load(),
		Deliveries:  s.counters.deliveries.Load(),

		WebhookEvents: s.counters.webhookEvents.Load(),
		WebhookDrops:  s.counters.webhookDrops.Load(),
	}
	stats.Connections, stats.Refusing = s.registry.count()
	for _, a := range s.appsByID {
		channels, subscriptions := a.hub.count()
		stats.Channels += channels
		stats.Subscriptions += subscriptions
		stats.CachedEvents += a.hub.cache.count()
		if a.webhooks != nil {
			stats.WebhookQueue += a.webhooks.count()
		}
	}
	return stats
}

// sweepUntil looks at all connections, and at what is cached, in turn: one goroutine instead of a timer for each.
func (s *Server) sweepUntil(ctx context.Context) {
	interval := min(s.config.ActivityTimeout/4, s.config.PongTimeout/4, maxSweepInterval)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var connections []*connection
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		connections = s.registry.appendAll(connections[:0])
		now := s.uptime()
		for _, c := range connections {
			c.checkAlive(now)
			c.queue.retireWriter()
		}
		clear(connections)
		for _, a := range s.appsByID {
			a.hub.cache.sweep()
		}
	}
}

// shutDown returns when no goroutine is left. Deadlines on all sockets see to it that this comes to pass.
func (s *Server) shutDown() {
	// Before any socket is closed, so that the channels that this empties are not told.
	for _, a := range s.appsByID {
		if a.webhooks != nil {
			a.webhooks.stop()
		}
	}
	connections, refused := s.registry.drain()
	s.config.Logger.Info("pusher server closes its sockets", "connections", len(connections), "refused", len(refused))
	for _, c := range connections {
		c.queue.close(farewell{code: codeOverCapacity, reason: errDraining.Error(), flush: true, within: s.config.ShutdownTimeout})
	}
	for _, f := range refused {
		// To pusher-js a lost socket is what 4100 is: a second later it comes again.
		f.socket.Close()
	}
	s.goroutines.Wait()
}

// uptime is in nanoseconds and, with the default clock, monotonic.
func (s *Server) uptime() int64 { return int64(s.config.Now().Sub(s.started)) }
