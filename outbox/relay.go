package outbox

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
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

// Delayed is a Sender's error that says how long to wait before the next attempt.
type Delayed interface {
	error
	RetryAfter() time.Duration
}

// RetryAfter returns how long err asks to wait; zero if it does not.
func RetryAfter(err error) time.Duration {
	if delayed, ok := errors.AsType[Delayed](err); ok {
		return delayed.RetryAfter()
	}
	return 0
}

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

// Publisher hands events on to the GraphQL subscriptions on their topics.
type Publisher interface {
	// Publish takes an event that has been sent to its recipient, or has none: those of one recipient in the order of their ids, and
	// those without one in that order, too. It is called by Run's goroutine and must not block.
	//
	// It calls done once, from whichever goroutine, when no subscription waits for the event any more. Only then does the
	// event's row count as relayed: a crash before that means that it is sent and published again.
	//
	// answered, unless it is nil, is closed when the request that made the event has been answered. What takes long
	// should wait for that, though not for ever.
	Publish(e *ent.Event, answered <-chan struct{}, done func())
}

// Config is what a Relay needs. Zero numbers mean the defaults above.
type Config struct {
	Client    *ent.Client
	Sender    Sender
	Publisher Publisher // nil where nobody subscribes
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
	publisher Publisher
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
	expected map[int]struct{}        // committing at this moment: offer decides, not a reader of rows
	queue    []*ent.Event            // committed, not yet taken by Run, in the order of their ids
	held     int                     // events that Run holds
	answered map[int]<-chan struct{} // by event, for those in memory; see Publisher
	done     []int                   // published, not yet taken by Run
	behind   bool                    // rows that are not in memory wait in the table
	status   Status
}

// Status is how the relay fares, for the person on call.
type Status struct {
	// Waiting is how many events are in memory: not yet taken by the Sender, or on their way to subscriptions.
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
		publisher: c.Publisher,
		log:       c.Logger,
		queueSize: queueSize,
		pageSize:  min(maxPage, queueSize),
		batchSize: cmp.Or(c.BatchSize, DefaultBatchSize),
		inFlight:  cmp.Or(c.InFlight, DefaultInFlight),
		drain:     cmp.Or(c.Drain, DefaultDrain),
		jitter:    jitter,
		wake:      make(chan struct{}, 1),
		expected:  make(map[int]struct{}),
		answered:  make(map[int]<-chan struct{}),
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
func (r *Relay) offer(s *scope, committed bool) {
	events := s.events
	if len(events) == 0 {
		return
	}
	r.mu.Lock()
	for _, e := range events {
		delete(r.expected, e.ID)
	}
	// Transactions that were committed together come here in any order.
	at, _ := slices.BinarySearchFunc(r.queue, events[0].ID, func(e *ent.Event, id int) int { return cmp.Compare(e.ID, id) })
	if r.behind || !committed || len(r.queue)+r.held+len(events) > r.queueSize {
		r.behind = true
		r.queue = slices.Delete(r.queue, at, len(r.queue)) // what comes after them waits in the table with them
	} else {
		r.queue = slices.Insert(r.queue, at, events...)
		if s.answered != nil && r.publisher != nil {
			for _, e := range events {
				r.answered[e.ID] = s.answered
			}
		}
	}
	r.mu.Unlock()
	r.wakeRun()
}

func (r *Relay) wakeRun() {
	select {
	case r.wake <- struct{}{}:
	default: // Run knows already
	}
}

// take moves what has been offered into the caller's hands, but for what comes after an event that is yet to be offered.
func (r *Relay) take() []*ent.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.queue)
	for id := range r.expected {
		for n > 0 && r.queue[n-1].ID > id {
			n--
		}
	}
	events := r.queue[:n:n]
	if r.queue = r.queue[n:]; len(r.queue) == 0 {
		r.queue = nil // let go of the array behind it
	}
	r.held += n
	return events
}

// Run sends events until ctx ends, and then what is left in memory for at most Config.Drain. What it could not
// send waits in the table for the next start. It returns nil; it must be called once.
func (r *Relay) Run(ctx context.Context) error {
	run := &run{
		Relay:      r,
		lanes:      make(map[int]*lane),
		results:    make(chan result, r.inFlight),
		publishing: make(map[int]mark),
		written:    make(chan error, 1),
	}
	run.loop(ctx)
	return nil
}

// outcome tells the outside how the last send went.
func (r *Relay) outcome(sendErr error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Err = sendErr
}

// release tells the outside that n events have left memory.
func (r *Relay) release(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held -= n
}

// answeredOf hands over, once, what tells that the request behind an event has been answered.
func (r *Relay) answeredOf(id int) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	answered := r.answered[id]
	delete(r.answered, id)
	return answered
}

// finished is what the Publisher calls.
func (r *Relay) finished(id int) {
	r.mu.Lock()
	r.done = append(r.done, id)
	r.mu.Unlock()
	r.wakeRun()
}

// takeDone moves what the Publisher is done with into the caller's hands.
func (r *Relay) takeDone() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	done := r.done
	r.done = nil
	r.held -= len(done)
	return done
}

// backoff returns full jitter over a limit that doubles with each attempt from firstBackoff to maxBackoff.
func (r *Relay) backoff(attempts int) time.Duration {
	limit := maxBackoff
	if shift := attempts - 1; shift < 6 { // 100 ms << 6 is beyond 5 s
		limit = min(firstBackoff<<shift, maxBackoff)
	}
	return time.Duration(r.jitter() * float64(limit))
}
