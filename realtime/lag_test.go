package realtime_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lorebridge/bridge"
	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/storedsubscription"
)

func TestASubscriptionThatLagsCanBeTriedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, elsewhere)
		ada := q.person("Ada")
		channel := q.subscribeAndJoin(ada, title)
		q.wait(time.Second)
		q.newCalls()
		q.gate.on(func(*http.Request, []sent) (int, error) { return http.StatusServiceUnavailable, nil })
		q.publish(ada, "compilers", "")
		q.wait(time.Minute) // now its queue pauses
		q.gate.on(nil)
		for topic, want := range map[string]int{"recipient:1": 0, "KNOWLEDGE_PUBLISHED": 1} {
			if n := q.subscriptions.Retry(topic); n != want {
				t.Errorf("%d that listen to %s are tried", n, topic)
			}
		}
		synctest.Wait() // without a pause
		if got := titles(t, sentTo(q.newCalls(), channel)); !slices.Equal(got, []string{"compilers"}) {
			t.Errorf("got %v", got)
		}
		if n := q.subscriptions.Retry(""); n != 0 {
			t.Errorf("then %d are tried", n)
		}
	})
}

// A client that stayed connected while Pusher was down is sent all events, even if the server restarted meanwhile.
func TestASubscriptionThatLagsGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, elsewhere)
		ada := q.person("Ada")
		channel := q.subscribeAndJoin(ada, title)
		q.wait(3 * time.Minute)
		q.newCalls()
		q.gate.on(func(*http.Request, []sent) (int, error) { return http.StatusServiceUnavailable, nil })
		var want []string
		for i := range 30 {
			want = append(want, fmt.Sprint("title ", i))
			q.publish(ada, want[i], "")
			q.wait(time.Second)
		}
		q.restart()
		q.wait(10 * time.Second)
		q.gate.on(nil)
		q.wait(time.Minute)
		if got := titles(t, sentTo(q.newCalls(), channel)); !slices.Equal(got, want) {
			t.Errorf("got %v", got)
		}
	})
}

// A group that is too slow is cut off and reads the rest from the log. Each event is settled once, and in order: while
// a subscriber lacks one event, the later ones are not settled.
func TestAnEventIsSettledOnceAlsoIfGroupsAreCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, elsewhere)
		ada := q.person("Ada")
		item := number(t, q.publish(ada, "compilers", ""))
		q.subscribeAndJoin(ada, title)
		q.subscribeAndJoin(ada, `subscription { knowledgePublished { id } }`)
		q.wait(time.Second)
		hold := make(chan struct{})
		q.gate.on(func(*http.Request, []sent) (int, error) {
			<-hold
			return 0, nil
		})
		const events, first = 1_100, 1 << 50
		var mu sync.Mutex
		done := make([]int, events)
		for i := range events {
			q.deliver(&ent.Event{
				ID: first + i, Kind: event.KindKnowledgePublished, KnowledgeID: &item, CreatedAt: time.Now(),
			}, nil, func() {
				mu.Lock()
				defer mu.Unlock()
				done[i]++
			})
			if i == 0 {
				synctest.Wait() // both groups' calls have begun
			}
		}
		synctest.Wait()
		if done[0] != 0 || done[1] != 0 || done[2] != 1 {
			t.Errorf("of the first three %v are settled, want those that nobody waits for in memory", done[:3])
		}
		close(hold)
		q.wait(time.Minute)
		for i, n := range done {
			if n != 1 {
				t.Errorf("event %d is settled %d times", i, n)
			}
		}
	})
}

func TestAnEndThatPusherDoesNotTakeIsRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, elsewhere)
		ada := q.person("Ada")
		channel := q.subscribeAndJoin(ada, title)
		q.wait(time.Second)
		q.newCalls()
		q.gate.on(func(*http.Request, []sent) (int, error) { return http.StatusServiceUnavailable, nil })
		must(t, q.subscriptions.End(t.Context(), q.row(channel).ID, "ended"))
		q.wait(time.Minute)
		q.gate.on(nil)
		q.wait(10 * time.Second)
		if got := titles(t, sentTo(q.newCalls(), channel)); !slices.Equal(got, []string{"end"}) {
			t.Errorf("got %v", got)
		}
	})
}

// The same for a client that asks for the channel after the end, and is granted it for that alone.
func TestAnEndForAClientThatComesBackIsRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, elsewhere)
		ada := q.person("Ada")
		channel := q.subscribeAndJoin(ada, title)
		q.wait(time.Second)
		must(t, q.subscriptions.End(t.Context(), q.row(channel).ID, "ended"))
		q.wait(time.Minute)
		q.newCalls()
		q.gate.on(func(*http.Request, []sent) (int, error) { return http.StatusServiceUnavailable, nil })
		q.join(ada, channel, bridge.ProtocolGraphqlRuby)
		q.wait(2 * time.Minute) // longer than the client is waited for
		q.gate.on(nil)
		q.wait(10 * time.Second)
		if got := titles(t, sentTo(q.newCalls(), channel)); !slices.Equal(got, []string{"end"}) {
			t.Errorf("got %v", got)
		}
		q.wait(time.Hour)
		if got := q.newCalls(); len(got) > 0 {
			t.Errorf("an hour later: %v", got)
		}
	})
}

// The row of a subscription is up to two minutes behind the events that its client was sent. A restart after a long
// silence must not report a gap because of that.
func TestASubscriptionThatLagsAfterARestartIsSentOnlyWhatItLacks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, elsewhere)
		ada := q.person("Ada")
		channel := q.subscribeAndJoin(ada, title)
		q.wait(10 * time.Second) // now the state in its row is LIVE
		for i := range 60 {
			q.publish(ada, fmt.Sprint("title ", i), "")
			q.wait(time.Second)
		}
		q.newCalls()
		q.restart()
		q.open(channel, storedsubscription.StateLive)
		q.gate.on(func(*http.Request, []sent) (int, error) { return http.StatusServiceUnavailable, nil })
		q.publish(ada, "late", "")
		q.wait(10 * time.Second)
		q.gate.on(nil)
		q.wait(10 * time.Second)
		if got := titles(t, sentTo(q.newCalls(), channel)); !slices.Equal(got, []string{"late"}) {
			t.Errorf("got %v", got)
		}
	})
}
