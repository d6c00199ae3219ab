package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/outbox"
)

// SubscriptionsConfig says how GraphQL subscriptions over Pusher live.
type SubscriptionsConfig struct {
	PerPerson    int           `env:"SUBSCRIPTIONS_PER_PERSON" envDefault:"100" help:"a whole number: GraphQL subscriptions that one person may have at a time"`
	Grace        time.Duration `env:"SUBSCRIPTION_GRACE" envDefault:"60s" help:"how long the server is ready for a client that lost its connection; after that its subscription costs nothing until it is back, such as 60s"`
	Lifetime     time.Duration `env:"SUBSCRIPTION_LIFETIME" envDefault:"720h" help:"how long any subscription lives, such as 720h"`
	Sweep        time.Duration `env:"SUBSCRIPTION_SWEEP" envDefault:"1m" help:"how often channels are looked through, such as 1m"`
	Oversize     Oversize      `env:"SUBSCRIPTION_OVERSIZE" envDefault:"error" help:"error, drop, terminate or fetch: what becomes of results that are too large for Pusher"`
	PayloadLimit int           `env:"PUSHER_PAYLOAD_LIMIT" envDefault:"10240" help:"a whole number: bytes of data that Pusher takes in one event"`
	// WebhookTokens are further app tokens whose webhooks count, while keys are exchanged.
	WebhookTokens []string `env:"PUSHER_WEBHOOK_TOKENS" help:"further key:secret pairs that webhooks may be signed with, separated by commas"`
}

// Validate names the variable that is wrong and what it may be.
func (c SubscriptionsConfig) Validate() error {
	if c.PerPerson < 1 {
		return fmt.Errorf("SUBSCRIPTIONS_PER_PERSON is %d: it must be at least 1", c.PerPerson)
	}
	for _, v := range []struct {
		name  string
		value time.Duration
		least time.Duration
	}{
		{"SUBSCRIPTION_GRACE", c.Grace, time.Second},
		{"SUBSCRIPTION_LIFETIME", c.Lifetime, time.Minute},
		{"SUBSCRIPTION_SWEEP", c.Sweep, time.Second},
	} {
		if v.value < v.least {
			return fmt.Errorf("%s is %v: it must be a duration such as 90s or 1h, at least %v", v.name, v.value, v.least)
		}
	}
	if !c.Oversize.known() {
		return fmt.Errorf("SUBSCRIPTION_OVERSIZE is %q: it must be error, drop, terminate or fetch", c.Oversize)
	}
	if c.PayloadLimit < minPayloadLimit {
		return fmt.Errorf("PUSHER_PAYLOAD_LIMIT is %d: it must be at least %d bytes", c.PayloadLimit, minPayloadLimit)
	}
	_, err := readTokens(c.WebhookTokens)
	return err
}

// SubscriptionsParts are what Subscriptions work with besides their configuration.
type SubscriptionsParts struct {
	Client *ent.Client
	Log    *outbox.Log
	Logger *slog.Logger
}

// Subscriptions is the GraphQL subscriptions of everybody: those whose results travel over Pusher, and the streams.
// It may be used concurrently.
type Subscriptions struct {
	config   SubscriptionsConfig
	bridge   *Bridge
	client   *ent.Client
	eventLog *outbox.Log
	log      *slog.Logger
	tokens   map[string]string // webhook keys and secrets
	workers  int
	running  chan struct{} // as many executions as may run at a time
	exec     graphql.GraphExecutor
	follower *outbox.Follower // gives stored subscriptions their events
	streams  *outbox.Reader   // gives the others theirs
	gate     gate             // closed while Pusher is down
	// registrations are limited by person: every one is a row.
	registrations *auth.Limiter[int]

	// persisting is held while rows are written, so that the older state of one never follows the newer.
	persisting sync.Mutex

	// mu guards everything below. It is never held while Pusher or the database is called.
	mu        sync.Mutex
	byID      map[int]*subscription
	byChannel map[string]*subscription
	topics    map[outbox.Topic]*topic
	perUser   map[int]int // places that subscriptions and streams take
	dirty     map[*subscription]struct{}
	unwritten map[string]*subscription // by channel: ended or gone away, which the database does not know yet
	parting   map[string]*subscription // by channel: ended ones whose former owners were granted the channel
	wentAway  map[int]struct{}         // people of whom a subscription went away lately
	backlog   backlog
	queued    int        // events that wait for groups
	arrived   *sync.Cond // a task came, or the end
	ended     bool
	answering sync.WaitGroup // what waits for the requests behind events to be answered
	stats     SubscriptionStats
}

// SubscriptionStats is a snapshot. Open and Waiting are gauges; the others count since the start.
type SubscriptionStats struct {
	Open       int    `json:"open"`       // stored subscriptions that have not ended, and whose clients are not away
	Waiting    int    `json:"waiting"`    // deliveries and the like that no worker has taken
	Executions uint64 `json:"executions"` // of stored operations
	Updates    uint64 `json:"updates"`    // results sent, one for each subscription
	Oversized  uint64 `json:"oversized"`  // results that were too large for Pusher, one for each subscription
	Failed     uint64 `json:"failed"`     // results with errors, or none because of them, one for each subscription
}

// networkWorkers is how many deliveries may wait for a Pusher elsewhere at a time.
const networkWorkers = 8

// NewSubscriptions returns the subscriptions of b's Pusher. It completes b, so it must be called once, and before b
// is used. Load and then Run make them live.
func NewSubscriptions(c SubscriptionsConfig, b *Bridge, parts SubscriptionsParts) (*Subscriptions, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if parts.Client == nil || parts.Log == nil || parts.Logger == nil {
		return nil, errors.New("bridge: SubscriptionsParts needs a Client, a Log and a Logger")
	}
	tokens, err := readTokens(c.WebhookTokens)
	if err != nil {
		return nil, err
	}
	tokens[b.config.Key] = b.config.Secret
	registrations, err := auth.NewLimiter[int](registrationsPerPlace * c.PerPerson)
	if err != nil {
		return nil, err
	}
	half := max(1, runtime.GOMAXPROCS(0)/2) // the other half is for those who ask
	workers := networkWorkers
	if b.config.Embedded() {
		workers = half // sending is computing, too
	}
	s := &Subscriptions{
		config: c, bridge: b, client: parts.Client, eventLog: parts.Log, log: parts.Logger, tokens: tokens,
		workers: workers, running: make(chan struct{}, half), registrations: registrations,
		byID: make(map[int]*subscription), byChannel: make(map[string]*subscription),
		topics: make(map[outbox.Topic]*topic), perUser: make(map[int]int), backlog: backlog{lines: make(map[int][]task)}, dirty: make(map[*subscription]struct{}),
		unwritten: make(map[string]*subscription), parting: make(map[string]*subscription), wentAway: make(map[int]struct{}),
	}
	s.arrived = sync.NewCond(&s.mu)
	s.gate = gate{check: b.Check, changed: make(chan struct{})}
	if s.follower, err = outbox.NewFollower(outbox.FollowerConfig{
		Log: parts.Log, Logger: parts.Logger, Reader: outbox.Subscriptions, Publish: s.Publish, Resume: s.resume,
	}); err != nil {
		return nil, err
	}
	b.subscriptions = s
	return s, nil
}

// Stats returns the counters.
func (s *Subscriptions) Stats() SubscriptionStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	stats.Open, stats.Waiting = len(s.byID), s.backlog.size
	return stats
}

// Run delivers until ctx ends, then what has committed by then, for at most outbox.DefaultDrain, and at last writes
// down what it knows. It returns an error only if it cannot read where to begin; it must be called once, after Load.
func (s *Subscriptions) Run(ctx context.Context) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ctx, end := context.WithCancel(ctx) // the others end with the follower, also if it could not begin
	defer end()
	var group sync.WaitGroup
	for range s.workers {
		group.Go(func() { s.work(work) })
	}
	group.Go(func() { s.sweepUntil(ctx) })
	group.Go(func() { s.follow(ctx) })
	late, endDrain := context.WithCancel(work)
	defer endDrain()
	drains := context.AfterFunc(ctx, func() { time.AfterFunc(outbox.DefaultDrain, endDrain) })
	defer drains()
	err := s.follower.Run(ctx, late)
	end()
	stop()
	s.mu.Lock()
	s.ended = true
	s.arrived.Broadcast()
	s.mu.Unlock()
	group.Wait()
	s.answering.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), databaseTimeout)
	defer cancel()
	if err := s.Persist(ctx); err != nil {
		s.log.ErrorContext(ctx, "the last state of subscriptions could not be written", slog.Any("error", err))
	}
	return err
}
