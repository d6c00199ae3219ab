package main

import (
	"context"
	"time"
)

const (
	// writingDown is how long the server may take to store the results of subscriptions, which it does every five
	// seconds. This work belongs to the CPU time of events and not to idle time.
	writingDown = 7 * time.Second
	// idling is how long the CPU time of the idle server is measured.
	idling = 5 * time.Second
)

// fanOut is the result of events for a number of subscriptions with one selection.
type fanOut struct {
	subscriptions int
	events        int
	received      int
	cpu           float64 // µs of the server for an event, without its idle time; NaN: not known
	afterwards    float64 // µs of that after the last event had arrived
	busy          float64 // cores that the server used from the first event to the last update
	executions    *int64  // nil: the server does not report it
	answers       []time.Duration
	firsts        []time.Duration // from sent to the first update
	lasts         []time.Duration // from sent to the last update
	pings         int64           // sent meanwhile, which costs CPU time, too
	others        float64         // cores that other programs used
	ownCPU        float64         // µs of bench for an update
	faults        faults
}

// measureFanOut publishes events, one after another, to all subscriptions.
func measureFanOut(ctx context.Context, subs *subscribers, events int, prof *profiler) (*fanOut, error) {
	m := &fanOut{subscriptions: len(subs.channels), events: events}
	warming, err := subs.publish(ctx) // by its end all have caught up
	if err != nil {
		return nil, err
	}
	rate, err := measureIdle(ctx, subs)
	if err != nil {
		return nil, err
	}
	before, err := subs.counters()
	if err != nil {
		return nil, err
	}
	pings := subs.pings()
	stopProfile, err := prof.start(ctx)
	if err != nil {
		return nil, err
	}
	begin := subs.clocks()
	publications, err := m.publish(ctx, subs)
	if err != nil {
		return nil, err
	}
	delivered := subs.clocks()
	if err := stopProfile(); err != nil {
		return nil, err
	}
	if err := rest(ctx, writingDown); err != nil {
		return nil, err
	}
	end := subs.clocks()
	after, err := subs.counters()
	if err != nil {
		return nil, err
	}
	m.pings = subs.pings() - pings
	m.received, m.faults = auditUpdates(append([]publication{warming}, publications...), len(subs.channels), subs.updates.take())
	m.cpu = end.since(begin).over(rate) / float64(events)
	m.afterwards = end.since(delivered).over(rate) / float64(events)
	m.busy = delivered.since(begin).cores()
	m.others = delivered.since(begin).others()
	m.ownCPU = delivered.since(begin).own.microseconds() / float64(events*len(subs.channels))
	if before.Executions != nil && after.Executions != nil {
		executions := *after.Executions - *before.Executions
		m.executions = &executions
	}
	return m, nil
}

// measureIdle returns how many cores the server uses when it has nothing to send and nothing left to store.
func measureIdle(ctx context.Context, subs *subscribers) (cores float64, err error) {
	if err := rest(ctx, writingDown); err != nil {
		return 0, err
	}
	idle := subs.clocks()
	if err := rest(ctx, idling); err != nil {
		return 0, err
	}
	return subs.clocks().since(idle).cores(), nil
}

// publish publishes the events, and adds the durations of each to m.
func (m *fanOut) publish(ctx context.Context, subs *subscribers) ([]publication, error) {
	publications := make([]publication, 0, m.events)
	for range m.events {
		p, err := subs.publish(ctx)
		if err != nil {
			return nil, err
		}
		publications = append(publications, p)
		m.answers = append(m.answers, p.answered-p.sent)
		m.firsts = append(m.firsts, p.first()-p.sent)
		m.lasts = append(m.lasts, p.last()-p.sent)
	}
	return publications, nil
}

// clocks holds a time and the CPU times until then, or the differences of two such readings.
type clocks struct {
	at  time.Duration
	cpu cpuTime // the server's
	own cpuTime // of bench
	all cpuTime // of all programs
}

// clocks reads the clocks.
func (t *target) clocks() clocks {
	return clocks{at: t.now(), cpu: readCPU(t.pid), own: readCPU(ownPID), all: readAllCPU()}
}

func (c clocks) since(before clocks) clocks {
	return clocks{at: c.at - before.at, cpu: c.cpu.since(before.cpu), own: c.own.since(before.own), all: c.all.since(before.all)}
}

// cores returns how many cores the server used.
func (c clocks) cores() float64 { return c.cpu.microseconds() / float64(c.at.Microseconds()) }

// others returns how many cores other programs used.
func (c clocks) others() float64 {
	rest := c.all.microseconds() - c.cpu.microseconds() - c.own.microseconds()
	return max(0, rest/float64(c.at.Microseconds()))
}

// over returns the server's CPU time in µs beyond the use of so many cores.
func (c clocks) over(cores float64) float64 {
	return c.cpu.microseconds() - cores*float64(c.at.Microseconds())
}
