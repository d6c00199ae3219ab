package main

import (
	"context"
	"time"
)

const (
	// writingDown is how long the server may take until it has written down, every five seconds, what became of
	// subscriptions: that belongs to the CPU time of events, and to no idle time.
	writingDown = 7 * time.Second
	// idling is for how long the CPU time of a server is measured that has nothing to do.
	idling = 5 * time.Second
)

// fanOut is what came of events for so many subscriptions with one selection.
type fanOut struct {
	subscriptions int
	events        int
	received      int
	cpu           float64 // µs of the server for an event, without what it takes when idle; NaN: not known
	afterwards    float64 // µs of that after the last event had arrived
	busy          float64 // cores that the server used from the first event to the last update
	executions    *int64  // nil: the server does not tell
	answers       []time.Duration
	firsts        []time.Duration // from sent to the first update
	lasts         []time.Duration // from sent to the last update
	pings         int64           // meanwhile: they cost, too
	others        float64         // cores that other programs used
	ownCPU        float64         // µs of bench, for an update
	faults        faults
}

// measureFanOut publishes events, one after another, to all subscriptions of the crowd.
func measureFanOut(ctx context.Context, c *crowd, events int, prof *profiler) (*fanOut, error) {
	m := &fanOut{subscriptions: len(c.channels), events: events}
	warming, err := c.publish(ctx) // by its end all have caught up
	if err != nil {
		return nil, err
	}
	publications := []publication{warming}
	if err := rest(ctx, writingDown); err != nil {
		return nil, err
	}
	idle := c.clocks()
	if err := rest(ctx, idling); err != nil {
		return nil, err
	}
	rate := c.clocks().since(idle).cores()

	before, err := c.counters()
	if err != nil {
		return nil, err
	}
	pings := c.pings()
	stopProfile, err := prof.start(ctx)
	if err != nil {
		return nil, err
	}
	begin := c.clocks()
	for range events {
		p, err := c.publish(ctx)
		if err != nil {
			return nil, err
		}
		publications = append(publications, p)
		m.answers = append(m.answers, p.answered-p.sent)
		m.firsts = append(m.firsts, p.first()-p.sent)
		m.lasts = append(m.lasts, p.last()-p.sent)
	}
	delivered := c.clocks()
	if err := stopProfile(); err != nil {
		return nil, err
	}
	if err := rest(ctx, writingDown); err != nil {
		return nil, err
	}
	end := c.clocks()
	after, err := c.counters()
	if err != nil {
		return nil, err
	}
	m.pings = c.pings() - pings
	m.received, m.faults = auditUpdates(publications, len(c.channels), c.updates.take())
	m.cpu = end.since(begin).over(rate) / float64(events)
	m.afterwards = end.since(delivered).over(rate) / float64(events)
	m.busy = delivered.since(begin).cores()
	m.others = delivered.since(begin).others()
	m.ownCPU = delivered.since(begin).own.microseconds() / float64(events*len(c.channels))
	if before.Executions != nil && after.Executions != nil {
		executions := *after.Executions - *before.Executions
		m.executions = &executions
	}
	return m, nil
}

// clocks is how much time has passed and what of the CPU was used by then; or, as a difference, meanwhile.
type clocks struct {
	at  time.Duration
	cpu cpuTime // the server's
	own cpuTime // of bench
	all cpuTime // of all programs
}

// clocks reads them.
func (t *target) clocks() clocks {
	return clocks{at: t.now(), cpu: readCPU(t.pid), own: readCPU(ownPID), all: readAllCPU()}
}

func (c clocks) since(before clocks) clocks {
	return clocks{at: c.at - before.at, cpu: c.cpu.since(before.cpu), own: c.own.since(before.own), all: c.all.since(before.all)}
}

// cores is how many the server used.
func (c clocks) cores() float64 { return c.cpu.microseconds() / float64(c.at.Microseconds()) }

// others is how many cores other programs used.
func (c clocks) others() float64 {
	rest := c.all.microseconds() - c.cpu.microseconds() - c.own.microseconds()
	return max(0, rest/float64(c.at.Microseconds()))
}

// over is the server's CPU time in µs beyond so many cores.
func (c clocks) over(cores float64) float64 {
	return c.cpu.microseconds() - cores*float64(c.at.Microseconds())
}
