package realtime_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lorebridge/bridge"
	"lorebridge/ent/storedsubscription"
)

// If one person has a hundred subscriptions, other people wait for one of them, not for all.
func TestOnePersonsManySubscriptionsAreNotServedBeforeAnothersOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		eve, ada := q.person("Eve"), q.person("Ada")
		for i := range 60 {
			q.subscribeAndJoin(eve, selection(i))
		}
		adas := q.subscribeAndJoin(ada, selection(1000))
		q.wait(time.Second) // until no catch-up is left in the queue
		// Workers that begin together call in any order. Each call takes the same time, so the first calls show who is
		// served first.
		var calls atomic.Int32
		var first, adaIn atomic.Int64
		q.gate.on(func(_ *http.Request, events []sent) (int, error) {
			calls.Add(1)
			now := time.Now().UnixNano()
			first.CompareAndSwap(0, now)
			if strings.Contains(fmt.Sprint(events), adas) {
				adaIn.Store(now)
			}
			<-time.After(time.Millisecond)
			return 0, nil
		})
		q.publish(eve, "compilers", "")
		q.wait(time.Second)
		if calls.Load() < 6 || adaIn.Load() != first.Load() {
			t.Errorf("of %d calls Ada is in one that began %v after the first", calls.Load(), time.Duration(adaIn.Load()-first.Load()))
		}
	})
}

// Registrations are limited even if their places are free again at once, because each of them is a row.
func TestRegistrationsAreLimitedByTheMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, func(p *quietOptions) { p.subscriptions.PerPerson = 2 })
		ada := q.person("Ada")
		stored := 0
		for range 20 {
			a := q.execute(ada, title, nil)
			if a.code() == "RATE_LIMITED" {
				continue
			}
			stored++
			id, err := q.client.StoredSubscription.Query().Where(storedsubscription.Channel(a.channel())).OnlyID(q.system())
			must(t, err)
			must(t, q.subscriptions.End(t.Context(), id, "ended"))
		}
		if stored != 10 {
			t.Errorf("%d were stored in a minute", stored)
		}
		q.wait(time.Minute)
		q.subscribe(ada, title)
	})
}

// Variables count with their document, so that nobody can store a large text in them.
func TestVariablesCountWithTheirDocument(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada := q.person("Ada")
		const limit = 16 << 10
		for _, count := range []int{40, 60} {
			var definitions, fields strings.Builder
			variables := make(map[string]any)
			for i := range count {
				name := fmt.Sprintf("v%d%s", i, strings.Repeat("x", 100))
				fmt.Fprintf(&definitions, "$%s: Boolean! ", name)
				fmt.Fprintf(&fields, "id @include(if: $%s) ", name)
				variables[name] = true
			}
			document := "subscription (" + definitions.String() + ") { knowledgePublished { " + fields.String() + "} }"
			both := len(document) + count*len(`"vxx":true,`) + count*100
			if len(document) > limit || (count == 60) != (both > limit) {
				t.Fatalf("the document has %d bytes, with its variables %d", len(document), both)
			}
			a := q.execute(ada, document, variables)
			if got, want := a.code(), map[bool]string{true: "BAD_USER_INPUT:query"}[both > limit]; got != want {
				t.Errorf("with %d bytes: got %s, want %s", both, a.body, want)
			}
		}
	})
}

// An old connection that is broken may occupy the channel for minutes. A client that joins beside it is sent all events
// that went only to the old one. It may join late, and after any polls and sweeps.
func TestAJoinBesideAFormerConnectionGetsWhatThatOneMissed(t *testing.T) {
	t.Parallel()
	for _, pause := range []time.Duration{0, 15 * time.Second, 100 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			q := newQuietServer(t)
			ada := q.person("Ada")
			channel := q.subscribeAndJoin(ada, title)
			q.wait(time.Second)
			q.publish(ada, "compilers", "")
			q.wait(time.Second)
			q.may(ada, channel)
			q.wait(pause)
			q.newCalls()
			q.subscriptions.Changed(bridge.Change{Channel: channel, Joined: true, Listeners: 2, Heard: time.Now()})
			q.wait(time.Second)
			q.receives(channel, "compilers")
		})
	}
}

// An authorization is not a join, even if it succeeded. A client that listens is still sent events.
func TestAnAuthorizationWithoutAJoinSilencesNobody(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			q := newQuietServer(t)
			ada := q.person("Ada")
			channel := q.subscribeAndJoin(ada, title)
			q.wait(3 * time.Minute)
			ctx, cancel := context.WithCancel(t.Context())
			if fails {
				cancel() // the authorization waits for a transaction, and then its context ends
			}
			err := q.subscriptions.Authorize(ctx, channel, ada.known(), bridge.ProtocolGraphqlRuby)
			cancel()
			if (err != nil) != fails {
				t.Fatalf("authorizing: %v", err)
			}
			q.publish(ada, "compilers", "")
			q.wait(15 * time.Second)
			q.receives(channel, "compilers")
		})
	}
}
