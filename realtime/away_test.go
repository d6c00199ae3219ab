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

// lid closes a client's laptop for so long, in any house, and returns once that is over.
func (q *quiet) lid(channel string, d time.Duration) {
	q.t.Helper()
	q.leave(channel, time.Now())
	q.wait(d)
}

// closeLid attends for a person, and closes the lid for so long.
func (q *quiet) closeLid(p person, d time.Duration) (channel string) {
	q.t.Helper()
	channel = q.attend(p, title)
	q.wait(5 * time.Second)
	q.lid(channel, d)
	return channel
}

// reopen has the client of a channel come back.
func (q *quiet) reopen(p person, channel string) {
	q.t.Helper()
	q.join(p, channel, "")
	q.wait(2 * time.Second) // while which a Pusher elsewhere is asked
}

// quietHouses are the ways to reach Pusher.
var quietHouses = map[string]func(*quietPlan){
	"embedded":             func(*quietPlan) {},
	"encrypted":            encrypting,
	"elsewhere":            elsewhere,
	"elsewhere, encrypted": func(p *quietPlan) { elsewhere(p); encrypting(p) },
}

func TestPoint9AClientThatWasAwayForLongerThanTheGraceIsToldWhatItMissed(t *testing.T) {
	t.Parallel()
	for name, house := range quietHouses {
		for _, restart := range []string{"", "before it is away", "while it is away"} {
			t.Run(name+" "+restart, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					q := newQuiet(t, house)
					ada := q.person("Ada")
					channel := q.attend(ada, title)
					q.wait(5 * time.Second)
					q.leave(channel, time.Now())
					q.publish(ada, "one", "")
					if restart == "before it is away" {
						q.restart()
					}
					q.wait(5 * time.Minute) // two sweeps, and the grace
					q.open(channel, storedsubscription.StateAway)
					if restart == "while it is away" {
						q.restart()
					}
					q.publish(ada, "two", "")
					q.taken() // a Pusher elsewhere does not tell at once that the client has left
					q.reopen(ada, channel)
					if got := openedTitles(q, channel); !slices.Equal(got, []string{"one", "two"}) {
						t.Errorf("got %v, want both of what it missed", got)
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

// openedTitles is what the client of a channel reads of what it was sent.
func openedTitles(q *quiet, channel string) []string {
	q.t.Helper()
	return titles(q.t, opened(q.t.(*testing.T), channel, mail(q.taken(), channel)))
}

func TestWhoeverIsBackAfterTooMuchOrTooLongIsToldOfOneGap(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		away func(q *quiet, ada person, channel string)
		want []string
	}{
		"one event too many": {func(q *quiet, ada person, channel string) {
			q.lid(channel, 3*time.Minute)
			for i := range 51 {
				q.publish(ada, fmt.Sprint(i), "")
			}
		}, []string{"SUBSCRIPTION_GAP"}},
		"longer than events are kept": {func(q *quiet, _ person, channel string) {
			q.lid(channel, 3*time.Minute)
			q.pause(8*24*time.Hour, `UPDATE sessions SET expires_at = '2000-02-01 00:00:00+00:00'`)
		}, []string{"SUBSCRIPTION_GAP"}},
		"almost as long, and nothing happened": {func(q *quiet, _ person, channel string) {
			q.lid(channel, 3*time.Minute)
			q.pause(6*24*time.Hour, `UPDATE sessions SET expires_at = '2000-02-01 00:00:00+00:00'`)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newQuiet(t, func(p *quietPlan) { p.subscriptions.Lifetime = 720 * time.Hour })
				ada := q.person("Ada")
				channel := q.attend(ada, title)
				q.publish(ada, "before", "")
				q.wait(5 * time.Second)
				q.taken()
				test.away(q, ada, channel)
				q.reopen(ada, channel)
				q.publish(ada, "live", "")
				q.gets(channel, append(test.want, "live")...)
			})
		})
	}
}

func TestWhoeverIsAwayWhenItEndsIsToldTheEndAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		end    func(q *quiet, ada person, channel string)
		reason string
	}{
		"signed out": {func(q *quiet, ada person, channel string) {
			q.endSession(ada)
			q.sessions.EndSession(ada.session, auth.SignedOut)
		}, "session"},
		"its session ended, and nobody was told": {func(q *quiet, ada person, channel string) {
			q.endSession(ada)
			q.wait(61 * time.Second)
		}, "session"},
		"its session ended at this moment": {func(q *quiet, ada person, channel string) { q.endSession(ada) }, "session"},
		"its session expired":              {func(q *quiet, ada person, channel string) { q.pause(24 * time.Hour) }, "session"},
		"an administrator": {func(q *quiet, ada person, channel string) {
			must(q.t, q.subscriptions.End(q.t.Context(), q.idOf(channel), "an administrator ended it"))
		}, "administrator"},
		"its lifetime": {func(q *quiet, ada person, channel string) { q.pause(6 * time.Hour) }, "greatest age"},
		"its document": {func(q *quiet, ada person, channel string) {
			q.restart(`UPDATE subscribers SET document = 'subscription { knowledgeRetracted { title } }'`)
		}, "the schema no longer accepts"},
		"encryption": {func(q *quiet, ada person, channel string) {
			q.plan.pusher.MasterKey = masterKey
			q.restart()
		}, "encryption"},
		"a namespace": {func(q *quiet, ada person, channel string) {
			q.plan.pusher.Namespace = "shop"
			q.restart()
		}, "namespace"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for house, change := range map[string]func(*quietPlan){"embedded": quietHouses["embedded"], "elsewhere": elsewhere} {
				synctest.Test(t, func(t *testing.T) {
					q := newQuiet(t, change, func(p *quietPlan) {
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
					q.parts(back, channel)
					q.parts(back, channel) // as often as it asks
					q.over(channel, test.reason)
					row := q.row(channel)
					if row.Document != "" || len(row.Variables) > 0 || row.OperationName != "" {
						t.Errorf("%s: its row still has what it ran: %v", house, row)
					}
					if q.may(q.author(), channel) {
						t.Error("another person is granted the channel")
					}
				})
			}
		})
	}
}

// endSession ends a session in the database alone.
func (q *quiet) endSession(p person) {
	q.t.Helper()
	must(q.t, q.client.Session.UpdateOneID(p.session).SetEndedAt(time.Now().UTC()).Exec(q.system()))
}

// The session ends after a revival has read that it holds, and before the subscription is in memory, where the end
// would find it.
func TestASessionThatEndsBetweenTheStepsOfARevivalEndsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t)
		ada := q.person("Ada")
		channel := q.closeLid(ada, 5*time.Minute)
		q.publish(ada, "missed", "")
		q.open(channel, storedsubscription.StateAway)
		q.taken()
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
		q := newQuiet(t)
		ada := q.person("Ada")
		channel := q.closeLid(ada, 2*time.Minute)
		q.publish(ada, "missed", "")
		var sockets sync.WaitGroup
		for range 20 {
			sockets.Go(func() {
				if !q.may(ada, channel) {
					t.Error("one is refused")
				}
			})
		}
		sockets.Wait()
		if open := q.subscriptions.Stats().Open; open != 1 {
			t.Errorf("%d are open", open)
		}
		q.subscriptions.Changed(bridge.Change{Channel: channel, Joined: true, Listeners: 20, Heard: time.Now()})
		q.gets(channel, "missed")
	})
}

func TestWhatEndsWhileItIsRevivedHasEnded(t *testing.T) {
	t.Parallel()
	h := build(t, func(p *plan) { p.subscriptions.Grace = time.Second })
	ada := h.person("Ada")
	channels := make([]string, 40)
	for i := range channels {
		channels[i] = h.subscribe(ada, title)
		l := h.listen(ada, channels[i])
		must(t, l.conn.Close())
	}
	eventually(t, "all are away", func() bool {
		n, err := h.client.StoredSubscription.Query().Where(storedsubscription.StateEQ(storedsubscription.StateAway)).Count(h.system())
		must(t, err)
		return n == len(channels)
	})
	var at sync.WaitGroup
	for _, channel := range channels {
		id := h.row(channel).ID
		at.Go(func() {
			if err := h.subscriptions.Authorize(t.Context(), channel, ada.known(), bridge.ProtocolGraphqlRuby); err != nil {
				t.Error(err)
			}
		})
		at.Go(func() {
			if err := h.subscriptions.End(t.Context(), id, "ended"); err != nil {
				t.Error(err)
			}
		})
	}
	at.Wait()
	if open := h.subscriptions.Stats().Open; open != 0 {
		t.Errorf("%d are open", open)
	}
	for _, channel := range channels {
		if row := h.row(channel); row.State != storedsubscription.StateClosed || row.Document != "" {
			t.Errorf("it is %s", row.State)
		}
	}
}

func TestWhoeverSignsOutWhileItIsRevivedGetsNoData(t *testing.T) {
	t.Parallel()
	h := build(t, func(p *plan) { p.subscriptions.Grace = time.Second })
	bob := h.person("Bob")
	people := make([]person, 20)
	channels := make([]string, len(people))
	for i := range people {
		people[i] = h.person(fmt.Sprint("Person", i))
		channels[i] = h.subscribe(people[i], title)
		must(t, h.listen(people[i], channels[i]).conn.Close())
	}
	eventually(t, "all are away", func() bool { return h.subscriptions.Stats().Open == 0 })
	h.publish(bob, "missed")
	var at sync.WaitGroup
	for i, p := range people {
		at.Go(func() { h.post(p, `mutation { signOut { signedOut } }`, nil) })
		at.Go(func() {
			if err := h.subscriptions.Authorize(t.Context(), channels[i], p.known(), bridge.ProtocolGraphqlRuby); err != nil {
				t.Error(err)
			}
		})
	}
	at.Wait()
	if open := h.subscriptions.Stats().Open; open != 0 {
		t.Errorf("%d are open", open)
	}
	for i, p := range people {
		l := h.listen(h.session(p, time.Hour), channels[i])
		if u := l.update(); u.More || strings.Contains(u.Raw, "missed") {
			t.Errorf("got %s", u.Raw)
		}
	}
}
