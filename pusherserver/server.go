package pusherserver

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// maxSweepInterval is how late a ping, a 4201 or the end of an idle writer may come at most.
const maxSweepInterval = 5 * time.Second

// Server is an http.Handler. Clients connect at /app/{key}, and publishers use the HTTP API at /apps/{id}/... All other
// paths are 404. Run must be running: it finds dead connections and sends the webhooks.
//
// All methods may be called concurrently.
type Server struct {
	config    Config
	started   time.Time
	mux       *http.ServeMux
	appsByID  map[string]*app
	appsByKey map[string]*app
	api       *api
	registry  *registry
	counters  counters

	goroutines sync.WaitGroup
	running    atomic.Bool
}

var _ http.Handler = (*Server)(nil)

// app is an App with its subscribers.
type app struct {
	App
	hub      *hub
	webhooks *webhooks // nil if there are none
}

// counters are the totals of Stats.
type counters struct {
	rejected, slowReaders, events, deliveries, webhookEvents, webhookDrops atomic.Uint64
}

// Stats is a snapshot. The fields of the first group are present values. The others are totals since New.
type Stats struct {
	Connections   int
	Refusing      int // sockets that stay open only until their client has the reason of the rejection
	Channels      int // with at least one subscriber
	Subscriptions int
	CachedEvents  int // of cache channels; expired events count until they are removed
	WebhookQueue  int // events that wait for a webhook URL, counted once for each URL

	Refused     uint64 // sockets that were rejected after their upgrade
	SlowReaders uint64 // connections that were closed because their client read too slowly
	Events      uint64 // published events, counted once for each channel
	Deliveries  uint64 // events queued for a connection, counted once for each connection

	WebhookEvents uint64 // events that a webhook URL accepted, counted once for each URL
	WebhookDrops  uint64 // events that a webhook URL did not accept in time, and events dropped from a full queue
}

// New returns a server that is ready to serve. Its error is a *ConfigError.
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
	s.api = &api{config: &s.config, apps: s.appsByID, counters: &s.counters}
	s.registry = newRegistry(&s.goroutines, config.MaxConnections, config.MaxRefused)
	for _, a := range config.Apps {
		hooks := newWebhooks(s, a)
		served := &app{App: a, hub: newHub(a.ID, &s.config, hooks), webhooks: hooks}
		s.appsByID[a.ID], s.appsByKey[a.Key] = served, served
	}
	s.mux.HandleFunc("/app/{key}", s.serveSocket)
	s.mux.HandleFunc("/app/", s.serveSocket)
	s.api.handle(s.mux)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, http.StatusNotFound, "not found")
	})
	return s, nil
}

// ServeHTTP implements http.Handler. With http.StripPrefix the server may be mounted under a prefix. Publishers sign
// the path without the prefix.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Run pings connections, closes dead ones, and sends webhooks until ctx ends. Then it rejects new connections with 503,
// sends the queued frames, and closes all connections with 4100. It returns nil after the last goroutine of the server,
// at most ShutdownTimeout after the end of ctx. It returns an error at once if it was called before.
//
// Within ShutdownTimeout it tries waiting webhook events once more. Among them is channel_vacated for channels that
// were empty when ctx ended, even before the end of VacatedDelay. For channels that Run itself empties no
// channel_vacated is sent, because their clients connect again, to a restarted server or to another one.
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

// Tag adds tag to a socket, for CloseTagged. Neither owner nor tag may be empty. The first owner of a socket owns it
// until it is closed.
//
// Tag returns the owner of the socket, or an empty string if there is no such socket. If the result is not owner, Tag
// has changed nothing. So nobody can keep CloseTagged from finding the socket of another owner.
func (s *Server) Tag(socketID, owner, tag string) (holder string) {
	return s.registry.tag(socketID, owner, tag)
}

// Tags returns the tags of all sockets, each once and in no order.
func (s *Server) Tags() []string { return s.registry.tags() }

// CloseTagged closes the sockets with this tag, of all apps, and returns how many it closed. Events that were published
// before the call are still sent, if the client reads them within five seconds. Later events do not reach the socket.
//
// The close code is 4009, after which pusher-js does not connect by itself. A socket with other tags gets 4200. Its
// client connects again at once, and needs a new signature for each private channel.
func (s *Server) CloseTagged(tag string) int {
	closed := 0
	for c, more := range s.registry.takeTagged(tag) {
		last := closeRequest{code: codeUnauthorized, reason: "Unauthorized", announce: true, flush: true, within: closeTimeout}
		if more {
			last.code, last.reason = codeReconnect, "Connect again"
		}
		if c.queue.close(last) {
			closed++
		}
	}
	return closed
}

// Stats returns the present values and the totals. The fields may be from slightly different moments.
func (s *Server) Stats() Stats {
	stats := Stats{
		Refused:     s.counters.rejected.Load(),
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

// sweepUntil regularly checks all connections and caches until ctx ends. One goroutine replaces a timer for each.
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

// shutDown closes all sockets and returns when no goroutine is left. Deadlines on all sockets limit how long it takes.
func (s *Server) shutDown() {
	// This must come before any socket is closed, so that no webhook is sent for the channels that this empties.
	for _, a := range s.appsByID {
		if a.webhooks != nil {
			a.webhooks.stop()
		}
	}
	connections, rejections := s.registry.drain()
	s.config.Logger.Info("pusher server closes its sockets", "connections", len(connections), "rejected", len(rejections))
	for _, c := range connections {
		c.queue.close(closeRequest{code: codeOverCapacity, reason: errDraining.Error(), flush: true, within: s.config.ShutdownTimeout})
	}
	for _, j := range rejections {
		// pusher-js treats a lost socket as a 4100: it connects again a second later.
		j.socket.Close()
	}
	s.goroutines.Wait()
}

// uptime returns the nanoseconds since New. With the default clock it is monotonic.
func (s *Server) uptime() int64 { return int64(s.config.Now().Sub(s.started)) }
