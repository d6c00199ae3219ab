package realtime_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lorebridge/auth"
	"lorebridge/bridge"
	"lorebridge/ent"
	"lorebridge/ent/storedsubscription"
)

// lid disconnects a client for a time, as if its laptop were closed, and returns afterwards.
func (q *quietServer) lid(channel string, d time.Duration) {
	q.t.Helper()
	q.leave(channel, time.Now())
	q.wait(d)
}

// closeLid subscribes a person and joins the channel. Then it disconnects the client for a time.
func (q *quietServer) closeLid(p person, d time.Duration) (channel string) {
	q.t.Helper()
	channel = q.subscribeAndJoin(p, title)
	q.wait(5 * time.Second)
	q.lid(channel, d)
	return channel
}

// reopen connects the client of a channel anew.
func (q *quietServer) reopen(p person, channel string) {
	q.t.Helper()
	q.join(p, channel, "")
	q.wait(2 * time.Second) // meanwhile a remote Pusher is polled
}

// quietPusherSetups are the ways to reach Pusher, for newQuietServer.
var quietPusherSetups = map[string]func(*quietOptions){
	"embedded":             func(*quietOptions) {},
	"encrypted":            encrypting,
	"elsewhere":            elsewhere,
	"elsewhere, encrypted": func(p *quietOptions) { elsewhere(p); encrypting(p) },
}

func TestPoint9AClientThatWasAwayForLongerThanTheGraceIsSentWhatItMissed(t *testing.T) {
	t.Parallel()
	for name, change := range quietPusherSetups {
		for _, restart := range []string{"", "before it is away", "while it is away"} {
			t.Run(name+" "+restart, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					q := newQuietServer(t, change)
					ada := q.person("Ada")
					channel := q.subscribeAndJoin(ada, title)
					q.wait(5 * time.Second)
					q.leave(channel, time.Now())
					q.publish(ada, "one", "")
					if restart == "before it is away" {
						q.restart()
					}
					q.wait(5 * time.Minute) // longer than two sweeps and the grace
					q.open(channel, storedsubscription.StateAway)
					if restart == "while it is away" {
						q.restart()
					}
					q.publish(ada, "two", "")
					q.newCalls() // a remote Pusher does not report at once that the client has left
					q.reopen(ada, channel)
					if got := openedTitles(q, channel); !slices.Equal(got, []string{"one", "two"}) {
						t.Errorf("got %v, want both missed events", got)
					}
					q.open(channel, storedsubscription.StateLive)
					q.publish(ada, "three", "")
					if got := openedTitles(q, channel); !slices.Equal(got, []string{"three"}) {
						t.Errorf("then got %v", got)
					}
				})
			})
		}
	}
}

// openedTitles returns the titles that the client of a channel reads, after decryption.
func openedTitles(q *quietServer, channel string) []string {
	q.t.Helper()
	return titles(q.t, opened(q.t.(*testing.T), channel, sentTo(q.newCalls(), channel)))
}

func TestAClientThatIsBackAfterTooManyEventsOrTooLongIsSentOneGap(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		away func(q *quietServer, ada person, channel string)
		want []string
	}{
		"one event too many": {func(q *quietServer, ada person, channel string) {
			q.lid(channel, 3*time.Minute)
			for i := range 51 {
				q.publish(ada, fmt.Sprint(i), "")
			}
		}, []string{"SUBSCRIPTION_GAP"}},
		"longer than events are kept": {func(q *quietServer, _ person, channel string) {
			q.lid(channel, 3*time.Minute)
			q.pause(8*24*time.Hour, `UPDATE sessions SET expires_at = '2000-02-01 00:00:00+00:00'`)
		}, []string{"SUBSCRIPTION_GAP"}},
		"almost as long, and nothing happened": {func(q *quietServer, _ person, channel string) {
			q.lid(channel, 3*time.Minute)
			q.pause(6*24*time.Hour, `UPDATE sessions SET expires_at = '2000-02-01 00:00:00+00:00'`)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newQuietServer(t, func(p *quietOptions) { p.subscriptions.Lifetime = 720 * time.Hour })
				ada := q.person("Ada")
				channel := q.subscribeAndJoin(ada, title)
				q.publish(ada, "before", "")
				q.wait(5 * time.Second)
				q.newCalls()
				test.away(q, ada, channel)
				q.reopen(ada, channel)
				q.publish(ada, "live", "")
				q.receives(channel, append(test.want, "live")...)
			})
		})
	}
}

func TestAClientThatIsAwayWhenItsSubscriptionEndsIsSentTheEndAlone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		end    func(q *quietServer, ada person, channel string)
		reason string
	}{
		"signed out": {func(q *quietServer, ada person, channel string) {
			q.endSession(ada)
			q.sessions.EndSession(ada.session, auth.SignedOut)
		}, "session"},
		"its session ended, and no listener was called": {func(q *quietServer, ada person, channel string) {
			q.endSession(ada)
			q.wait(61 * time.Second)
		}, "session"},
		"its session ended at this moment": {func(q *quietServer, ada person, channel string) { q.endSession(ada) }, "session"},
		"its session expired":              {func(q *quietServer, ada person, channel string) { q.pause(24 * time.Hour) }, "session"},
		"an administrator": {func(q *quietServer, ada person, channel string) {
			must(q.t, q.subscriptions.End(q.t.Context(), q.idOf(channel), "an administrator ended it"))
		}, "administrator"},
		"its lifetime": {func(q *quietServer, ada person, channel string) { q.pause(6 * time.Hour) }, "greatest age"},
		"its document": {func(q *quietServer, ada person, channel string) {
			q.restart(`UPDATE subscribers SET document = 'subscription { knowledgeRetracted { title } }'`)
		}, "the schema no longer accepts"},
		"encryption": {func(q *quietServer, ada person, channel string) {
			q.options.pusher.MasterKey = masterKey
			q.restart()
		}, "encryption"},
		"a namespace": {func(q *quietServer, ada person, channel string) {
			q.options.pusher.Namespace = "shop"
			q.restart()
		}, "namespace"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for kind, change := range map[string]func(*quietOptions){"embedded": quietPusherSetups["embedded"], "elsewhere": elsewhere} {
				synctest.Test(t, func(t *testing.T) {
					q := newQuietServer(t, change, func(p *quietOptions) {
						p.subscriptions.Lifetime = 48 * time.Hour
						if name == "its lifetime" {
							p.subscriptions.Lifetime = 6 * time.Hour
						}
					})
					ada := q.person("Ada")
					channel := q.closeLid(ada, 5*time.Minute)
					q.publish(ada, "missed", "")
					q.open(channel, storedsubscription.StateAway)
					test.end(q, ada, channel)
					back := q.session(ada)
					q.receivesEnd(back, channel)
					q.receivesEnd(back, channel) // each time it authorizes
					q.over(channel, test.reason)
					row := q.row(channel)
					if row.Document != "" || len(row.Variables) > 0 || row.OperationName != "" {
						t.Errorf("%s: its row still has its operation: %v", kind, row)
					}
					if q.may(q.author(), channel) {
						t.Error("another person is granted the channel")
					}
				})
			}
		})
	}
}

// endSession ends a session in the database only, so that no listener is called.
func (q *quietServer) endSession(p person) {
	q.t.Helper()
	must(q.t, q.client.Session.UpdateOneID(p.session).SetEndedAt(time.Now().UTC()).Exec(q.system()))
}

// A revival reads that the session holds. Then the session ends, before the subscription is in memory, where the end
// would find it.
func TestASessionThatEndsBetweenTheStepsOfARevivalEndsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada := q.person("Ada")
		channel := q.closeLid(ada, 5*time.Minute)
		q.publish(ada, "missed", "")
		q.open(channel, storedsubscription.StateAway)
		q.newCalls()
		holds := true
		q.client.Session.Intercept(ent.InterceptFunc(func(next ent.Querier) ent.Querier {
			return ent.QuerierFunc(func(ctx context.Context, query ent.Query) (ent.Value, error) {
				rows, err := next.Query(ctx, query)
				if holds {
					holds = false
					q.endSession(ada)
					q.sessions.EndSession(ada.session, auth.SignedOut)
				}
				return rows, err
			})
		}))
		q.reopen(ada, channel)
		if holds {
			t.Error("the session was not read")
		}
		if got := openedTitles(q, channel); !slices.Equal(got, []string{"end"}) {
			t.Errorf("got %v, want the end alone", got)
		}
		if open := q.subscriptions.Stats().Open; open != 0 {
			t.Errorf("%d are open", open)
		}
	})
}

func TestManySocketsThatReviveOneAtTheSameTimeAreServedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada := q.person("Ada")
		channel := q.closeLid(ada, 2*time.Minute)
		q.publish(ada, "missed", "")
		var sockets sync.WaitGroup
		for range 20 {
			sockets.Go(func() {
				if !q.may(ada, channel) {
					t.Error("one is rejected")
				}
			})
		}
		sockets.Wait()
		if open := q.subscriptions.Stats().Open; open != 1 {
			t.Errorf("%d are open", open)
		}
		q.subscriptions.Changed(bridge.Change{Channel: channel, Joined: true, Listeners: 20, Heard: time.Now()})
		q.receives(channel, "missed")
	})
}

func TestASubscriptionThatEndsDuringItsRevivalHasEnded(t *testing.T) {
	t.Parallel()
	s := startServer(t, func(p *options) { p.subscriptions.Grace = time.Second })
	ada := s.person("Ada")
	channels := make([]string, 40)
	for i := range channels {
		channels[i] = s.subscribe(ada, title)
		l := s.listen(ada, channels[i])
		must(t, l.conn.Close())
	}
	eventually(t, "all are away", func() bool {
		n, err := s.client.StoredSubscription.Query().Where(storedsubscription.StateEQ(storedsubscription.StateAway)).Count(s.system())
		must(t, err)
		return n == len(channels)
	})
	var at sync.WaitGroup
	for _, channel := range channels {
		id := s.row(channel).ID
		at.Go(func() {
			if err := s.subscriptions.Authorize(t.Context(), channel, ada.known(), bridge.ProtocolGraphqlRuby); err != nil {
				t.Error(err)
			}
		})
		at.Go(func() {
			if err := s.subscriptions.End(t.Context(), id, "ended"); err != nil {
				t.Error(err)
			}
		})
	}
	at.Wait()
	if open := s.subscriptions.Stats().Open; open != 0 {
		t.Errorf("%d are open", open)
	}
	for _, channel := range channels {
		if row := s.row(channel); row.State != storedsubscription.StateClosed || row.Document != "" {
			t.Errorf("a subscription is %s", row.State)
		}
	}
}

func TestAPersonWhoSignsOutDuringARevivalGetsNoData(t *testing.T) {
	t.Parallel()
	s := startServer(t, func(p *options) { p.subscriptions.Grace = time.Second })
	bob := s.person("Bob")
	people := make([]person, 20)
	channels := make([]string, len(people))
	for i := range people {
		people[i] = s.person(fmt.Sprint("Person", i))
		channels[i] = s.subscribe(people[i], title)
		must(t, s.listen(people[i], channels[i]).conn.Close())
	}
	eventually(t, "all are away", func() bool { return s.subscriptions.Stats().Open == 0 })
	s.publish(bob, "missed")
	var at sync.WaitGroup
	for i, p := range people {
		at.Go(func() { s.execute(p, `mutation { signOut { signedOut } }`, nil) })
		at.Go(func() {
			if err := s.subscriptions.Authorize(t.Context(), channels[i], p.known(), bridge.ProtocolGraphqlRuby); err != nil {
				t.Error(err)
			}
		})
	}
	at.Wait()
	if open := s.subscriptions.Stats().Open; open != 0 {
		t.Errorf("%d are open", open)
	}
	for i, p := range people {
		l := s.listen(s.session(p, time.Hour), channels[i])
		if u := l.update(); u.More || strings.Contains(u.Raw, "missed") {
			t.Errorf("got %s", u.Raw)
		}
	}
}
