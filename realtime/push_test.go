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

// selection returns the nth of many different documents that select the title of published knowledge.
func selection(n int) string {
	return fmt.Sprintf(`subscription { knowledgePublished { t%d: title } }`, n)
}

// title is a subscription that every person can share.
const title = `subscription { knowledgePublished { title } }`

// result is the part of an update that a client of graphql-ruby reads.
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

// titles returns for each event the title or the code of its error, or end.
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
		q := newQuietServer(t)
		people := q.people(11)
		channels := make([]string, len(people))
		for i, p := range people {
			channels[i] = q.subscribeAndJoin(p, selection(i))
		}
		q.newCalls()
		q.publish(people[0], "compilers", "")
		calls := q.newCalls()
		if len(calls) != 2 || len(calls[0].events) != 10 || len(calls[1].events) != 1 {
			t.Fatalf("got %v", calls)
		}
		for i, channel := range channels {
			want := fmt.Sprintf(`{"result":{"data":{"knowledgePublished":{"t%d":"compilers"}},`, i)
			if events := sentTo(calls, channel); len(events) != 1 || events[0].Name != "update" || !strings.HasPrefix(events[0].Data, want) {
				t.Errorf("%d got %v", i, events)
			}
		}
	})
}

func TestPoint15AResultThatIsTooLargeCostsOnlyItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		people := q.people(11)
		channels := make([]string, len(people))
		for i, p := range people {
			channels[i] = q.subscribeAndJoin(p, `subscription { knowledgePublished { content } }`) // which only the owner can read
		}
		q.newCalls()
		q.publish(people[4], "compilers", strings.Repeat("x", 20_000))
		calls := q.newCalls()
		for i, channel := range channels {
			want := "<nil>"
			if i == 4 {
				want = "SUBSCRIPTION_PAYLOAD_TOO_LARGE"
			}
			if got := titles(t, sentTo(calls, channel)); !slices.Equal(got, []string{want}) {
				t.Errorf("%d got %v", i, got)
			}
		}
		if len(calls) != 2 || q.subscriptions.Stats().Oversized != 1 {
			t.Errorf("%d calls, %+v", len(calls), q.subscriptions.Stats())
		}
	})
}

func TestPoint15AChannelThatPusherRejectsCostsOnlyItself(t *testing.T) {
	t.Parallel()
	for _, shared := range []bool{false, true} {
		for _, status := range []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge} {
			synctest.Test(t, func(t *testing.T) {
				q := newQuietServer(t)
				people := q.people(25)
				channels := make([]string, len(people))
				for i, p := range people {
					document := selection(i)
					if shared {
						document = title
					}
					channels[i] = q.subscribeAndJoin(p, document)
				}
				q.newCalls()
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
				calls := q.newCalls()
				for _, channel := range channels {
					want := []string{"compilers", "parsers"}
					if channel == bad { // the result is not repeated, and its client is sent a gap
						want = []string{"SUBSCRIPTION_GAP", "parsers"}
					}
					if got := titles(t, sentTo(calls, channel)); !slices.Equal(got, want) {
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

// If Pusher rejects the last value, the client is still sent the end.
func TestAnEndIsSentEvenIfItsValueIsRejected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada, bob := q.person("Ada"), q.person("Bob")
		request := q.ask(ada, bob, "Why?")
		channel := q.subscribeAndJoin(ada, `subscription { knowledgeRequestChanged(id: "`+request+`") { status } }`)
		q.newCalls()
		q.gate.on(func(_ *http.Request, events []sent) (int, error) {
			if strings.Contains(events[0].Data, "APPROVED") {
				return http.StatusBadRequest, nil
			}
			return 0, nil
		})
		q.respond(bob, request, "APPROVED")
		same(t, "the client", sentTo(q.newCalls(), channel), []sent{{Channel: channel, Name: "update", Data: `{"more":false}`}})
	})
}

func TestPoint27AResultThatPusherDoesNotTakeIsRepeatedInOrder(t *testing.T) {
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
			q := newQuietServer(t, elsewhere)
			people := q.people(4)
			var channels []string
			for i, p := range people {
				channels = append(channels, q.subscribeAndJoin(p, title), q.subscribeAndJoin(p, selection(i)))
			}
			q.newCalls()
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
			calls := q.newCalls()
			for i, channel := range channels {
				if got := titles(t, sentTo(calls, channel)); !slices.Equal(got, want) {
					t.Errorf("%s: %d got %v", name, i, got)
				}
			}
		})
	}
}

// Pusher may be down for a long time. Afterwards each client is sent all events in order. Meanwhile there are only a
// few calls.
func TestPoint27APusherThatIsDownForLongLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, elsewhere)
		people := q.people(250)
		channels := make([]string, len(people))
		for i, p := range people {
			channels[i] = q.subscribeAndJoin(p, title)
		}
		q.newCalls()
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
		sent := q.newCalls()
		want := []string{"compilers", "parsers"}
		for i, channel := range channels {
			if got := titles(t, sentTo(sent, channel)); !slices.Equal(got, want) {
				t.Errorf("%d got %v, want %v", i, got, want)
			}
		}
		if parked, err := q.events.ListParked(t.Context()); err != nil || len(parked) != 0 {
			t.Errorf("then parked is %+v: %v", parked, err)
		}
	})
}

// Eight workers send to a Pusher that is slow and sometimes fails, while several people publish.
func TestOrderIsKeptForEachChannel(t *testing.T) {
	t.Parallel()
	const events, authors = 1000, 10
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, elsewhere)
		people := q.people(authors)
		channels := make([]string, 20)
		for i := range channels {
			channels[i] = q.subscribeAndJoin(people[i%authors], selection(i%5))
		}
		q.newCalls()
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
		taken := q.newCalls()
		for _, channel := range channels {
			last, n := 0, 0
			for _, e := range sentTo(taken, channel) {
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

// down is a rule for a gate. While it is switched on it answers 503 to all events. It counts the polls of channels.
type down struct {
	mu    sync.Mutex
	is    bool
	polls map[string]int // by path
}

// takeDown makes it the rule of the server's gate.
func takeDown(q *quietServer, is bool) *down {
	d := &down{is: is, polls: make(map[string]int)}
	q.gate.on(d.rule)
	return d
}

func (d *down) rule(r *http.Request, events []sent) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.Method == http.MethodGet {
		d.polls[r.URL.Path]++
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

// A result that waits for Pusher is not sent to a viewer whose session has ended meanwhile.
func TestAResultThatWaitsForPusherIsNotSentAfterTheEnd(t *testing.T) {
	t.Parallel()
	for _, mates := range []int{0, 3} { // subscribers in the same call with the same result
		synctest.Test(t, func(t *testing.T) {
			q := newQuietServer(t, elsewhere)
			ada := q.person("Ada")
			channel := q.subscribeAndJoin(ada, title)
			others := make([]string, mates)
			for i := range others {
				others[i] = q.subscribeAndJoin(q.session(ada), title)
			}
			q.wait(10 * time.Second)
			pusher := takeDown(q, true)
			q.publish(q.author(), "late", "")
			q.wait(5 * time.Second)
			q.endSession(ada)
			q.sessions.EndSession(ada.session, auth.SignedOut)
			q.newCalls()
			pusher.set(false)
			q.wait(3 * time.Minute)
			calls := q.newCalls()
			if got := titles(t, sentTo(calls, channel)); slices.Contains(got, "late") {
				t.Errorf("with %d mates: got %v after the end", mates, got)
			}
			for _, other := range others {
				if got := titles(t, sentTo(calls, other)); !slices.Equal(got, []string{"late"}) {
					t.Errorf("a mate got %v", got)
				}
			}
		})
	}
}

// The results of a catch-up wait as well. That its subscription ends is not an error, so no error is logged.
func TestAMissedResultThatWaitsForPusherIsNotSentAfterTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var faults bytes.Buffer
		q := newQuietServer(t, elsewhere, func(p *quietOptions) {
			p.log = slog.NewTextHandler(&faults, &slog.HandlerOptions{Level: slog.LevelError})
		})
		ada := q.person("Ada")
		channel := q.subscribeAndJoin(ada, title)
		q.wait(10 * time.Second)
		q.leave(channel, time.Now())
		q.publish(q.author(), "missed", "")
		pusher := takeDown(q, true)
		q.reopen(ada, channel)
		q.wait(5 * time.Second)
		q.endSession(ada)
		q.sessions.EndSession(ada.session, auth.SignedOut)
		q.newCalls()
		pusher.set(false)
		q.wait(3 * time.Minute)
		if got := titles(t, sentTo(q.newCalls(), channel)); slices.Contains(got, "missed") {
			t.Errorf("got %v after the end", got)
		}
		if faults.Len() > 0 {
			t.Errorf("logged: %s", faults.String())
		}
	})
}

// The end of a subscription whose client left waits for Pusher. If the client comes back before, the subscription goes
// on.
func TestAnEndThatWaitsForPusherIsNotSentToAClientThatIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, elsewhere)
		ada := q.person("Ada")
		channel := q.subscribeAndJoin(ada, title)
		q.wait(10 * time.Second)
		pusher := takeDown(q, true)
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

// A client may authorize the channel of an ended subscription many times. Pusher is polled as if it did so once.
func TestAnEndedChannelIsAskedForOnceHoweverOftenItIsGranted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, elsewhere)
		ada := q.person("Ada")
		channel := q.subscribeAndJoin(ada, title)
		q.wait(10 * time.Second)
		must(t, q.subscriptions.End(t.Context(), q.idOf(channel), "an administrator ended it"))
		q.away(channel)
		pusher := takeDown(q, false)
		for range 200 {
			if !q.may(ada, channel) {
				t.Fatal("the authorization is rejected")
			}
		}
		q.wait(time.Minute)
		pusher.mu.Lock()
		defer pusher.mu.Unlock()
		for path, n := range pusher.polls {
			if strings.HasSuffix(path, "/channels/"+channel) && n > 20 {
				t.Errorf("%s was asked for %d times", path, n)
			}
		}
	})
}
