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
	// DefaultQueueSize is how many events the relay holds in memory.
	DefaultQueueSize = 10_000
	// DefaultBatchSize is how many events go to the Sender at once.
	DefaultBatchSize = 10
	// DefaultInFlight is how many batches are with the Sender at the same time.
	DefaultInFlight = 8
	// DefaultDrain is how long Run goes on sending after its context has ended.
	DefaultDrain = 5 * time.Second

	// databaseWait is the wait after the database failed.
	databaseWait = time.Second
)

// RelayConfig is what a Relay needs. Zero numbers mean the defaults above.
type RelayConfig struct {
	Log       *Log
	Sender    Sender
	Logger    *slog.Logger
	QueueSize int
	BatchSize int
	InFlight  int
	Drain     time.Duration
	// Jitter draws from [0, 1); rand.Float64 if nil. Run's goroutine alone calls it.
	Jitter func() float64
}

// Relay is the reader of the log that sends events to their recipients. It may be used concurrently.
//
// Each recipient has a queue of its own. What fails there holds up that recipient alone: its other events wait in the
// log until the first one was taken, was refused for good, or is skipped by an operator.
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

	// mu guards what others see of Run.
	mu     sync.Mutex
	status Status
}

// Status is how the relay fares, for the person on call.
type Status struct {
	// Waiting is how many events are in memory and not yet taken by the Sender.
	Waiting int
	// Behind says that there are more in the log.
	Behind bool
	// Parked is how many recipients have events that wait in the log.
	Parked int
	// Err is why the last send failed; nil after a send that did not.
	Err error
}

// NewRelay returns a relay. Run goes on where an earlier one stopped.
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

// Status returns how the relay fares now.
func (r *Relay) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// Run sends events until ctx ends, and then what is left in memory for at most RelayConfig.Drain. What it could not
// send waits for the next start. It returns an error only if it cannot read where to begin; it must be called once.
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
