package realtime_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/storedsubscription"
)

func TestWhatLagsCanBeTriedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t, elsewhere)
		ada := q.person("Ada")
		channel := q.attend(ada, title)
		q.wait(time.Second)
		q.taken()
		q.gate.on(func(*http.Request, []sent) (int, error) { return http.StatusServiceUnavailable, nil })
		q.publish(ada, "compilers", "")
		q.wait(time.Minute) // now it pauses
		q.gate.on(nil)
		for topic, want := range map[string]int{"recipient:1": 0, "KNOWLEDGE_PUBLISHED": 1} {
			if n := q.subscriptions.Retry(topic); n != want {
				t.Errorf("%d that listen to %s are tried", n, topic)
			}
		}
		synctest.Wait() // no time passes
		if got := titles(t, mail(q.taken(), channel)); !slices.Equal(got, []string{"compilers"}) {
			t.Errorf("got %v", got)
		}
		if n := q.subscriptions.Retry(""); n != 0 {
			t.Errorf("then %d are tried", n)
		}
	})
}

// Whoever stayed while Pusher was down goes on although the server started again meanwhile.
func TestWhoeverLagsGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t, elsewhere)
		ada := q.person("Ada")
		channel := q.attend(ada, title)
		q.wait(3 * time.Minute)
		q.taken()
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
		if got := titles(t, mail(q.taken(), channel)); !slices.Equal(got, want) {
			t.Errorf("got %v", got)
		}
	})
}

// A group that is too slow reads on from the log. Each event is settled once, and none that somebody still lacks
// before the first one that they lack is.
func TestAnEventIsSettledOnceAlsoIfGroupsAreCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t, elsewhere)
		ada := q.person("Ada")
		item := number(t, q.publish(ada, "compilers", ""))
		q.attend(ada, title)
		q.attend(ada, `subscription { knowledgePublished { id } }`)
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
				synctest.Wait() // both groups have it with Pusher
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

func TestAnEndThatPusherDoesNotTakeIsSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t, elsewhere)
		ada := q.person("Ada")
		channel := q.attend(ada, title)
		q.wait(time.Second)
		q.taken()
		q.gate.on(func(*http.Request, []sent) (int, error) { return http.StatusServiceUnavailable, nil })
		must(t, q.subscriptions.End(t.Context(), q.row(channel).ID, "ended"))
		q.wait(time.Minute)
		q.gate.on(nil)
		q.wait(10 * time.Second)
		if got := titles(t, mail(q.taken(), channel)); !slices.Equal(got, []string{"end"}) {
			t.Errorf("got %v", got)
		}
	})
}

// The row of a subscription is up to two minutes behind what its client was sent. That is no reason to send it all
// again.
func TestWhoeverLagsAfterARestartGetsWhatItLacksAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t, elsewhere)
		ada := q.person("Ada")
		channel := q.attend(ada, title)
		q.wait(10 * time.Second) // now its row says that it is live
		for i := range 60 {
			q.publish(ada, fmt.Sprint("title ", i), "")
			q.wait(time.Second)
		}
		q.taken()
		q.restart()
		q.open(channel, storedsubscription.StateLive)
		q.gate.on(func(*http.Request, []sent) (int, error) { return http.StatusServiceUnavailable, nil })
		q.publish(ada, "late", "")
		q.wait(10 * time.Second)
		q.gate.on(nil)
		q.wait(10 * time.Second)
		if got := titles(t, mail(q.taken(), channel)); !slices.Equal(got, []string{"late"}) {
			t.Errorf("got %v", got)
		}
	})
}
