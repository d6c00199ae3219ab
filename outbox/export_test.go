package outbox

import (
	"context"
	"time"
)

// InMemory returns the number of events in the log's memory.
func (l *Log) InMemory() int {
	l.memoryMu.Lock()
	defer l.memoryMu.Unlock()
	return len(l.recent)
}

// State is the state of Run at one moment.
type State struct {
	Held, Ready, Alone, Suspects, InLog int
	Sending, Trying                     int
	Outage, Checking                    bool
	FromTable                           bool // whether the next event is read from the table
}

// State returns the state of Run.
func (r *Relay) State(ctx context.Context) (s State, err error) {
	err = r.order(ctx, func(run *run) error {
		s = State{
			Held: run.held, Ready: len(run.ready), Alone: len(run.alone), Suspects: len(run.suspects), InLog: len(run.waiting),
			Sending: run.sending, Trying: run.trying, Outage: run.outage.Lasts(), Checking: run.outage.Checking(),
		}
		run.log.memoryMu.Lock()
		defer run.log.memoryMu.Unlock()
		s.FromTable = run.reader.at.Before(run.log.since)
		return nil
	})
	return s, err
}

// ChangeClock simulates a change of the clock since the last run.
func (r *Retention) ChangeClock(by time.Duration) { r.wall = r.wall.Add(-by) }

// Batch returns the greatest size of the next batch, in rows.
func (r *Retention) Batch() int { return r.batch }

// Hold makes Run wait after it has read and dispatched everything, until release is called.
func (r *Relay) Hold(ctx context.Context) (release func(), err error) {
	return r.statusMu.Unlock, r.order(ctx, func(run *run) error {
		run.statusMu.Lock() // Run waits for it in report
		return nil
	})
}
