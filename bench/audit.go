package main

import (
	"fmt"
	"time"
)

// mutation is a request that the server reported as created. Times are since the target's epoch.
type mutation struct {
	requestID int64
	recipient int
	sent      time.Duration // before its first byte was written
	answered  time.Duration // after its answer was read
}

// arrival is an event at a recipient's socket.
type arrival struct {
	requestID int64
	recipient int
	at        time.Duration
}

// delivery is the time that an event took.
type delivery struct {
	sinceSent     time.Duration
	sinceAnswered time.Duration // negative if the event was faster than the answer
}

// faults counts broken promises.
type faults struct {
	lost     int // requests without an event in time
	repeated int // events that had already arrived
	foreign  int // events of other requests, or for another recipient
	disorder int // events after that of a mutation that was sent after their own was answered
}

func (f *faults) add(g faults) {
	f.lost += g.lost
	f.repeated += g.repeated
	f.foreign += g.foreign
	f.disorder += g.disorder
}

// err returns nil if no promise was broken.
func (f *faults) err() error {
	if *f == (faults{}) {
		return nil
	}
	return fmt.Errorf("the server broke its promise: %d events were lost, %d repeated, %d foreign, %d out of order",
		f.lost, f.repeated, f.foreign, f.disorder)
}

// audit matches events with the mutations that caused them. The arrivals of each recipient must be in order.
func audit(mutations []mutation, arrivals []arrival) ([]delivery, faults) {
	created := make(map[int64]mutation, len(mutations))
	for _, m := range mutations {
		created[m.requestID] = m
	}
	var f faults
	deliveries := make([]delivery, 0, len(mutations))
	arrived := make(map[int64]bool, len(mutations))
	latestSent := make(map[int]time.Duration) // by recipient, among the mutations whose events have arrived
	for _, a := range arrivals {
		m, ok := created[a.requestID]
		switch {
		case !ok || m.recipient != a.recipient:
			f.foreign++
			continue
		case arrived[a.requestID]:
			f.repeated++
			continue
		case m.answered < latestSent[a.recipient]:
			f.disorder++
		}
		arrived[a.requestID] = true
		latestSent[a.recipient] = max(latestSent[a.recipient], m.sent)
		deliveries = append(deliveries, delivery{sinceSent: a.at - m.sent, sinceAnswered: a.at - m.answered})
	}
	f.lost = len(created) - len(arrived)
	f.repeated += len(mutations) - len(created) // the same id, answered twice as new
	return deliveries, f
}
