package outbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// FollowerConfig holds the dependencies of a Follower. All are required.
type FollowerConfig struct {
	Log    *Log
	Logger *slog.Logger
	// Reader is the name under which progress is stored.
	Reader string
	// Publish gets each event once, in order, from Run's goroutine. It must not block. It returns the event's
	// recipients, or none if nothing is left to be done. Otherwise call done once when the event is settled, from any
	// goroutine, at any time.
	Publish func(e Entry, done func()) (recipients []string)
	// Resume is called before Publish for each recipient whose events an earlier process has not settled. from is the
	// place of the oldest of them. Publish does not get that event, nor the recipient's later ones up to the
	// watermark. done is used as in Publish.
	Resume func(recipient string, from Cursor, done func())
}

// Follower is a reader of the log whose progress is stored. After a crash Publish gets the events that were not
// settled 200 ms before. It may be used concurrently.
type Follower struct {
	config FollowerConfig
	wake   chan struct{}

	// inputMu guards settled, resumed and notes, which other goroutines hand to Run.
	inputMu sync.Mutex
	settled []Cursor
	resumed []string
	notes   map[string]note
}

// note is the state of a recipient, for operators.
type note struct {
	attempts int
	until    time.Time
	err      string
}

// NewFollower returns a follower, which starts with Run.
func NewFollower(c FollowerConfig) (*Follower, error) {
	if c.Log == nil || c.Logger == nil || c.Reader == "" || c.Publish == nil || c.Resume == nil {
		return nil, errors.New("outbox: FollowerConfig needs all of its fields")
	}
	return &Follower{config: c, wake: make(chan struct{}, 1), notes: make(map[string]note)}, nil
}

// Note stores the state of a parked recipient for operators: the number of failed attempts to send its oldest event,
// the time of the next attempt, and the last error.
func (f *Follower) Note(recipient string, attempts int, until time.Time, err string) {
	f.inputMu.Lock()
	defer f.inputMu.Unlock()
	f.notes[recipient] = note{attempts, until, err}
	f.notify()
}

func (f *Follower) notify() {
	select {
	case f.wake <- struct{}{}:
	default: // Run is already notified
	}
}

func (f *Follower) settle(at Cursor) {
	f.inputMu.Lock()
	defer f.inputMu.Unlock()
	f.settled = append(f.settled, at)
	f.notify()
}

func (f *Follower) resume(recipient string) {
	f.inputMu.Lock()
	defer f.inputMu.Unlock()
	f.resumed = append(f.resumed, recipient)
	f.notify()
}

// Run publishes until ctx ends, and then waits until everything published is settled or stop ends. It returns an
// error only if it cannot read where to begin. It must be called once.
func (f *Follower) Run(ctx, stop context.Context) error {
	kept, err := load(context.WithoutCancel(ctx), f.config.Log.client, f.config.Reader)
	if err != nil {
		return err
	}
	run := &following{
		Follower: f, kept: kept, reader: f.config.Log.Read(kept.mark),
		keeper: newKeeper(f.config.Log, f.config.Reader, f.config.Logger, kept),
	}
	defer run.reader.Close()
	for _, one := range kept.parked {
		run.progress.wait(one.key, one.from)
		f.config.Resume(one.key, one.from, func() { f.resume(one.key) })
	}
	run.loop(ctx, stop)
	return nil
}

// following is the state of Follower.Run. It belongs to one goroutine.
type following struct {
	*Follower
	keeper
	kept   *kept
	reader *Reader
}

func (f *following) loop(ctx, stop context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	ended := ctx.Done()
	for stop.Err() == nil {
		now := time.Now()
		f.collect()
		if ended != nil {
			f.read(ctx, now)
		}
		f.collect()
		f.flush(now)
		if ended == nil && len(f.progress.open) == 0 {
			break
		}
		timer.Reset(max(leastWait, time.Until(f.next(now))))
		select {
		case <-ended:
			f.read(stop, time.Now()) // the events that committed before the end
			ended = nil
		case <-stop.Done():
		case <-f.reader.Ready():
		case <-f.wake:
		case <-timer.C:
		case err := <-f.written:
			f.flushed(err)
		}
	}
	f.collect()
	f.finish(DefaultDrain)
}

func (f *following) read(ctx context.Context, now time.Time) {
	for !now.Before(f.retryAt) {
		entries, err := f.reader.Next(ctx, maxPage)
		if err != nil && ctx.Err() == nil {
			f.failed("read events", err)
		}
		if len(entries) == 0 {
			return
		}
		for _, e := range entries {
			at := At(e.Event)
			if f.kept.done(at) {
				continue
			}
			if recipients := f.config.Publish(e, func() { f.settle(at) }); len(recipients) > 0 {
				f.progress.begin(at, now, recipients...)
			}
		}
		f.progress.pass(f.reader.At())
	}
}

// collect applies what other goroutines have handed over.
func (f *following) collect() {
	f.inputMu.Lock()
	settled, resumed := f.settled, f.resumed
	f.settled, f.resumed = nil, nil
	var notes map[string]note
	if len(f.notes) > 0 {
		notes, f.notes = f.notes, make(map[string]note)
	}
	f.inputMu.Unlock()
	for recipient, n := range notes {
		f.progress.note(recipient, n.attempts, n.until, n.err)
	}
	for _, at := range settled {
		f.progress.settle(at)
	}
	for _, recipient := range resumed {
		f.progress.resume(recipient, Cursor{})
	}
}
