package outbox

import (
	"context"
	"time"
)

// InMemory returns how many events the log keeps for its readers.
func (l *Log) InMemory() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.recent)
}

// State is what Run holds at a moment.
type State struct {
	Held, Ready, Alone, Suspects, InLog int
	Sending, Trying                     int
	Outage, Checking                    bool
	FromTable                           bool // what is read next is not in memory
}

// State asks Run for its state.
func (r *Relay) State(ctx context.Context) (s State, err error) {
	err = r.order(ctx, func(run *run) error {
		s = State{
			Held: run.held, Ready: len(run.ready), Alone: len(run.alone), Suspects: len(run.suspects), InLog: len(run.waiting),
			Sending: run.sending, Trying: run.trying, Outage: run.outage.Lasts(), Checking: run.outage.Checking(),
		}
		run.log.mu.Lock()
		defer run.log.mu.Unlock()
		s.FromTable = run.reader.at.Before(run.log.since)
		return nil
	})
	return s, err
}

// ChangeClock has the clock changed since the last run.
func (r *Retention) ChangeClock(by time.Duration) { r.wall = r.wall.Add(-by) }

// Batch returns how many rows the next batch may have.
func (r *Retention) Batch() int { return r.batch }

// Hold has Run wait when it has read and dispatched what there was, until release.
func (r *Relay) Hold(ctx context.Context) (release func(), err error) {
	return r.mu.Unlock, r.order(ctx, func(run *run) error {
		run.mu.Lock() // Run waits for it when it reports
		return nil
	})
}
