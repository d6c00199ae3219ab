package outbox

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"lorebridge/ent"
)

const (
	// DefaultQueueSize is how many events the relay holds in memory.
	DefaultQueueSize = 10_000
	// DefaultBatchSize is how many events go to the Sender at once: as many as Pusher takes.
	DefaultBatchSize = 10
	// DefaultInFlight is how many batches are with the Sender at the same time.
	DefaultInFlight = 8
	// DefaultDrain is how long Run goes on sending after its context has ended.
	DefaultDrain = 5 * time.Second

	maxPage      = 1_000 // rows read at once while catching up, and no more than the queue holds
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 5 * time.Second
)

// ErrUnauthorized is wrapped by a Sender's error when Pusher refuses our credentials: somebody must mend the
// configuration, or the account. Events wait until then.
var ErrUnauthorized = errors.New("pusher refuses our credentials")

// RefusedError is a Sender's verdict on a single event: it will never be taken.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return "refused for good: " + e.Reason }

// Sender hands events to Pusher.
type Sender interface {
	// Send hands over a batch of at most Config.BatchSize events, no two for the same recipient. It is called
	// concurrently, though never with two events of one recipient at a time.
	//
	// Where the answer tells the events apart it returns one verdict for each, in the order of the batch: nil for
	// taken, a *RefusedError for never, any other error for later. Where it does not, err is the answer for all
	// of them: later. Errors must not hold credentials: they are logged and stored.
	Send(ctx context.Context, batch []*ent.Event) (verdicts []error, err error)
}

// Config is what a Relay needs. Zero numbers mean the defaults above.
type Config struct {
	Client    *ent.Client
	Sender    Sender
	Logger    *slog.Logger
	QueueSize int
	BatchSize int
	InFlight  int
	Drain     time.Duration
	// Jitter draws from [0, 1); rand.Float64 if nil. Run's goroutine alone calls it.
	Jitter func() float64
}

// Relay takes events from commits and gives them to the Sender. See the package comment for its guarantees.
type Relay struct {
	client    *ent.Client
	sender    Sender
	log       *slog.Logger
	queueSize int
	pageSize  int
	batchSize int
	inFlight  int
	drain     time.Duration
	jitter    func() float64
	wake      chan struct{}

	// mu guards what commits share with Run.
	mu       sync.Mutex
	expected map[int]struct{} // committing at this moment: offer decides, not a reader of rows
	queue    []*ent.Event     // committed, not yet taken by Run
	held     int              // events that Run holds
	behind   bool             // rows that are not in memory wait in the table
	status   Status
}

// Status is how the relay fares, for the person on call.
type Status struct {
	// Waiting is how many events are in memory, not yet taken by the Sender.
	Waiting int
	// Behind says that there are more in the table.
	Behind bool
	// Err is why the last send failed; nil after a send that did not. It wraps ErrUnauthorized where it should.
	Err error
}

// New returns a relay that begins behind: Run first sends what an earlier process left in the table.
func New(c Config) (*Relay, error) {
	if c.Client == nil || c.Sender == nil || c.Logger == nil {
		return nil, errors.New("outbox: Config needs a Client, a Sender and a Logger")
	}
	if c.QueueSize < 0 || c.BatchSize < 0 || c.InFlight < 0 || c.Drain < 0 {
		return nil, errors.New("outbox: QueueSize, BatchSize, InFlight and Drain must not be negative")
	}
	jitter := c.Jitter
	if jitter == nil {
		jitter = rand.Float64
	}
	queueSize := cmp.Or(c.QueueSize, DefaultQueueSize)
	return &Relay{
		client:    c.Client,
		sender:    c.Sender,
		log:       c.Logger,
		queueSize: queueSize,
		pageSize:  min(maxPage, queueSize),
		batchSize: cmp.Or(c.BatchSize, DefaultBatchSize),
		inFlight:  cmp.Or(c.InFlight, DefaultInFlight),
		drain:     cmp.Or(c.Drain, DefaultDrain),
		jitter:    jitter,
		wake:      make(chan struct{}, 1),
		expected:  make(map[int]struct{}),
		behind:    true,
	}, nil
}

// Status returns how the relay fares now. It may be called concurrently.
func (r *Relay) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.status
	s.Waiting, s.Behind = len(r.queue)+r.held, r.behind
	return s
}

// expect announces events about to commit, so that a reader of rows that sees them first leaves them to offer.
func (r *Relay) expect(events []*ent.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range events {
		r.expected[e.ID] = struct{}{}
	}
}

// offer takes over committed events. A commit that failed may have committed all the same (a lost connection):
// then the table is asked.
func (r *Relay) offer(events []*ent.Event, committed bool) {
	if len(events) == 0 {
		return
	}
	r.mu.Lock()
	for _, e := range events {
		delete(r.expected, e.ID)
	}
	switch {
	case !committed, len(r.queue)+r.held+len(events) > r.queueSize:
		r.behind = true
	case !r.behind:
		r.queue = append(r.queue, events...)
	}
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default: // Run knows already
	}
}

// take moves what has been offered into the caller's hands.
func (r *Relay) take() []*ent.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	events := r.queue
	r.queue = nil
	r.held += len(events)
	return events
}

// Run sends events until ctx ends, and then what is left in memory for at most Config.Drain. What it could not
// send waits in the table for the next start. It returns nil; it must be called once.
func (r *Relay) Run(ctx context.Context) error {
	run := &run{
		Relay:   r,
		lanes:   make(map[int]*lane),
		results: make(chan result, r.inFlight),
		written: make(chan error, 1),
	}
	run.loop(ctx)
	return nil
}

// settled tells the outside that n events have left memory, and how the last send went.
func (r *Relay) settled(n int, sendErr error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held -= n
	r.status.Err = sendErr
}

// backoff returns full jitter over a limit that doubles with each attempt from firstBackoff to maxBackoff.
func (r *Relay) backoff(attempts int) time.Duration {
	limit := maxBackoff
	if shift := attempts - 1; shift < 6 { // 100 ms << 6 is beyond 5 s
		limit = min(firstBackoff<<shift, maxBackoff)
	}
	return time.Duration(r.jitter() * float64(limit))
}
