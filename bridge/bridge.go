package bridge

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"lorebridge/pusherapi"
)

// What calls of Pusher's HTTP API are for.
const (
	forResults  pusherapi.Purpose = "results of subscriptions"
	forChannels pusherapi.Purpose = "the list of channels"
)

// networkWorkers is how many deliveries may wait for a Pusher elsewhere at a time.
const networkWorkers = 8

// Bridge carries the GraphQL subscriptions of everybody: those whose results travel over Pusher, and the streams. It
// may be used concurrently, except as Load and Run say.
type Bridge struct {
	config   Config
	deps     Deps
	pusher   *pusherapi.Client
	eventLog Log
	rows     Store
	identity Identity
	log      *slog.Logger
	workers  int
	running  chan struct{} // as many executions as may run at a time
	gate     gate          // closed while Pusher is down

	// persisting is held while records are written, so that the older state of one never follows the newer.
	persisting sync.Mutex

	// mu guards everything below. It is never held while Pusher, the Log, the Store or a resolver is called.
	mu        sync.Mutex
	byID      map[int]*subscription
	byChannel map[string]*subscription
	topics    map[Topic]*topic
	perUser   map[string]int // places that subscriptions and streams take
	dirty     map[*subscription]struct{}
	unwritten map[string]*subscription // by channel: ended or gone away, which the store does not know yet
	parting   map[string]*subscription // by channel: ended ones whose former owners were granted the channel
	wentAway  map[string]struct{}      // people of whom a subscription went away lately
	backlog   backlog
	queued    int        // events that wait for groups
	arrived   *sync.Cond // a task came, or the end
	ended     bool
	answering sync.WaitGroup // what waits for the requests behind events to be answered
	stats     Stats
}

// Stats is a snapshot. Open and Waiting are gauges; the others count since the start.
type Stats struct {
	Open       int    `json:"open"`       // stored subscriptions that have not ended, and whose clients are not away
	Waiting    int    `json:"waiting"`    // deliveries and the like that no worker has taken
	Executions uint64 `json:"executions"` // of stored operations
	Updates    uint64 `json:"updates"`    // results sent, one for each subscription
	Oversized  uint64 `json:"oversized"`  // results that were too large for Pusher, one for each subscription
	Failed     uint64 `json:"failed"`     // results with errors, or none because of them, one for each subscription
}

// New returns a Bridge. Load and then Run make it live.
func New(c Config, deps Deps) (*Bridge, error) {
	if err := deps.validate(); err != nil {
		return nil, err
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if deps.Pusher.PayloadLimit() < MinPayloadLimit {
		return nil, &ConfigError{"Pusher", "takes fewer bytes in an event than MinPayloadLimit"}
	}
	if deps.Register == nil {
		deps.Register = func(Viewer) error { return nil }
	}
	if deps.CheckTopic == nil {
		deps.CheckTopic = func(Topic) error { return nil }
	}
	if deps.Ended == nil {
		deps.Ended = func(code any) bool { return revoking[code] }
	}
	if deps.Lagging == nil {
		deps.Lagging = func(Topic, int, time.Time, string) {}
	}
	if deps.StreamError == nil {
		deps.StreamError = func(ctx context.Context, err error) { transport.AddSubscriptionError(ctx, gqlerror.Wrap(err)) }
	}
	half := max(1, runtime.GOMAXPROCS(0)/2) // the other half is for those who ask
	workers := networkWorkers
	if deps.Sockets != nil {
		workers = half // sending is computing, too
	}
	b := &Bridge{
		config: c.withDefaults(), deps: deps, pusher: deps.Pusher, eventLog: deps.Log, rows: deps.Store, identity: deps.Identity,
		log: deps.Logger, workers: workers, running: make(chan struct{}, half),
		byID: make(map[int]*subscription), byChannel: make(map[string]*subscription), topics: make(map[Topic]*topic),
		perUser: make(map[string]int), backlog: backlog{lines: make(map[string][]task)},
		dirty: make(map[*subscription]struct{}), unwritten: make(map[string]*subscription),
		parting: make(map[string]*subscription), wentAway: make(map[string]struct{}),
	}
	b.arrived = sync.NewCond(&b.mu)
	b.gate = gate{check: b.check, changed: make(chan struct{})}
	return b, nil
}

// embedded says that the server is in this process, and reports each change of its channels.
func (b *Bridge) embedded() bool { return b.deps.Sockets != nil }

// check asks for channels that nobody has.
func (b *Bridge) check(ctx context.Context) error {
	_, err := b.pusher.Channels(ctx, forChannels, "private-check-")
	return err
}

// Stats returns the counters.
func (b *Bridge) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	stats := b.stats
	stats.Open, stats.Waiting = len(b.byID), b.backlog.size
	return stats
}

// Run delivers until ctx ends, and at last writes down what it knows. What was published and is not settled by then is
// to be published again after the next start. It returns an error if its last state could not be written; it must be
// called once, after Load.
func (b *Bridge) Run(ctx context.Context) error {
	var group sync.WaitGroup
	for range b.workers {
		group.Go(func() { b.work(ctx) })
	}
	group.Go(func() { b.sweepUntil(ctx) })
	<-ctx.Done()
	b.mu.Lock()
	b.ended = true
	b.arrived.Broadcast()
	b.mu.Unlock()
	group.Wait()
	b.answering.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), databaseTimeout)
	defer cancel()
	return b.Persist(ctx)
}
