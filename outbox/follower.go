package outbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// FollowerConfig is what a Follower needs.
type FollowerConfig struct {
	Log    *Log
	Logger *slog.Logger
	// Reader is the name under which progress is kept.
	Reader string
	// Publish gets each event once, in order, by Run's goroutine; it must not block. It returns for whom the event is,
	// as texts: nobody if nothing is left to be done. Otherwise done is to be called once when nothing is, from
	// whichever goroutine, at any time.
	Publish func(e Entry, done func()) (recipients []string)
	// Resume gets, before Publish is called, each recipient that an earlier process has left behind, and the place of
	// its oldest event that is not settled. Publish will not get that event, nor others up to the watermark. It calls
	// done as Publish does.
	Resume func(recipient string, from Cursor, done func())
}

// Follower is a reader of the log whose progress is kept: after a crash Publish gets what was not settled 200 ms
// before. It may be used concurrently.
type Follower struct {
	config FollowerConfig
	wake   chan struct{}

	// mu guards what others give to Run.
	mu      sync.Mutex
	settled []Cursor
	resumed []string
	notes   map[string]note
}

// note is how a recipient fares.
type note struct {
	attempts int
	until    time.Time
	err      string
}

// NewFollower returns a follower, which begins with Run.
func NewFollower(c FollowerConfig) (*Follower, error) {
	if c.Log == nil || c.Logger == nil || c.Reader == "" || c.Publish == nil || c.Resume == nil {
		return nil, errors.New("outbox: FollowerConfig needs all of its fields")
	}
	return &Follower{config: c, wake: make(chan struct{}, 1), notes: make(map[string]note)}, nil
}

// Note keeps how a recipient fares that is parked, for the person on call: how often its oldest event was sent in
// vain, when it is tried again, and the last answer.
func (f *Follower) Note(recipient string, attempts int, until time.Time, err string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.notes[recipient] = note{attempts, until, err}
	f.notify()
}

func (f *Follower) notify() {
	select {
	case f.wake <- struct{}{}:
	default: // it knows already
	}
}

func (f *Follower) settle(at Cursor) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settled = append(f.settled, at)
	f.notify()
}

func (f *Follower) resume(recipient string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.resumed = append(f.resumed, recipient)
	f.notify()
}

// Run publishes until ctx ends, and then waits for what has been published, until stop ends. It returns an error only
// if it cannot read where to begin; it must be called once.
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
			f.read(stop, time.Now()) // the last ones
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

// collect takes what others have given.
func (f *following) collect() {
	f.mu.Lock()
	settled, resumed := f.settled, f.resumed
	f.settled, f.resumed = nil, nil
	var notes map[string]note
	if len(f.notes) > 0 {
		notes, f.notes = f.notes, make(map[string]note)
	}
	f.mu.Unlock()
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
