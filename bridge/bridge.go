package bridge

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"lorebridge/pusherapi"
)

// What calls of Pusher's HTTP API are for.
const (
	forResults  pusherapi.Purpose = "results of subscriptions"
	forChannels pusherapi.Purpose = "the list of channels"
)

const (
	persistInterval = 5 * time.Second // how often what changed is written down
	removeInterval  = time.Hour       // how often the records of ended subscriptions are removed
	databaseTimeout = 10 * time.Second
)

// networkWorkers is how many deliveries may wait for a Pusher elsewhere at a time.
const networkWorkers = 8

// Bridge carries the GraphQL subscriptions of everybody: those whose results travel over Pusher, and the streams. It
// may be used concurrently, except for Load and Run, which come in this order, once.
type Bridge struct {
	*registry
	*streams
	*recovery // and delivery, and publisher
	*presence
	*keeper
	*admission
	*ender
	config  Config
	deps    Deps
	workers int
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
	c, deps = c.withDefaults(), deps.withDefaults()
	half := max(1, runtime.GOMAXPROCS(0)/2) // the other half is for those who ask
	workers := networkWorkers
	if deps.Sockets != nil {
		workers = half // sending is computing, too
	}
	names := naming{namespace: c.Namespace, encrypts: deps.Pusher.Encrypts()}
	r := newRegistry(c, deps.Sockets != nil)
	sender := newSender(r, deps.Pusher, deps.Logger)
	keeper := &keeper{
		registry: r, rows: deps.Store, eventLog: deps.Log, identity: deps.Identity, executor: deps.Executor,
		checkTopic: deps.CheckTopic, prefix: names.prefix(names.encrypts), log: deps.Logger,
	}
	delivery := &delivery{
		publisher: &publisher{registry: r, log: deps.Logger},
		executor: &executor{
			registry: r, log: deps.Logger, identity: deps.Identity, executor: deps.Executor, revokes: deps.Ended,
			running: make(chan struct{}, half),
		},
		renderer: &renderer{limit: deps.Pusher.PayloadLimit(), policy: c.Oversize, resultPath: c.ResultPath},
		sender:   sender, lagging: deps.Lagging,
	}
	return &Bridge{
		registry: r,
		streams:  &streams{registry: r, eventLog: deps.Log, fail: deps.StreamError, log: deps.Logger},
		recovery: &recovery{delivery: delivery, eventLog: deps.Log},
		presence: &presence{
			registry: r, replies: replies{deps.Identity, deps.Logger}, pusher: deps.Pusher, prefixes: names.prefixes(),
			tokens: c.WebhookTokens, log: deps.Logger,
		},
		keeper:    keeper,
		admission: &admission{registry: r, keeper: keeper, encrypts: names.encrypts},
		ender:     &ender{registry: r, keeper: keeper, sender: sender, sockets: deps.Sockets, log: deps.Logger},
		config:    c, deps: deps, workers: workers,
	}, nil
}

// Stats returns the counters.
func (b *Bridge) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	stats := b.stats
	stats.Open, stats.Waiting = len(b.byID), b.tasks.size
	return stats
}

// Dispatch is Publish and then Stream, for an application that does not keep which events are settled. It is to be
// called after the commit, for one event after the other in the order of the log.
func (b *Bridge) Dispatch(e *Event, topics ...Topic) {
	b.Publish(e, nil, topics...)
	b.Stream(e, topics...)
}

// Run delivers until ctx ends, and at last writes down what it knows. What was published and is not settled by then is
// to be published again after the next start. It returns an error if its last state could not be written; it must be
// called once, after Load.
func (b *Bridge) Run(ctx context.Context) error {
	if !b.isLoaded() {
		return errors.New("bridge: Load must have returned before Run is called")
	}
	var group sync.WaitGroup
	for range b.workers {
		group.Go(func() { b.tasks.work(func(tasks []task) { b.do(ctx, tasks) }) })
	}
	group.Go(func() { b.tasks.watch(ctx) })
	group.Go(func() { b.every(ctx, persistInterval, b.persist) })
	group.Go(func() { b.every(ctx, b.config.Sweep, b.sweepAll) })
	group.Go(func() {
		b.removeClosed(ctx)
		b.every(ctx, removeInterval, b.removeClosed)
	})
	<-ctx.Done()
	b.tasks.close()
	group.Wait()
	b.answering.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), databaseTimeout)
	defer cancel()
	return b.Persist(ctx)
}

// do is one turn of a worker.
func (b *Bridge) do(ctx context.Context, tasks []task) {
	switch first := tasks[0]; {
	case first.group != nil:
		b.deliver(ctx, tasks)
	case first.catchUp != nil:
		b.catchUp(ctx, first.catchUp)
	case first.end != nil:
		b.sendEnd(ctx, first.end)
	case first.poll != nil:
		b.poll(ctx, first.poll, first.joins)
	}
}

// every calls do at each interval, until ctx ends.
func (b *Bridge) every(ctx context.Context, interval time.Duration, do func(context.Context)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do(ctx)
		}
	}
}

func (b *Bridge) persist(ctx context.Context) {
	if err := errors.Join(b.Persist(ctx), b.trimAway(ctx)); err != nil && ctx.Err() == nil {
		b.deps.Logger.ErrorContext(ctx, "the state of subscriptions could not be written; trying again", slog.Any("error", err))
	}
}

func (b *Bridge) removeClosed(ctx context.Context) {
	if err := b.RemoveClosed(ctx); err != nil && ctx.Err() == nil {
		b.deps.Logger.ErrorContext(ctx, "the records of ended subscriptions could not be removed; trying again in an hour",
			slog.Any("error", err))
	}
}

func (b *Bridge) sweepAll(ctx context.Context) {
	if err := errors.Join(b.sweep(ctx, b.config.Sweep), b.sweepAway(ctx)); err != nil && ctx.Err() == nil {
		b.deps.Logger.WarnContext(ctx, "subscriptions could not be swept; trying again", slog.Any("error", err))
	}
}
