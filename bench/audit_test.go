package main

import (
	"context"
	"slices"
	"testing"
	"time"
)

const ms = time.Millisecond

// asked are three requests. The first two overlap. The third was sent after both had been answered.
var asked = []mutation{
	{requestID: 1, recipient: 5, sent: 0, answered: 4 * ms},
	{requestID: 2, recipient: 5, sent: 1 * ms, answered: 2 * ms},
	{requestID: 3, recipient: 5, sent: 6 * ms, answered: 9 * ms},
}

func TestAuditFindsEachBrokenPromise(t *testing.T) {
	at := func(recipient int, ids ...int64) []arrival {
		var arrivals []arrival
		for i, id := range ids {
			arrivals = append(arrivals, arrival{requestID: id, recipient: recipient, at: time.Duration(10+i) * ms})
		}
		return arrivals
	}
	for name, tt := range map[string]struct {
		arrivals []arrival
		want     faults
	}{
		"none where all came once":                 {at(5, 1, 2, 3), faults{}},
		"none where two that overlap were swapped": {at(5, 2, 1, 3), faults{}},
		"one lost":                {at(5, 1, 3), faults{lost: 1}},
		"all lost":                {nil, faults{lost: 3}},
		"one repeated at once":    {at(5, 1, 1, 2, 3), faults{repeated: 1}},
		"one repeated late":       {at(5, 1, 2, 3, 1), faults{repeated: 1}},
		"the last one first":      {at(5, 3, 1, 2), faults{disorder: 2}},
		"the last one in between": {at(5, 1, 3, 2), faults{disorder: 1}},
		"one that nobody made":    {at(5, 1, 2, 3, 4), faults{foreign: 1}},
		"all to somebody else":    {at(6, 1, 2, 3), faults{foreign: 3, lost: 3}},
	} {
		if _, got := audit(asked, tt.arrivals); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
		}
	}
}

func TestOrderIsKeptPerRecipientOnly(t *testing.T) {
	mutations := []mutation{
		{requestID: 1, recipient: 5, sent: 0, answered: 1 * ms},
		{requestID: 2, recipient: 6, sent: 2 * ms, answered: 3 * ms},
	}
	if _, got := audit(mutations, []arrival{{requestID: 2, recipient: 6}, {requestID: 1, recipient: 5}}); got != (faults{}) {
		t.Errorf("got %+v for two recipients", got)
	}
}

func TestOneIDAnsweredTwiceAsNewIsARepeat(t *testing.T) {
	twice := []mutation{{requestID: 1, recipient: 5}, {requestID: 1, recipient: 5}}
	if _, got := audit(twice, []arrival{{requestID: 1, recipient: 5}}); got != (faults{repeated: 1}) {
		t.Errorf("got %+v", got)
	}
}

func TestDeliveriesCountFromBothEnds(t *testing.T) {
	got, _ := audit(asked[:1], []arrival{{requestID: 1, recipient: 5, at: 3 * ms}})
	if want := []delivery{{sinceSent: 3 * ms, sinceAnswered: -1 * ms}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestFaultsAddUpToAnError(t *testing.T) {
	var f faults
	if err := f.err(); err != nil {
		t.Errorf("without faults: %v", err)
	}
	f.add(faults{lost: 1})
	f.add(faults{lost: 1, disorder: 3})
	const want = "the server broke its promise: 2 events were lost, 0 repeated, 0 foreign, 3 out of order"
	if err := f.err(); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestTheReceiverWaitsForAsManyAsWereSent(t *testing.T) {
	var b receiver[arrival]
	b.add(arrival{requestID: 1})
	waited := make(chan struct{})
	go func() {
		b.wait(t.Context(), 3)
		close(waited)
	}()
	b.add(arrival{requestID: 2})
	select {
	case <-waited:
		t.Error("two were enough")
	default:
	}
	b.add(arrival{requestID: 3})
	<-waited
	b.wait(t.Context(), 3) // they are there
	if got := len(b.take()); got != 3 {
		t.Errorf("took %d, want 3", got)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	b.wait(ended, 1)
	b.add(arrival{requestID: 4}) // nobody waits any more
	if got := len(b.take()); got != 1 {
		t.Errorf("took %d, want 1", got)
	}
}
