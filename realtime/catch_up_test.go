package realtime_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lorebridge/auth"
	"lorebridge/bridge"
	"lorebridge/ent"
	"lorebridge/ent/storedsubscription"
	"lorebridge/pusherserver"
)

func TestPoint10WhatHappensBeforeTheJoinIsToldAfterItInOrder(t *testing.T) {
	t.Parallel()
	for name, change := range houses {
		t.Run(name, func(t *testing.T) {
			h := build(t, change)
			ada, grace := h.person("Ada"), h.person("Grace")
			channel := h.subscribe(ada, title)
			h.publish(grace, "compilers")
			h.publish(grace, "parsers")
			l := h.listen(ada, channel)
			h.publish(grace, "linkers")
			l.tells("compilers", "parsers", "linkers")
		})
	}
}

// commit adds to a person's knowledge without a request.
func (h *house) commit(p person, title string) error {
	ctx := auth.NewContext(context.Background(), auth.Viewer{UserID: p.id})
	return h.events.WithTx(ctx, func(ctx context.Context, tx *ent.Client) error {
		return tx.Knowledge.Create().SetOwnerID(p.id).SetTitle(title).Exec(ctx)
	})
}

func TestPoint10NothingIsLostOrChangesPlaceWhileManyPublishAndOneJoins(t *testing.T) {
	t.Parallel()
	const authors, each = 4, 12 // in all fewer than can be caught up with
	for name, change := range houses {
		t.Run(name, func(t *testing.T) {
			h := build(t, change)
			ada := h.person("Ada")
			channel := h.subscribe(ada, title)
			var publishing sync.WaitGroup
			begun := make(chan struct{}, authors*each)
			for a := range authors {
				author := h.person(fmt.Sprint("Author", a))
				publishing.Go(func() {
					for n := range each {
						if err := h.commit(author, fmt.Sprint(a, " ", n)); err != nil {
							t.Error(err)
						}
						begun <- struct{}{}
					}
				})
			}
			for range 10 {
				<-begun
			}
			l := h.listen(ada, channel)
			next, last := [authors]int{}, 0
			for range authors * each {
				value, seq := l.told("title")
				var a, n int
				_, err := fmt.Sscan(value, &a, &n)
				must(t, err)
				if seq <= last || n != next[a] {
					t.Fatalf("got %q as number %d after %d, want its author's number %d", value, seq, last, next[a])
				}
				last = seq
				next[a]++
			}
			publishing.Wait()
			must(t, h.commit(ada, "the end"))
			if value, _ := l.told("title"); value != "the end" {
				t.Errorf("got %q more than was published", value)
			}
		})
	}
}

func TestAClientThatComesBackIsToldWhatItMissed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		do   func(q *quiet, ada person, channel string)
		want []string
	}{
		"left in good order": {func(q *quiet, ada person, channel string) {
			q.publish(ada, "compilers", "")
			q.wait(10 * time.Second)
			q.leave(channel, time.Now())
			q.publish(ada, "parsers", "")
			q.wait(30 * time.Second)
			q.join(ada, channel, "")
		}, []string{"compilers", "parsers"}},
		"left as something was sent": {func(q *quiet, ada person, channel string) {
			q.publish(ada, "compilers", "")
			q.wait(time.Second)
			q.leave(channel, time.Now())
			q.join(ada, channel, "")
		}, []string{"compilers", "compilers"}},
		"vanished": {func(q *quiet, ada person, channel string) {
			q.publish(ada, "compilers", "")
			q.wait(30 * time.Second)
			q.publish(ada, "parsers", "")
			q.wait(30 * time.Second)
			q.leave(channel, time.Now().Add(-45*time.Second))
			q.wait(10 * time.Second)
			q.join(ada, channel, "")
		}, []string{"compilers", "parsers", "parsers"}},
		"with a new socket while the old one counts": {func(q *quiet, ada person, channel string) {
			q.publish(ada, "compilers", "")
			q.wait(121 * time.Second)
			q.publish(ada, "parsers", "")
			q.wait(30 * time.Second)
			q.join(ada, channel, "")
			q.subscriptions.Changed(bridge.Change{Channel: channel, Listeners: 1, Heard: time.Now().Add(-time.Minute)}) // the old one goes
		}, []string{"compilers", "parsers", "parsers"}},
		"with a new socket that joins after the old one has left": {func(q *quiet, ada person, channel string) {
			q.wait(time.Minute)
			q.may(ada, channel)
			q.leave(channel, time.Now())
			q.publish(ada, "compilers", "")
			q.subscriptions.Changed(bridge.Change{Channel: channel, Joined: true, Listeners: 1, Heard: time.Now()})
			q.publish(ada, "parsers", "")
		}, []string{"compilers", "parsers"}},
		"not at all: it only asked, and its socket is still there": {func(q *quiet, ada person, channel string) {
			q.may(ada, channel)
			q.publish(ada, "compilers", "")
			q.wait(61 * time.Second)
		}, []string{"compilers"}},
		"after two leaves in a row": {func(q *quiet, ada person, channel string) {
			q.publish(ada, "compilers", "")
			q.wait(10 * time.Second)
			q.leave(channel, time.Now())
			q.publish(ada, "parsers", "")
			q.wait(30 * time.Second)
			q.leave(channel, time.Now())
			q.wait(20 * time.Second)
			q.join(ada, channel, "")
		}, []string{"compilers", "parsers"}},
		"several times, with nothing to tell": {func(q *quiet, ada person, channel string) {
			for range 3 {
				q.leave(channel, time.Now())
				q.wait(time.Second)
				q.join(ada, channel, "")
				q.wait(time.Second)
			}
			q.publish(ada, "compilers", "")
		}, []string{"compilers"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQuiet(t)
				ada := q.person("Ada")
				channel := q.attend(ada, title)
				q.wait(5 * time.Second)
				test.do(q, ada, channel)
				q.wait(time.Second)
				q.publish(ada, "live", "")
				q.gets(channel, append(test.want, "live")...)
				q.open(channel, storedsubscription.StateLive)
			})
		})
	}
}

func TestPoint9AClientThatDroppedJoinsAgainWithinTheGrace(t *testing.T) {
	t.Parallel()
	for name, change := range houses {
		t.Run(name, func(t *testing.T) {
			h := build(t, change)
			ada, grace := h.person("Ada"), h.person("Grace")
			channel := h.subscribe(ada, title)
			l := h.listen(ada, channel)
			h.publish(grace, "compilers")
			l.tells("compilers")
			must(t, l.conn.Close())
			h.publish(grace, "parsers")
			l = h.listen(ada, channel)
			h.publish(grace, "linkers")
			var got []string
			for !slices.Contains(got, "linkers") { // what was sent before may come again
				value, _ := l.told("title")
				got = append(got, value)
			}
			if n := len(got); n < 2 || got[n-2] != "parsers" {
				t.Errorf("got %v, want what was missed before what came later", got)
			}
		})
	}
}

func TestPoint9AClientWhoseConnectionDiedSilentlyIsToldWhatWasSentInVain(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	left := sync.OnceFunc(func() { close(gone) })
	h := build(t, func(p *plan) {
		p.sockets = func(c *pusherserver.Config) {
			c.ActivityTimeout, c.PongTimeout = time.Second, time.Second
			tell := c.OnSubscription
			c.OnSubscription = func(s pusherserver.SubscriptionChange) {
				tell(s)
				if s.Subscribers == 0 {
					left()
				}
			}
		}
	})
	ada, grace := h.person("Ada"), h.person("Grace")
	channel := h.subscribe(ada, title)
	h.listen(ada, channel) // it reads nothing more, and answers no ping
	h.publish(grace, "compilers")
	<-gone
	h.listen(ada, channel).tells("compilers")
}

func TestAClientThatLeavesAndComesBackWhileItCatchesUpIsToldAllInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t)
		ada := q.person("Ada")
		channel := q.subscribe(ada, title)
		for _, title := range []string{"compilers", "parsers", "linkers"} {
			q.publish(ada, title, "")
		}
		var calls atomic.Int32
		release := make(chan struct{})
		q.gate.on(func(_ *http.Request, events []sent) (int, error) {
			if strings.Contains(fmt.Sprint(events), channel) && calls.Add(1) == 2 {
				<-release
			}
			return 0, nil
		})
		q.join(ada, channel, bridge.ProtocolGraphqlRuby)
		q.wait(time.Second) // one is sent, and the second one is on its way
		q.leave(channel, time.Now())
		q.publish(ada, "loaders", "")
		time.AfterFunc(time.Second, func() { close(release) })
		q.join(ada, channel, bridge.ProtocolGraphqlRuby) // which waits for what is on its way
		q.gets(channel, "compilers", "parsers", "compilers", "parsers", "linkers", "loaders")
		q.publish(ada, "live", "")
		q.gets(channel, "live")
	})
}

func TestWhatWasAskedBeforeAnAuthorizationSaysNothingAfterIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t, elsewhere)
		ada := q.person("Ada")
		channel := q.subscribe(ada, title)
		q.back(channel)
		q.publish(ada, "compilers", "")
		release := make(chan struct{})
		q.gate.on(func(r *http.Request, _ []sent) (int, error) {
			if r.Method == http.MethodGet {
				<-release
			}
			return 0, nil
		})
		q.may(ada, channel)
		q.wait(150 * time.Millisecond) // it is being asked for
		q.may(ada, channel)
		close(release)
		q.wait(500 * time.Millisecond)
		q.gets(channel)
		q.wait(time.Second)
		q.gets(channel, "compilers")
	})
}

func TestWhoeverJoinsAgainAndAgainHoldsUpNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t)
		ada, grace := q.person("Ada"), q.person("Grace")
		restless, patient := q.subscribe(ada, title), q.attend(grace, selection(1))
		q.publish(grace, "compilers", "")
		const most = 100
		var joins, served atomic.Int32
		release := make(chan struct{})
		q.gate.on(func(_ *http.Request, events []sent) (int, error) {
			switch text := fmt.Sprint(events); {
			case strings.Contains(text, patient):
				served.Store(joins.Load())
			case strings.Contains(text, restless):
				<-release
				if joins.Add(1) < most {
					go q.join(ada, restless, "") // which waits for this to land
				}
			}
			return 0, nil
		})
		q.join(ada, restless, bridge.ProtocolGraphqlRuby)
		q.publish(grace, "parsers", "")
		close(release)
		q.wait(time.Second)
		if n := served.Load(); n > most/2 {
			t.Errorf("the patient one was served after %d joins of the restless one", n)
		}
		if got := q.got(patient); !slices.Equal(got, []string{"compilers", "parsers"}) {
			t.Errorf("the patient one got %v", got)
		}
	})
}

func TestWhoeverComesBackWaitsForWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t, elsewhere)
		ada := q.person("Ada")
		channel := q.attend(ada, title)
		q.wait(time.Minute)
		var calls atomic.Int32
		release := make(chan struct{})
		q.gate.on(func(_ *http.Request, events []sent) (int, error) {
			if strings.Contains(fmt.Sprint(events), "compilers") && calls.Add(1) == 1 {
				<-release
			}
			return 0, nil
		})
		q.publish(ada, "compilers", "")
		q.wait(time.Second)
		began := time.Now()
		time.AfterFunc(3*time.Second, func() { close(release) })
		q.join(ada, channel, "")
		if waited := time.Since(began); waited < 3*time.Second {
			t.Errorf("it may join after %v, with a result on its way to where it was", waited)
		}
		q.publish(ada, "parsers", "")
		q.gets(channel, "compilers", "compilers", "parsers") // the first one reached nobody
	})
}

func TestASubscriptionThatEndsWhileItCatchesUpIsToldNothingMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t)
		ada := q.person("Ada")
		channel := q.subscribe(ada, title)
		q.publish(ada, "compilers", "")
		q.publish(ada, "parsers", "")
		release := make(chan struct{})
		q.gate.on(func(_ *http.Request, events []sent) (int, error) {
			if strings.Contains(fmt.Sprint(events), "compilers") {
				<-release
			}
			return 0, nil
		})
		q.join(ada, channel, bridge.ProtocolGraphqlRuby)
		q.wait(time.Second)
		must(t, q.subscriptions.End(t.Context(), q.idOf(channel), "ended"))
		close(release)
		q.wait(time.Second)
		q.publish(ada, "linkers", "")
		got := q.got(channel)
		slices.Sort(got) // several workers: the end may come first
		if !slices.Equal(got, []string{"compilers", "end"}) {
			t.Errorf("got %v", got)
		}
	})
}

func TestWhoeverMissedTooMuchIsToldSoOnce(t *testing.T) {
	t.Parallel()
	miss := func(n int) func(q *quiet, ada person, channel string) {
		return func(q *quiet, ada person, channel string) {
			q.leave(channel, time.Now())
			for i := range n {
				q.publish(ada, fmt.Sprint(i), "")
			}
			q.join(ada, channel, bridge.ProtocolGraphqlRuby)
		}
	}
	all := make([]string, 50)
	for i := range all {
		all[i] = fmt.Sprint(i)
	}
	for name, test := range map[string]struct {
		do   func(q *quiet, ada person, channel string)
		want []string
	}{
		"as many as there may be": {miss(50), all},
		"one too many":            {miss(51), []string{"SUBSCRIPTION_GAP"}},
		"too old": {func(q *quiet, ada person, channel string) {
			q.publish(ada, "compilers", "")
			q.wait(170 * time.Second)
			q.taken()
			q.leave(channel, time.Now().Add(-180*time.Second))
			q.wait(30 * time.Second)
			q.join(ada, channel, bridge.ProtocolGraphqlRuby)
		}, []string{"SUBSCRIPTION_GAP"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQuiet(t)
				ada := q.person("Ada")
				channel := q.attend(ada, title)
				q.wait(5 * time.Minute)
				test.do(q, ada, channel)
				q.wait(time.Second)
				q.publish(ada, "live", "")
				q.gets(channel, append(test.want, "live")...)
			})
		})
	}
}

// The limits are for what a client missed while it was gone. What happens while it is caught up it gets, however much.
func TestWhoeverIsBackMissesNothingMore(t *testing.T) {
	t.Parallel()
	const meanwhile = 60
	for missed, first := range map[int][]string{3: {"0", "1", "2"}, 51: {"SUBSCRIPTION_GAP"}} {
		t.Run(fmt.Sprint(missed, " missed"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQuiet(t)
				ada := q.person("Ada")
				channel := q.attend(ada, title)
				q.wait(5 * time.Minute)
				q.leave(channel, time.Now())
				for i := range missed {
					q.publish(ada, fmt.Sprint(i), "")
				}
				hold := make(chan struct{})
				q.gate.on(func(_ *http.Request, events []sent) (int, error) {
					if strings.Contains(fmt.Sprint(events), channel) {
						<-hold
					}
					return 0, nil
				})
				q.join(ada, channel, bridge.ProtocolGraphqlRuby)
				synctest.Wait() // the first result is with Pusher
				want := slices.Clone(first)
				for i := range meanwhile {
					want = append(want, fmt.Sprint("later ", i))
					q.publish(ada, fmt.Sprint("later ", i), "")
				}
				close(hold)
				q.gets(channel, want...)
			})
		})
	}
}

func TestWhatPusherDoesNotTakeForLongIsNotSkipped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t)
		ada := q.person("Ada")
		channel := q.subscribe(ada, title)
		q.publish(ada, "compilers", "")
		q.publish(ada, "parsers", "")
		var refusals atomic.Int32
		down := true
		q.gate.on(func(_ *http.Request, events []sent) (int, error) {
			if down && strings.Contains(fmt.Sprint(events), channel) {
				refusals.Add(1)
				return http.StatusServiceUnavailable, nil
			}
			if strings.Contains(fmt.Sprint(events), channel) && refusals.Load() == 0 {
				t.Error("it was not tried")
			}
			return 0, nil
		})
		q.join(ada, channel, bridge.ProtocolGraphqlRuby)
		q.wait(121 * time.Second) // nothing is given up
		q.gate.on(nil)
		q.wait(time.Minute)
		got := q.got(channel)
		if !slices.Equal(got, []string{"compilers", "parsers"}) && !slices.Equal(got, []string{"SUBSCRIPTION_GAP"}) {
			t.Errorf("got %v, want all of it or to be told that it is not", got)
		}
		q.publish(ada, "live", "")
		q.gets(channel, "live")
	})
}
