package bridgetest

import (
	"fmt"
	"testing"
	"time"

	"lorebridge/bridge"
)

// User is somebody whom the Store can keep subscriptions of.
type User struct{ ID, Session, OtherSession string }

// Fixture is an implementation under test.
type Fixture struct {
	Log   bridge.Log
	Store bridge.Store
	// Users are two people, with two sessions each.
	Users [2]User
	// Topics are two topics. No event is on both.
	Topics [2]bridge.Topic
	// Append commits an event on Topics[topic] and returns it as the Log does. It is not called concurrently.
	Append func(t testing.TB, topic int) *bridge.Event
}

// Run runs all tests, each with a Fixture from open.
func Run(t *testing.T, open func(t *testing.T) Fixture) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Fixture){
		"a log gives the events of a topic in order":           logInOrder,
		"a log knows its newest place":                         logNewest,
		"a store gives each record an id and finds it":         storeFinds,
		"a store updates what is open":                         storeUpdates,
		"a store keeps what has ended as it is":                storeKeepsTheEnd,
		"a store lets a client join only what is open":         storeJoins,
		"a store ends what is away by session and by age":      storeEndsAway,
		"a store counts what is away of a user":                storeExcess,
		"a store removes what ended long ago":                  storeRemoves,
		"a bridge delivers what was missed and what comes":     bridgeDelivers,
		"a bridge asks for each member of a group what it may": bridgeExpels,
		"a bridge shares nothing without an Allow":             bridgeSharesNothingUnguarded,
		"a bridge repeats a question without an answer":        bridgeAsksAgain,
		"a bridge shares nothing that lost its Allow":          bridgeFailsClosed,
		"a bridge asks in streams, for results and at first":   bridgeAsksEverywhere,
		"a bridge goes on after a restart":                     bridgeRestarts,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// moment is a time as every store can keep it.
func moment(ago time.Duration) time.Time { return time.Now().UTC().Add(-ago).Truncate(time.Second) }

func logInOrder(t *testing.T, f Fixture) {
	t.Helper()
	var want [2][]bridge.Seq
	for i := range 7 {
		topic := i % 2
		want[topic] = append(want[topic], f.Append(t, topic).Seq)
	}
	for topic, seqs := range want {
		events, err := f.Log.After(t.Context(), f.Topics[topic], 0, 100)
		must(t, err)
		var got []bridge.Seq
		for _, e := range events {
			got = append(got, e.Seq)
			if e.At.IsZero() || time.Since(e.At) > time.Hour {
				t.Errorf("event %d happened at %v", e.Seq, e.At)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(seqs) {
			t.Errorf("topic %d: got %v, want %v", topic, got, seqs)
		}
		page, err := f.Log.After(t.Context(), f.Topics[topic], seqs[0], 2)
		must(t, err)
		if len(page) != 2 || page[0].Seq != seqs[1] || page[1].Seq != seqs[2] {
			t.Errorf("topic %d: a page of two behind %d is %v", topic, seqs[0], page)
		}
		last, err := f.Log.Last(t.Context(), f.Topics[topic])
		must(t, err)
		if last == nil || last.Seq != seqs[len(seqs)-1] {
			t.Errorf("topic %d: the last one is %v, want %d", topic, last, seqs[len(seqs)-1])
		}
		one, err := f.Log.Get(t.Context(), f.Topics[topic], seqs[1])
		must(t, err)
		if one == nil || one.Seq != seqs[1] {
			t.Errorf("topic %d: got %v, want event %d", topic, one, seqs[1])
		}
		other, err := f.Log.Get(t.Context(), f.Topics[1-topic], seqs[1])
		must(t, err)
		if other != nil {
			t.Errorf("event %d is on the other topic", other.Seq)
		}
	}
}

func logNewest(t *testing.T, f Fixture) {
	t.Helper()
	for topic := range f.Topics {
		last, err := f.Log.Last(t.Context(), f.Topics[topic])
		must(t, err)
		if last != nil {
			t.Fatalf("an empty log has event %d", last.Seq)
		}
	}
	before, err := f.Log.Newest(t.Context())
	must(t, err)
	e := f.Append(t, 0)
	newest, err := f.Log.Newest(t.Context())
	must(t, err)
	end, err := f.Log.End(t.Context())
	must(t, err)
	if e.Seq <= before || newest != e.Seq || end < newest {
		t.Errorf("before %d, an event at %d: newest %d, end %d", before, e.Seq, newest, end)
	}
}
