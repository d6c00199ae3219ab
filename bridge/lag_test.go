package bridge_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"
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

// Whoever stayed while Pusher was down gets all of it, however much it is and although the server started again meanwhile.
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
		for i := range 120 {
			want = append(want, fmt.Sprint("title ", i))
			q.publish(ada, want[i], "")
			q.wait(5 * time.Second)
		}
		q.restart()
		q.wait(time.Minute)
		q.gate.on(nil)
		q.wait(time.Minute)
		if got := titles(t, mail(q.taken(), channel)); !slices.Equal(got, want) {
			t.Errorf("got %v", got)
		}
	})
}
