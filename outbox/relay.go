package outbox

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// DefaultQueueSize is the number of events that the relay holds in memory.
	DefaultQueueSize = 10_000
	// DefaultBatchSize is the number of events in one call of the Sender.
	DefaultBatchSize = 10
	// DefaultInFlight is the number of concurrent calls of the Sender.
	DefaultInFlight = 8
	// DefaultDrain is how long Run continues to send after its context has ended.
	DefaultDrain = 5 * time.Second

	// databaseWait is the pause after a failure of the database.
	databaseWait = time.Second
)

// RelayConfig holds the dependencies and sizes of a Relay. Zero numbers mean the defaults above.
type RelayConfig struct {
	Log       *Log
	Sender    Sender
	Logger    *slog.Logger
	QueueSize int
	BatchSize int
	InFlight  int
	Drain     time.Duration
	// Jitter returns numbers in [0, 1). If it is nil, rand.Float64 is used. Only Run's goroutine calls it.
	Jitter func() float64
}

// Relay is the reader of the log that sends events to their recipients. It may be used concurrently.
//
// Each recipient has a queue of its own. A failure delays only that recipient: its other events wait in the log until
// the first one is taken, is rejected for good, or is skipped by an operator.
type Relay struct {
	log       *Log
	sender    Sender
	logger    *slog.Logger
	queueSize int
	batchSize int
	inFlight  int
	drain     time.Duration
	jitter    func() float64
	orders    chan order

	statusMu sync.Mutex // guards status
	status   Status
}

// Status is the state of the relay, for operators.
type Status struct {
	// Waiting is the number of events in memory that the Sender has not taken yet.
	Waiting int
	// Behind reports whether there are more in the log.
	Behind bool
	// Parked is the number of recipients with events that wait in the log.
	Parked int
	// Err is the error of the last send; nil if that succeeded.
	Err error
}

// NewRelay returns a relay. Its Run continues after the events that an earlier one has settled.
func NewRelay(c RelayConfig) (*Relay, error) {
	if c.Log == nil || c.Sender == nil || c.Logger == nil {
		return nil, errors.New("outbox: RelayConfig needs a Log, a Sender and a Logger")
	}
	if c.QueueSize < 0 || c.BatchSize < 0 || c.InFlight < 0 || c.Drain < 0 {
		return nil, errors.New("outbox: QueueSize, BatchSize, InFlight and Drain must not be negative")
	}
	jitter := c.Jitter
	if jitter == nil {
		jitter = rand.Float64
	}
	return &Relay{
		log: c.Log, sender: c.Sender, logger: c.Logger,
		queueSize: cmp.Or(c.QueueSize, DefaultQueueSize),
		batchSize: cmp.Or(c.BatchSize, DefaultBatchSize),
		inFlight:  cmp.Or(c.InFlight, DefaultInFlight),
		drain:     cmp.Or(c.Drain, DefaultDrain),
		jitter:    jitter,
		orders:    make(chan order),
	}, nil
}

// Status returns the current state of the relay.
func (r *Relay) Status() Status {
	r.statusMu.Lock()
	defer r.statusMu.Unlock()
	return r.status
}

// Run sends events until ctx ends, and then the rest in memory for at most RelayConfig.Drain. Events that it could
// not send wait for the next start. It returns an error only if it cannot read where to begin. It must be called
// once.
func (r *Relay) Run(ctx context.Context) error {
	kept, err := load(context.WithoutCancel(ctx), r.log.client, People)
	if err != nil {
		return err
	}
	run := newRun(r, kept)
	defer run.reader.Close()
	run.loop(ctx)
	return nil
}
