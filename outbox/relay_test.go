package outbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/outbox"
)

var errDown = errors.New("pusher is down")

func TestWhatCommitsIsSentOnceAndTheProgressKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, sender := open(t, 2), &recorder{}
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender})
		stop := running(t, relay)
		ask(t, relay.log, "one", 2, 3)
		ask(t, relay.log, "two", 2)
		stop()
		sender.check(t)
		all := rows(t, client)
		if len(all) != 3 || !sameElements(idsOf(all), sender.ids()) {
			t.Fatalf("the rows %v were sent as %v", idsOf(all), sender.ids())
		}
		again := &recorder{}
		stop = running(t, newRelay(t, client, outbox.RelayConfig{Sender: again}))
		synctest.Wait()
		stop()
		if got := again.ids(); len(got) > 0 {
			t.Errorf("after a restart %v were sent again", got)
		}
	})
}

func TestWhileItKeepsUpItReadsNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, sender := open(t, 3), &recorder{}
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender})
		stop := running(t, relay)
		synctest.Wait() // it has read the rows of an earlier process
		reads := 0
		client.Event.Intercept(ent.InterceptFunc(func(next ent.Querier) ent.Querier {
			return ent.QuerierFunc(func(ctx context.Context, q ent.Query) (ent.Value, error) {
				reads++
				return next.Query(ctx, q)
			})
		}))
		for i := range 20 {
			ask(t, relay.log, fmt.Sprint(i), 2, 3, 4)
		}
		synctest.Wait()
		if len(sender.ids()) != 60 || reads != 0 {
			t.Errorf("%d of 60 events were sent with %d reads of the table", len(sender.ids()), reads)
		}
		stop()
	})
}

func TestWhatAnEarlierProcessLeftIsSentFirstAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "test.db")
		client := reopen(t, path)
		for i := range 2 {
			client.User.Create().SetName("u").SetEmail(fmt.Sprintf("%d@x", i)).SetPasswordHash("-").SaveX(auth.AsSystem(t.Context()))
		}
		dead := newRelay(t, client, outbox.RelayConfig{Sender: &recorder{}}) // never runs, as after kill -9
		for i := range 25 {
			ask(t, dead.log, fmt.Sprint("before ", i), 2)
		}
		sender := &recorder{}
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender})
		ask(t, relay.log, "committed before it runs", 2)
		stop := running(t, relay)
		ask(t, relay.log, "while it reads", 2)
		synctest.Wait()
		stop()
		if diff := cmp.Diff(idsOf(rows(t, client)), sender.ids()); diff != "" {
			t.Errorf("the order of the rows and of the sends (-rows +sends):\n%s", diff)
		}
	})
}

func TestRetriesUseFullJitterFrom100msDoublingTo5s(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		sender := &recorder{answer: func(context.Context, []*ent.Event) ([]error, error) {
			at = append(at, time.Since(start))
			if len(at) < 10 {
				return nil, errDown
			}
			return make([]error, 1), nil
		}}
		client := open(t, 1)
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender, Jitter: func() float64 { return 0.5 }})
		running(t, relay)
		ask(t, relay.log, "?", 2)
		<-time.After(time.Minute) // of the bubble's clock
		synctest.Wait()
		waits := make([]time.Duration, 0, len(at))
		for i := 1; i < len(at); i++ {
			waits = append(waits, at[i]-at[i-1])
		}
		const ms = time.Millisecond
		want := []time.Duration{50 * ms, 100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 2500 * ms, 2500 * ms, 2500 * ms}
		if diff := cmp.Diff(want, waits); diff != "" {
			t.Errorf("the waits at half jitter (-want +got):\n%s", diff)
		}
		if got := sender.ids(); len(got) != 1 {
			t.Errorf("it was taken %d times", len(got))
		}
	})
}

func TestOneBlockedRecipientHoldsUpNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var blocked atomic.Bool
		blocked.Store(true)
		sender := &recorder{answer: func(_ context.Context, batch []*ent.Event) ([]error, error) {
			verdicts := make([]error, len(batch))
			for i, e := range batch {
				if blocked.Load() && *e.RecipientID == 2 {
					verdicts[i] = errDown
				}
			}
			return verdicts, nil
		}}
		client := open(t, 3)
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender})
		running(t, relay)
		for i := range 5 {
			ask(t, relay.log, fmt.Sprint(i), 2, 3, 4)
		}
		synctest.Wait()
		if got := len(sender.ids()); got != 10 {
			t.Fatalf("%d of the others' 10 events arrived", got)
		}
		blocked.Store(false)
		<-time.After(10 * time.Second) // of the bubble's clock
		synctest.Wait()
		var late []int
		for _, e := range rows(t, client) {
			if *e.RecipientID == 2 {
				late = append(late, e.ID)
			}
		}
		if diff := cmp.Diff(late, sender.ids()[10:]); diff != "" {
			t.Errorf("the blocked recipient's events (-rows +sends):\n%s", diff)
		}
		sender.check(t)
	})
}

func TestARejectedEventIsRecordedAndNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := open(t, 1)
		sender := &recorder{}
		sender.answer = func(_ context.Context, batch []*ent.Event) ([]error, error) {
			if len(sender.ids()) == 0 && sender.tries[batch[0].ID] == 1 && len(sender.tries) == 1 {
				return []error{&outbox.RefusedError{Reason: "HTTP 413: too large"}}, nil
			}
			return make([]error, len(batch)), nil
		}
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender})
		stop := running(t, relay)
		ask(t, relay.log, "bad", 2)
		ask(t, relay.log, "good", 2)
		synctest.Wait()
		stop()
		all := rows(t, client)
		if got := sender.ids(); !slices.Equal(got, idsOf(all[1:])) {
			t.Errorf("%v were taken", got)
		}
		parked, err := relay.log.ListParked(t.Context())
		if err != nil || len(parked) != 1 {
			t.Fatalf("%v are parked: %v", parked, err)
		}
		if p := parked[0]; p.EventID != all[0].ID || p.State != "REFUSED" ||
			p.Error != "HTTP 413: too large" || p.Attempts != 1 || p.Recipient != "2" {
			t.Errorf("the rejected event: %+v", p)
		}
		again := &recorder{}
		stop = running(t, newRelay(t, client, outbox.RelayConfig{Sender: again}))
		synctest.Wait()
		stop()
		if got := again.ids(); len(got) != 0 {
			t.Errorf("after a restart %v were sent again", got)
		}
	})
}

func TestTheStatusHasTheErrorWhileEventsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reject atomic.Bool
		reject.Store(true)
		sender := &recorder{answer: func(_ context.Context, batch []*ent.Event) ([]error, error) {
			if reject.Load() {
				return nil, errDown
			}
			return make([]error, len(batch)), nil
		}}
		relay := newRelay(t, open(t, 1), outbox.RelayConfig{Sender: sender})
		running(t, relay)
		ask(t, relay.log, "?", 2)
		synctest.Wait()
		if s := relay.Status(); !errors.Is(s.Err, errDown) || s.Parked != 1 || !s.Behind {
			t.Errorf("while they fail: %+v", s)
		}
		reject.Store(false)
		<-time.After(10 * time.Second) // of the bubble's clock
		synctest.Wait()
		if s := relay.Status(); s.Err != nil || s.Waiting != 0 || s.Behind {
			t.Errorf("afterwards: %+v", s)
		}
	})
}

func TestMemoryIsBoundedWhilePusherIsDownAndNothingIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		down.Store(true)
		sender := &recorder{answer: func(_ context.Context, batch []*ent.Event) ([]error, error) {
			if down.Load() {
				return nil, errDown
			}
			return make([]error, len(batch)), nil
		}}
		client := open(t, 4)
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender, QueueSize: 10})
		running(t, relay)
		for i := range 50 {
			ask(t, relay.log, fmt.Sprint(i), 2+i%4)
			if s := relay.Status(); s.Waiting > 10 {
				t.Fatalf("%d events are in memory", s.Waiting)
			}
		}
		if !relay.Status().Behind {
			t.Error("50 events fit into a queue of 10")
		}
		down.Store(false)
		<-time.After(time.Minute) // of the bubble's clock
		synctest.Wait()
		requireOrderPerRecipient(t, rows(t, client), sender.ids())
		if s := relay.Status(); s.Waiting != 0 || s.Behind {
			t.Errorf("afterwards: %+v", s)
		}
	})
}

func TestAnEndedContextDrainsWhatIsInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := open(t, 1)
		sender := &recorder{answer: func(_ context.Context, batch []*ent.Event) ([]error, error) {
			<-time.After(100 * time.Millisecond)
			return make([]error, len(batch)), nil
		}}
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender})
		stop := running(t, relay)
		for i := range 20 {
			ask(t, relay.log, fmt.Sprint(i), 2)
		}
		stop()
		if got := len(sender.ids()); got != 20 {
			t.Errorf("%d of 20 events were sent", got)
		}
		again := &recorder{}
		stop = running(t, newRelay(t, client, outbox.RelayConfig{Sender: again}))
		synctest.Wait()
		stop()
		if got := again.ids(); len(got) > 0 {
			t.Errorf("after a restart %v were sent again", got)
		}
	})
}

func TestADrainEndsThoughPusherHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := open(t, 1)
		sender := &recorder{answer: func(ctx context.Context, _ []*ent.Event) ([]error, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender, Drain: 3 * time.Second})
		stop := running(t, relay)
		ask(t, relay.log, "?", 2)
		synctest.Wait()
		start := time.Now()
		stop()
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("it took %v, the drain is 3 s", took)
		}
		again := &recorder{}
		stop = running(t, newRelay(t, client, outbox.RelayConfig{Sender: again}))
		synctest.Wait()
		stop()
		if got := again.ids(); len(got) != 1 {
			t.Errorf("after a restart %v was sent", got)
		}
	})
}

// TestWhateverFailsEachEventIsTakenOnceAndInOrder mixes everything: commits from several goroutines, failures of
// whole batches and of single events, rejections, a queue that overflows, and a table that is read for both reasons.
func TestWhateverFailsEachEventIsTakenOnceAndInOrder(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const owners, commits = 6, 40
				client := open(t, owners)
				random := rand.New(rand.NewPCG(seed, 1))
				sender := &recorder{max: 3}
				sender.answer = func(_ context.Context, batch []*ent.Event) ([]error, error) {
					sender.mu.Lock()
					dice, pause := random.IntN(10), time.Duration(random.IntN(50))*time.Millisecond
					verdicts := make([]error, len(batch))
					for i := range verdicts {
						if random.IntN(5) == 0 {
							verdicts[i] = errDown
						}
					}
					sender.mu.Unlock()
					<-time.After(pause)
					if dice < 2 {
						return nil, errDown
					}
					return verdicts, nil
				}
				relay := newRelay(t, client, outbox.RelayConfig{Sender: sender, QueueSize: 8, BatchSize: 3, InFlight: 4, Jitter: rand.Float64})
				running(t, relay)
				done := make(chan error)
				for owner := range owners {
					go func() {
						for i := range commits {
							to := []int{2 + owner}
							if i%4 == 0 {
								to = append(to, 2+(owner+1)%owners)
							}
							if err := tryAsk(t.Context(), relay.log, fmt.Sprint(owner, ":", i), to...); err != nil {
								done <- err
								return
							}
							<-time.After(time.Millisecond)
						}
						done <- nil
					}()
				}
				for range owners {
					if err := <-done; err != nil {
						t.Error(err)
					}
				}
				<-time.After(10 * time.Minute) // of the bubble's clock
				synctest.Wait()
				sender.check(t)
				all := rows(t, client)
				if !sameElements(idsOf(all), sender.ids()) {
					t.Errorf("%d rows, and %d events were taken", len(all), len(sender.ids()))
				}
				// Changes of different goroutines overlap, so their order may differ.
				requireOrder(t, all, sender.ids(), func(e *ent.Event) string {
					var payload outbox.Payload
					if err := json.Unmarshal(e.Payload, &payload); err != nil {
						t.Error(err)
					}
					writer, _, _ := strings.Cut(payload.Question, ":")
					return fmt.Sprint("from ", writer, " to ", *e.RecipientID)
				})
				if s := relay.Status(); s.Waiting != 0 || s.Behind {
					t.Errorf("afterwards: %+v", s)
				}
			})
		})
	}
}

func requireOrderPerRecipient(t *testing.T, all []*ent.Event, sent []int) {
	t.Helper()
	requireOrder(t, all, sent, func(e *ent.Event) string { return fmt.Sprint("to ", *e.RecipientID) })
}

// requireOrder compares the order of the rows with that of the sends, within each queue.
func requireOrder(t *testing.T, all []*ent.Event, sent []int, queueOf func(*ent.Event) string) {
	t.Helper()
	queues := make(map[int]string, len(all))
	want, got := make(map[string][]int), make(map[string][]int)
	for _, e := range all {
		queue := queueOf(e)
		queues[e.ID] = queue
		want[queue] = append(want[queue], e.ID)
	}
	for _, id := range sent {
		got[queues[id]] = append(got[queues[id]], id)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what was taken, by queue (-rows +taken):\n%s", diff)
	}
}

func sameElements(a, b []int) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

func TestWhatIsCommittedWhileATablePageIsReadKeepsItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, sender := open(t, 1), &recorder{}
		dead := newRelay(t, client, outbox.RelayConfig{Sender: &recorder{}})
		for i := range 10 {
			ask(t, dead.log, fmt.Sprint(i), 2)
		}
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender, QueueSize: 4}) // so pages have 4 events
		read, release := make(chan struct{}), make(chan struct{})
		client.Event.Intercept(ent.InterceptFunc(func(next ent.Querier) ent.Querier {
			return ent.QuerierFunc(func(ctx context.Context, q ent.Query) (ent.Value, error) {
				v, err := next.Query(ctx, q)
				select {
				case <-read:
				default:
					close(read)
					<-release
				}
				return v, err
			})
		}))
		running(t, relay)
		<-read
		ask(t, relay.log, "committed meanwhile", 2)
		close(release)
		synctest.Wait()
		if diff := cmp.Diff(idsOf(rows(t, client)), sender.ids()); diff != "" {
			t.Errorf("the order of the rows and of the sends (-rows +sends):\n%s", diff)
		}
	})
}
