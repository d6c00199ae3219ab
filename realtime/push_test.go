package realtime_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/storedsubscription"
)

// selection is one of the many ways to ask for the title of what is published.
func selection(n int) string {
	return fmt.Sprintf(`subscription { knowledgePublished { t%d: title } }`, n)
}

// title is what everybody can share.
const title = `subscription { knowledgePublished { title } }`

// result is what a client of graphql-ruby reads of an update.
type result struct {
	Result struct {
		Data   map[string]map[string]any
		Errors []struct {
			Message    string
			Extensions map[string]any
		}
		Extensions struct{ Subscription struct{ Seq int } }
	}
	More bool
}

func read(t testing.TB, e sent) (r result) {
	t.Helper()
	must(t, json.Unmarshal([]byte(e.Data), &r))
	return r
}

// titles are what the events tell of what was published, or the code of their errors.
func titles(t testing.TB, events []sent) (all []string) {
	t.Helper()
	for _, e := range events {
		r := read(t, e)
		for _, err := range r.Result.Errors {
			all = append(all, fmt.Sprint(err.Extensions["code"]))
		}
		for _, fields := range r.Result.Data {
			for _, value := range fields {
				all = append(all, fmt.Sprint(value))
			}
		}
		if !r.More {
			all = append(all, "end")
		}
	}
	return all
}

func TestPoint15ElevenSubscribersAreTwoBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t)
		people := q.people(11)
		channels := make([]string, len(people))
		for i, p := range people {
			channels[i] = q.attend(p, selection(i))
		}
		q.taken()
		q.publish(people[0], "compilers", "")
		calls := q.taken()
		if len(calls) != 2 || len(calls[0].events) != 10 || len(calls[1].events) != 1 {
			t.Fatalf("got %v", calls)
		}
		for i, channel := range channels {
			want := fmt.Sprintf(`{"result":{"data":{"knowledgePublished":{"t%d":"compilers"}},`, i)
			if events := mail(calls, channel); len(events) != 1 || events[0].Name != "update" || !strings.HasPrefix(events[0].Data, want) {
				t.Errorf("%d got %v", i, events)
			}
		}
	})
}

func TestPoint15AResultThatIsTooLargeCostsOnlyItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t)
		people := q.people(11)
		channels := make([]string, len(people))
		for i, p := range people {
			channels[i] = q.attend(p, `subscription { knowledgePublished { content } }`) // which its owner alone can read
		}
		q.taken()
		q.publish(people[4], "compilers", strings.Repeat("x", 20_000))
		calls := q.taken()
		for i, channel := range channels {
			want := "<nil>"
			if i == 4 {
				want = "SUBSCRIPTION_PAYLOAD_TOO_LARGE"
			}
			if got := titles(t, mail(calls, channel)); !slices.Equal(got, []string{want}) {
				t.Errorf("%d got %v", i, got)
			}
		}
		if len(calls) != 2 || q.subscriptions.Stats().Oversized != 1 {
			t.Errorf("%d calls, %+v", len(calls), q.subscriptions.Stats())
		}
	})
}

func TestPoint15AChannelThatPusherRefusesCostsOnlyItself(t *testing.T) {
	t.Parallel()
	for _, shared := range []bool{false, true} {
		for _, status := range []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge} {
			synctest.Test(t, func(t *testing.T) {
				q := newQuiet(t)
				people := q.people(25)
				channels := make([]string, len(people))
				for i, p := range people {
					document := selection(i)
					if shared {
						document = title
					}
					channels[i] = q.attend(p, document)
				}
				q.taken()
				bad := channels[7]
				q.gate.on(func(_ *http.Request, events []sent) (int, error) {
					for _, e := range events {
						if e.Channel == bad || slices.Contains(e.Channels, bad) {
							return status, nil
						}
					}
					return 0, nil
				})
				q.publish(people[0], "compilers", "")
				synctest.Wait()
				q.gate.on(nil)
				q.publish(people[0], "parsers", "")
				calls := q.taken()
				for _, channel := range channels {
					want := []string{"compilers", "parsers"}
					if channel == bad { // it is not sent again, but its client hears of the gap
						want = []string{"SUBSCRIPTION_GAP", "parsers"}
					}
					if got := titles(t, mail(calls, channel)); !slices.Equal(got, want) {
						t.Errorf("shared: %t, %d: got %v, want %v", shared, status, got, want)
					}
				}
				if row := q.row(bad); row.LastError == nil || !strings.Contains(*row.LastError, fmt.Sprint(status)) || row.State != "LIVE" {
					t.Errorf("the one at fault: %v", row)
				}
			})
		}
	}
}

// A value that Pusher refuses is lost, but not that nothing follows it.
func TestAnEndIsToldAlsoWhereItsValueIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t)
		ada, bob := q.person("Ada"), q.person("Bob")
		request := q.ask(ada, bob, "Why?")
		channel := q.attend(ada, `subscription { knowledgeRequestChanged(id: "`+request+`") { status } }`)
		q.taken()
		q.gate.on(func(_ *http.Request, events []sent) (int, error) {
			if strings.Contains(events[0].Data, "APPROVED") {
				return http.StatusBadRequest, nil
			}
			return 0, nil
		})
		q.respond(bob, request, "APPROVED")
		same(t, "the client", mail(q.taken(), channel), []sent{{Channel: channel, Name: "update", Data: `{"more":false}`}})
	})
}

func TestPoint27WhatPusherDoesNotTakeIsSentAgainInOrder(t *testing.T) {
	t.Parallel()
	hang := func(r *http.Request, _ []sent) (int, error) {
		<-r.Context().Done()
		return 0, r.Context().Err()
	}
	answers := func(status int) func(*http.Request, []sent) (int, error) {
		return func(*http.Request, []sent) (int, error) { return status, nil }
	}
	for name, fault := range map[string]func(*http.Request, []sent) (int, error){
		"too many":             answers(http.StatusTooManyRequests),
		"an error":             answers(http.StatusInternalServerError),
		"unavailable":          answers(http.StatusServiceUnavailable),
		"unauthorized":         answers(http.StatusUnauthorized),
		"over quota":           answers(http.StatusForbidden),
		"no answer":            hang,
		"nobody there":         func(*http.Request, []sent) (int, error) { return 0, syscall.ECONNREFUSED },
		"a broken connection":  func(*http.Request, []sent) (int, error) { return 0, errors.New("unexpected EOF") },
		"a page of a neighbor": answers(http.StatusFound),
	} {
		synctest.Test(t, func(t *testing.T) {
			q := newQuiet(t, elsewhere)
			people := q.people(4)
			var channels []string
			for i, p := range people {
				channels = append(channels, q.attend(p, title), q.attend(p, selection(i)))
			}
			q.taken()
			begun := time.Now()
			q.gate.on(func(r *http.Request, events []sent) (int, error) {
				if time.Since(begun) < time.Minute {
					return fault(r, events)
				}
				return 0, nil
			})
			want := []string{"compilers", "parsers", "linkers"}
			for _, title := range want {
				q.publish(people[0], title, "")
				q.wait(10 * time.Second)
			}
			q.wait(5 * time.Minute)
			calls := q.taken()
			for i, channel := range channels {
				if got := titles(t, mail(calls, channel)); !slices.Equal(got, want) {
					t.Errorf("%s: %d got %v", name, i, got)
				}
			}
		})
	}
}

// However long Pusher is down, whoever listens gets everything after it, in order, and meanwhile Pusher is asked now
// and then only.
func TestPoint27APusherThatIsDownForLongLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t, elsewhere)
		people := q.people(250)
		channels := make([]string, len(people))
		for i, p := range people {
			channels[i] = q.attend(p, title)
		}
		q.taken()
		var calls atomic.Int64
		q.gate.on(func(*http.Request, []sent) (int, error) {
			calls.Add(1)
			return http.StatusServiceUnavailable, nil
		})
		q.publish(people[0], "compilers", "")
		q.wait(10 * time.Second)
		calls.Store(0)
		const minutes = 10
		q.wait(minutes * time.Minute)
		if n := calls.Load(); n < minutes*60/6 || n > minutes*60 { // a trial and a check each time
			t.Errorf("%d calls in %d minutes of outage", n, minutes)
		}
		if parked, err := q.events.ListParked(t.Context()); err != nil || len(parked) != 1 || parked[0].Recipient != "KNOWLEDGE_PUBLISHED" {
			t.Errorf("parked is %+v: %v", parked, err)
		}
		q.gate.on(nil)
		q.wait(10 * time.Second)
		q.publish(people[0], "parsers", "")
		q.wait(time.Second)
		sent := q.taken()
		want := []string{"compilers", "parsers"}
		for i, channel := range channels {
			if got := titles(t, mail(sent, channel)); !slices.Equal(got, want) {
				t.Errorf("%d got %v, want %v", i, got, want)
			}
		}
		if parked, err := q.events.ListParked(t.Context()); err != nil || len(parked) != 0 {
			t.Errorf("then parked is %+v: %v", parked, err)
		}
	})
}

// Eight workers, a Pusher that sometimes fails and takes its time, and people who publish at the same time.
func TestOrderIsKeptForEachChannel(t *testing.T) {
	t.Parallel()
	const events, authors = 1000, 10
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t, elsewhere)
		people := q.people(authors)
		channels := make([]string, 20)
		for i := range channels {
			channels[i] = q.attend(people[i%authors], selection(i%5))
		}
		q.taken()
		var mu sync.Mutex
		busy, calls := make(map[string]bool), 0
		q.gate.on(func(_ *http.Request, events []sent) (int, error) {
			mu.Lock()
			calls++
			fails, takes := calls%11 == 0, time.Duration(calls%7)*time.Millisecond
			var mine []string
			for _, e := range events {
				mine = append(append(mine, e.Channels...), e.Channel)
			}
			mine = slices.DeleteFunc(mine, func(channel string) bool { return channel == "" })
			for _, channel := range mine {
				if busy[channel] {
					t.Errorf("%s twice at a time", channel)
				}
				busy[channel] = true
			}
			mu.Unlock()
			<-time.After(takes)
			mu.Lock()
			defer mu.Unlock()
			for _, channel := range mine {
				delete(busy, channel)
			}
			if fails {
				return http.StatusInternalServerError, nil
			}
			return 0, nil
		})
		var group sync.WaitGroup
		for i, p := range people {
			group.Go(func() {
				ctx := auth.NewContext(context.Background(), p.viewer())
				for n := range events / authors {
					if err := q.events.WithTx(ctx, func(ctx context.Context, tx *ent.Client) error {
						return tx.Knowledge.Create().SetTitle(fmt.Sprint(i, "-", n)).SetOwnerID(p.id).Exec(ctx)
					}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		synctest.Wait()
		q.wait(time.Minute)
		taken := q.taken()
		for _, channel := range channels {
			last, n := 0, 0
			for _, e := range mail(taken, channel) {
				seq := read(t, e).Result.Extensions.Subscription.Seq
				if seq <= last {
					t.Fatalf("%d came after %d", seq, last)
				}
				last = seq
				n++
			}
			if n != events {
				t.Errorf("%s got %d of %d", channel, n, events)
			}
		}
	})
}

// down answers 503 to whatever is sent, as long as it says so, and counts what is asked.
type down struct {
	mu    sync.Mutex
	is    bool
	asked map[string]int // by path
}

// goDown has it answer in Pusher's place.
func goDown(q *quiet, is bool) *down {
	d := &down{is: is, asked: make(map[string]int)}
	q.gate.on(d.rule)
	return d
}

func (d *down) rule(r *http.Request, events []sent) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.Method == http.MethodGet {
		d.asked[r.URL.Path]++
	}
	if d.is && len(events) > 0 {
		return http.StatusServiceUnavailable, nil
	}
	return 0, nil
}

func (d *down) set(is bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.is = is
}

// What waits for Pusher is sent to nobody whose session has ended by then.
func TestAResultThatWaitsForPusherIsNotSentAfterTheEnd(t *testing.T) {
	t.Parallel()
	for _, mates := range []int{0, 3} { // who get the same result in the same call
		synctest.Test(t, func(t *testing.T) {
			q := newQuiet(t, elsewhere)
			ada := q.person("Ada")
			channel := q.attend(ada, title)
			others := make([]string, mates)
			for i := range others {
				others[i] = q.attend(q.session(ada), title)
			}
			q.wait(10 * time.Second)
			pusher := goDown(q, true)
			q.publish(q.author(), "late", "")
			q.wait(5 * time.Second)
			q.endSession(ada)
			q.sessions.EndSession(ada.session, auth.SignedOut)
			q.taken()
			pusher.set(false)
			q.wait(3 * time.Minute)
			calls := q.taken()
			if got := titles(t, mail(calls, channel)); slices.Contains(got, "late") {
				t.Errorf("with %d mates: got %v after the end", mates, got)
			}
			for _, other := range others {
				if got := titles(t, mail(calls, other)); !slices.Equal(got, []string{"late"}) {
					t.Errorf("a mate got %v", got)
				}
			}
		})
	}
}

// What is to be caught up waits as well. Its end is no fault, so nothing is logged as one.
func TestAMissedResultThatWaitsForPusherIsNotSentAfterTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var faults bytes.Buffer
		q := newQuiet(t, elsewhere, func(p *quietPlan) { p.log = slog.NewTextHandler(&faults, &slog.HandlerOptions{Level: slog.LevelError}) })
		ada := q.person("Ada")
		channel := q.attend(ada, title)
		q.wait(10 * time.Second)
		q.leave(channel, time.Now())
		q.publish(q.author(), "missed", "")
		pusher := goDown(q, true)
		q.reopen(ada, channel)
		q.wait(5 * time.Second)
		q.endSession(ada)
		q.sessions.EndSession(ada.session, auth.SignedOut)
		q.taken()
		pusher.set(false)
		q.wait(3 * time.Minute)
		if got := titles(t, mail(q.taken(), channel)); slices.Contains(got, "missed") {
			t.Errorf("got %v after the end", got)
		}
		if faults.Len() > 0 {
			t.Errorf("logged: %s", faults.String())
		}
	})
}

// A client was away, and its end waits for Pusher until it is back: it goes on.
func TestAnEndThatWaitsForPusherIsNotSentToWhoeverIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t, elsewhere)
		ada := q.person("Ada")
		channel := q.attend(ada, title)
		q.wait(10 * time.Second)
		pusher := goDown(q, true)
		q.leave(channel, time.Now())
		for range 30 {
			q.wait(10 * time.Second)
			if q.subscriptions.Stats().Open == 0 {
				break
			}
		}
		q.open(channel, storedsubscription.StateAway)
		q.reopen(ada, channel)
		pusher.set(false)
		q.wait(3 * time.Minute)
		q.publish(ada, "live", "")
		if got := openedTitles(q, channel); !slices.Equal(got, []string{"live"}) {
			t.Errorf("got %v", got)
		}
	})
}

// Whoever asks again and again for the channel of an ended subscription has Pusher asked for it as if once.
func TestAnEndedChannelIsAskedForOnceHoweverOftenItIsGranted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t, elsewhere)
		ada := q.person("Ada")
		channel := q.attend(ada, title)
		q.wait(10 * time.Second)
		must(t, q.subscriptions.End(t.Context(), q.idOf(channel), "an administrator ended it"))
		q.away(channel)
		pusher := goDown(q, false)
		for range 200 {
			if !q.may(ada, channel) {
				t.Fatal("it is refused")
			}
		}
		q.wait(time.Minute)
		pusher.mu.Lock()
		defer pusher.mu.Unlock()
		for path, n := range pusher.asked {
			if strings.HasSuffix(path, "/channels/"+channel) && n > 20 {
				t.Errorf("%s was asked for %d times", path, n)
			}
		}
	})
}
