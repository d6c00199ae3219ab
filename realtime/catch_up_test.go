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

func TestPoint10EventsBeforeTheJoinAreSentAfterItInOrder(t *testing.T) {
	t.Parallel()
	for name, change := range pusherSetups {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, change)
			ada, grace := s.person("Ada"), s.person("Grace")
			channel := s.subscribe(ada, title)
			s.publish(grace, "compilers")
			s.publish(grace, "parsers")
			l := s.listen(ada, channel)
			s.publish(grace, "linkers")
			l.receives("compilers", "parsers", "linkers")
		})
	}
}

// commit adds an item to a person's knowledge without a request.
func (s *server) commit(p person, title string) error {
	ctx := auth.NewContext(context.Background(), auth.Viewer{UserID: p.id})
	return s.events.WithTx(ctx, func(ctx context.Context, tx *ent.Client) error {
		return tx.Knowledge.Create().SetOwnerID(p.id).SetTitle(title).Exec(ctx)
	})
}

func TestPoint10NothingIsLostOrChangesPlaceWhileManyPublishAndOneJoins(t *testing.T) {
	t.Parallel()
	const authors, each = 4, 12 // together fewer than a catch-up sends
	for name, change := range pusherSetups {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, change)
			ada := s.person("Ada")
			channel := s.subscribe(ada, title)
			var publishing sync.WaitGroup
			begun := make(chan struct{}, authors*each)
			for a := range authors {
				author := s.person(fmt.Sprint("Author", a))
				publishing.Go(func() {
					for n := range each {
						if err := s.commit(author, fmt.Sprint(a, " ", n)); err != nil {
							t.Error(err)
						}
						begun <- struct{}{}
					}
				})
			}
			for range 10 {
				<-begun
			}
			l := s.listen(ada, channel)
			next, last := [authors]int{}, 0
			for range authors * each {
				value, seq := l.receive("title")
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
			must(t, s.commit(ada, "the end"))
			if value, _ := l.receive("title"); value != "the end" {
				t.Errorf("got %q more than was published", value)
			}
		})
	}
}

func TestAClientThatComesBackIsSentWhatItMissed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		do   func(q *quietServer, ada person, channel string)
		want []string
	}{
		"left in good order": {func(q *quietServer, ada person, channel string) {
			q.publish(ada, "compilers", "")
			q.wait(10 * time.Second)
			q.leave(channel, time.Now())
			q.publish(ada, "parsers", "")
			q.wait(30 * time.Second)
			q.join(ada, channel, "")
		}, []string{"compilers", "parsers"}},
		"left as something was sent": {func(q *quietServer, ada person, channel string) {
			q.publish(ada, "compilers", "")
			q.wait(time.Second)
			q.leave(channel, time.Now())
			q.join(ada, channel, "")
		}, []string{"compilers", "compilers"}},
		"vanished": {func(q *quietServer, ada person, channel string) {
			q.publish(ada, "compilers", "")
			q.wait(30 * time.Second)
			q.publish(ada, "parsers", "")
			q.wait(30 * time.Second)
			q.leave(channel, time.Now().Add(-45*time.Second))
			q.wait(10 * time.Second)
			q.join(ada, channel, "")
		}, []string{"compilers", "parsers", "parsers"}},
		"with a new socket while the old one counts": {func(q *quietServer, ada person, channel string) {
			q.publish(ada, "compilers", "")
			q.wait(121 * time.Second)
			q.publish(ada, "parsers", "")
			q.wait(30 * time.Second)
			q.join(ada, channel, "")
			q.subscriptions.Changed(bridge.Change{Channel: channel, Listeners: 1, Heard: time.Now().Add(-time.Minute)}) // the old connection closes
		}, []string{"compilers", "parsers", "parsers"}},
		"with a new socket that joins after the old one has left": {func(q *quietServer, ada person, channel string) {
			q.wait(time.Minute)
			q.may(ada, channel)
			q.leave(channel, time.Now())
			q.publish(ada, "compilers", "")
			q.subscriptions.Changed(bridge.Change{Channel: channel, Joined: true, Listeners: 1, Heard: time.Now()})
			q.publish(ada, "parsers", "")
		}, []string{"compilers", "parsers"}},
		"not at all: it only asked, and its socket is still there": {func(q *quietServer, ada person, channel string) {
			q.may(ada, channel)
			q.publish(ada, "compilers", "")
			q.wait(61 * time.Second)
		}, []string{"compilers"}},
		"after two leaves in a row": {func(q *quietServer, ada person, channel string) {
			q.publish(ada, "compilers", "")
			q.wait(10 * time.Second)
			q.leave(channel, time.Now())
			q.publish(ada, "parsers", "")
			q.wait(30 * time.Second)
			q.leave(channel, time.Now())
			q.wait(20 * time.Second)
			q.join(ada, channel, "")
		}, []string{"compilers", "parsers"}},
		"several times, without an event": {func(q *quietServer, ada person, channel string) {
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
				q := newQuietServer(t)
				ada := q.person("Ada")
				channel := q.subscribeAndJoin(ada, title)
				q.wait(5 * time.Second)
				test.do(q, ada, channel)
				q.wait(time.Second)
				q.publish(ada, "live", "")
				q.receives(channel, append(test.want, "live")...)
				q.open(channel, storedsubscription.StateLive)
			})
		})
	}
}

func TestPoint9AClientThatDroppedJoinsAgainWithinTheGrace(t *testing.T) {
	t.Parallel()
	for name, change := range pusherSetups {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, change)
			ada, grace := s.person("Ada"), s.person("Grace")
			channel := s.subscribe(ada, title)
			l := s.listen(ada, channel)
			s.publish(grace, "compilers")
			l.receives("compilers")
			must(t, l.conn.Close())
			s.publish(grace, "parsers")
			l = s.listen(ada, channel)
			s.publish(grace, "linkers")
			var got []string
			for !slices.Contains(got, "linkers") { // events that were sent before may be repeated
				value, _ := l.receive("title")
				got = append(got, value)
			}
			if n := len(got); n < 2 || got[n-2] != "parsers" {
				t.Errorf("got %v, want the missed events before the later ones", got)
			}
		})
	}
}

func TestPoint9AClientWhoseConnectionDiedSilentlyIsSentWhatDidNotArrive(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	left := sync.OnceFunc(func() { close(gone) })
	srv := startServer(t, func(p *options) {
		p.sockets = func(c *pusherserver.Config) {
			c.ActivityTimeout, c.PongTimeout = time.Second, time.Second
			report := c.OnSubscription
			c.OnSubscription = func(s pusherserver.SubscriptionChange) {
				report(s)
				if s.Subscribers == 0 {
					left()
				}
			}
		}
	})
	ada, grace := srv.person("Ada"), srv.person("Grace")
	channel := srv.subscribe(ada, title)
	srv.listen(ada, channel) // from now on it reads nothing and answers no ping
	srv.publish(grace, "compilers")
	<-gone
	srv.listen(ada, channel).receives("compilers")
}

func TestAClientThatLeavesAndComesBackDuringCatchUpIsSentAllInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
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
		q.wait(time.Second) // one result is sent, and the second one is under way
		q.leave(channel, time.Now())
		q.publish(ada, "loaders", "")
		time.AfterFunc(time.Second, func() { close(release) })
		q.join(ada, channel, bridge.ProtocolGraphqlRuby) // which waits for the result under way
		q.receives(channel, "compilers", "parsers", "compilers", "parsers", "linkers", "loaders")
		q.publish(ada, "live", "")
		q.receives(channel, "live")
	})
}

func TestAPollFromBeforeAnAuthorizationIsIgnoredAfterIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, elsewhere)
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
		q.wait(150 * time.Millisecond) // the poll is under way
		q.may(ada, channel)
		close(release)
		q.wait(500 * time.Millisecond)
		q.receives(channel)
		q.wait(time.Second)
		q.receives(channel, "compilers")
	})
}

func TestAClientThatJoinsRepeatedlyDelaysNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada, grace := q.person("Ada"), q.person("Grace")
		restless, patient := q.subscribe(ada, title), q.subscribeAndJoin(grace, selection(1))
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
					go q.join(ada, restless, "") // which waits for the result under way
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
		if got := q.received(patient); !slices.Equal(got, []string{"compilers", "parsers"}) {
			t.Errorf("the patient one got %v", got)
		}
	})
}

func TestAClientThatComesBackWaitsForResultsUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, elsewhere)
		ada := q.person("Ada")
		channel := q.subscribeAndJoin(ada, title)
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
			t.Errorf("the client may join after %v, while a result to its old connection is under way", waited)
		}
		q.publish(ada, "parsers", "")
		q.receives(channel, "compilers", "compilers", "parsers") // the first one is repeated, because nobody received it
	})
}

func TestASubscriptionThatEndsDuringCatchUpIsSentNothingMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
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
		got := q.received(channel)
		slices.Sort(got) // with several workers the end may be first
		if !slices.Equal(got, []string{"compilers", "end"}) {
			t.Errorf("got %v", got)
		}
	})
}

func TestAClientThatMissedTooMuchIsSentOneGap(t *testing.T) {
	t.Parallel()
	miss := func(n int) func(q *quietServer, ada person, channel string) {
		return func(q *quietServer, ada person, channel string) {
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
		do   func(q *quietServer, ada person, channel string)
		want []string
	}{
		"as many as there may be": {miss(50), all},
		"one too many":            {miss(51), []string{"SUBSCRIPTION_GAP"}},
		"too old": {func(q *quietServer, ada person, channel string) {
			q.publish(ada, "compilers", "")
			q.wait(170 * time.Second)
			q.newCalls()
			q.leave(channel, time.Now().Add(-180*time.Second))
			q.wait(30 * time.Second)
			q.join(ada, channel, bridge.ProtocolGraphqlRuby)
		}, []string{"SUBSCRIPTION_GAP"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQuietServer(t)
				ada := q.person("Ada")
				channel := q.subscribeAndJoin(ada, title)
				q.wait(5 * time.Minute)
				test.do(q, ada, channel)
				q.wait(time.Second)
				q.publish(ada, "live", "")
				q.receives(channel, append(test.want, "live")...)
			})
		})
	}
}

// The limits of a catch-up count the events that a client missed while it was away. It is sent all events that happen
// during the catch-up.
func TestAClientThatIsBackMissesNothingMore(t *testing.T) {
	t.Parallel()
	const meanwhile = 60
	for missed, first := range map[int][]string{3: {"0", "1", "2"}, 51: {"SUBSCRIPTION_GAP"}} {
		t.Run(fmt.Sprint(missed, " missed"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQuietServer(t)
				ada := q.person("Ada")
				channel := q.subscribeAndJoin(ada, title)
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
				synctest.Wait() // the call with the first result has begun
				want := slices.Clone(first)
				for i := range meanwhile {
					want = append(want, fmt.Sprint("later ", i))
					q.publish(ada, fmt.Sprint("later ", i), "")
				}
				close(hold)
				q.receives(channel, want...)
			})
		})
	}
}

func TestAResultThatPusherDoesNotTakeForLongIsNotSkipped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada := q.person("Ada")
		channel := q.subscribe(ada, title)
		q.publish(ada, "compilers", "")
		q.publish(ada, "parsers", "")
		var rejections atomic.Int32
		down := true
		q.gate.on(func(_ *http.Request, events []sent) (int, error) {
			if down && strings.Contains(fmt.Sprint(events), channel) {
				rejections.Add(1)
				return http.StatusServiceUnavailable, nil
			}
			if strings.Contains(fmt.Sprint(events), channel) && rejections.Load() == 0 {
				t.Error("no result was sent while Pusher was down")
			}
			return 0, nil
		})
		q.join(ada, channel, bridge.ProtocolGraphqlRuby)
		q.wait(121 * time.Second) // no result is dropped
		q.gate.on(nil)
		q.wait(time.Minute)
		got := q.received(channel)
		if !slices.Equal(got, []string{"compilers", "parsers"}) && !slices.Equal(got, []string{"SUBSCRIPTION_GAP"}) {
			t.Errorf("got %v, want all of it or a gap", got)
		}
		q.publish(ada, "live", "")
		q.receives(channel, "live")
	})
}
