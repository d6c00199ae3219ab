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

// Who subscribes to a hundred things makes others wait for one of them, not for all.
func TestOnePersonsManySubscriptionsAreNotServedBeforeAnothersOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t)
		eve, ada := q.person("Eve"), q.person("Ada")
		for i := range 60 {
			q.attend(eve, selection(i))
		}
		adas := q.attend(ada, selection(1000))
		q.wait(time.Second) // until all have caught up: else that stands in line as well
		// Workers that begin together call in any order, so each call takes its time: who is served first is in a call
		// of the first moment.
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

// Every registration is a row: places that are given back at once do not make them free.
func TestRegistrationsAreLimitedByTheMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t, func(p *quietPlan) { p.subscriptions.PerPerson = 2 })
		ada := q.person("Ada")
		stored := 0
		for range 20 {
			a := q.post(ada, title, nil)
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

// What nobody reads is kept by nobody: variables count with their document.
func TestVariablesCountWithTheirDocument(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t)
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
			a := q.post(ada, document, variables)
			if got, want := a.code(), map[bool]string{true: "BAD_USER_INPUT:query"}[both > limit]; got != want {
				t.Errorf("with %d bytes: got %s, want %s", both, a.body, want)
			}
		}
	})
}

// A former connection that nobody reads from any more may hold the channel for minutes. Whoever joins beside it gets
// what was sent to it, however late the join comes, and whatever looks through the channels meanwhile.
func TestAJoinBesideAFormerConnectionGetsWhatThatOneMissed(t *testing.T) {
	t.Parallel()
	for _, pause := range []time.Duration{0, 15 * time.Second, 100 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			q := newQuiet(t)
			ada := q.person("Ada")
			channel := q.attend(ada, title)
			q.wait(time.Second)
			q.publish(ada, "compilers", "")
			q.wait(time.Second)
			q.may(ada, channel)
			q.wait(pause)
			q.taken()
			q.subscriptions.Changed(bridge.Change{Channel: channel, Joined: true, Listeners: 2, Heard: time.Now()})
			q.wait(time.Second)
			q.gets(channel, "compilers")
		})
	}
}

// An authorization is no join, least of all one that failed: whoever listens goes on being told.
func TestAnAuthorizationWithoutAJoinSilencesNobody(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			q := newQuiet(t)
			ada := q.person("Ada")
			channel := q.attend(ada, title)
			q.wait(3 * time.Minute)
			ctx, cancel := context.WithCancel(t.Context())
			if fails {
				cancel() // it waits for its transaction in vain
			}
			err := q.subscriptions.Authorize(ctx, channel, ada.known(), bridge.ProtocolGraphqlRuby)
			cancel()
			if (err != nil) != fails {
				t.Fatalf("authorizing: %v", err)
			}
			q.publish(ada, "compilers", "")
			q.wait(15 * time.Second)
			q.gets(channel, "compilers")
		})
	}
}
