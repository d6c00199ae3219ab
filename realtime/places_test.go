package realtime_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lorebridge/bridge"
	"lorebridge/ent/storedsubscription"
)

// unsubscribe makes the client of a channel leave it with an unsubscribe message.
func (q *quietServer) unsubscribe(channel string) {
	q.away(channel)
	q.subscriptions.Changed(bridge.Change{Channel: channel, Unsubscribed: true, Heard: time.Now()})
	synctest.Wait()
}

func few(n int) func(*quietOptions) { return func(p *quietOptions) { p.subscriptions.PerPerson = n } }

func TestASubscriptionThatWasLeftOrLostTakesNoPlace(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(q *quietServer, channel string){
		"left": (*quietServer).unsubscribe,
		"lost": func(q *quietServer, channel string) { q.leave(channel, time.Now()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQuietServer(t, few(10))
				ada := q.person("Ada")
				for range 30 {
					leave(q, q.subscribeAndJoin(ada, title))
				}
				if a := q.execute(ada, title, nil); a.channel() == "" {
					t.Errorf("the 31st, of which none is joined: %s", a.body)
				}
			})
		})
	}
}

func TestAPageOfSixCanBeLoadedSeventeenTimesAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, few(100))
		ada := q.person("Ada")
		for range 17 {
			var channels []string
			for i := range 6 {
				channels = append(channels, q.subscribeAndJoin(ada, selection(i)))
			}
			for _, channel := range channels {
				q.leave(channel, time.Now())
			}
			q.wait(time.Second)
		}
	})
}

func TestTooManyNewSubscriptionsAMinuteAreRejectedWithTheNameOfTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, few(2))
		ada := q.person("Ada")
		for range 10 {
			q.unsubscribe(q.subscribeAndJoin(ada, title))
		}
		rejected := q.execute(ada, title, nil)
		if rejected.code() != "RATE_LIMITED" {
			t.Fatal(rejected.body)
		}
		for _, named := range []string{"10 subscriptions a minute", "5 times SUBSCRIPTIONS_PER_PERSON", "60 seconds"} {
			if !strings.Contains(rejected.Errors[0].Message, named) {
				t.Errorf("%q does not name %q", rejected.Errors[0].Message, named)
			}
		}
	})
}

func TestASubscriptionThatWasLeftCanBeJoinedForTenSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada := q.person("Ada")
		channel := q.subscribeAndJoin(ada, title)
		q.wait(5 * time.Second)
		for range 3 { // Echo leaves more than once
			q.unsubscribe(channel)
			q.publish(ada, "between", "")
			q.wait(9 * time.Second)
			q.join(ada, channel, "")
			q.receives(channel, "between")
			q.wait(time.Minute)
		}
		q.unsubscribe(channel)
		q.wait(12 * time.Second)
		q.over(channel, "left the channel")
		q.receivesEnd(ada, channel)
	})
}

func TestAClientThatComesBackTakesAPlaceOrIsRejectedIfThereIsNone(t *testing.T) {
	t.Parallel()
	for name, gone := range map[string]time.Duration{"within the grace": time.Second, "after it": 2 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQuietServer(t, few(2))
				ada := q.person("Ada")
				first, second := q.subscribeAndJoin(ada, title), q.subscribeAndJoin(ada, title)
				q.wait(5 * time.Second)
				q.leave(first, time.Now())
				q.leave(second, time.Now())
				q.subscribeAndJoin(ada, selection(1)) // another device
				q.wait(gone)
				q.join(ada, first, "")
				q.open(first, storedsubscription.StateLive)
				if rejected := q.execute(ada, title, nil); rejected.code() != "RATE_LIMITED" {
					t.Errorf("a third one: %s", rejected.body)
				}
				q.receivesEnd(ada, second)
				q.over(second, "places were taken")
				q.publish(ada, "live", "")
				q.receives(first, "live")
			})
		})
	}
}

func TestAPersonHasTwoHundredAwayAndThoseThatLeftFirstAreEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada, grace := q.person("Ada"), q.person("Grace")
		others := q.subscribeAndJoin(grace, title)
		q.leave(others, time.Now())
		var channels []string
		for range 203 {
			channels = append(channels, q.subscribeAndJoin(ada, title))
		}
		for i, channel := range channels {
			q.leave(channel, time.Now())
			if i < 5 {
				q.wait(2 * time.Second) // so that the order in which they left is known
			}
		}
		q.wait(2 * time.Minute)
		count := func(state storedsubscription.State) int {
			n, err := q.client.StoredSubscription.Query().Where(storedsubscription.StateEQ(state), storedsubscription.UserID(ada.id)).Count(q.system())
			must(t, err)
			return n
		}
		if away, closed := count(storedsubscription.StateAway), count(storedsubscription.StateClosed); away != 200 || closed != 3 {
			t.Errorf("%d are away and %d have ended", away, closed)
		}
		for _, channel := range channels[:3] {
			q.over(channel, "too many others")
		}
		q.receivesEnd(ada, channels[0])
		q.open(others, storedsubscription.StateAway)
		q.join(ada, channels[3], "")
		if got := q.received(channels[3]); !slices.Equal(got, []string{"for others"}) {
			t.Errorf("the one after them got %v", got)
		}
	})
}
