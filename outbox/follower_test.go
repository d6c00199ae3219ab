package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lorebridge/auth"
	"lorebridge/ent"
	entprogress "lorebridge/ent/progress"
	"lorebridge/outbox"
)

// audience is a follower that records its input. It settles nothing by itself.
type audience struct {
	*outbox.Follower
	log *outbox.Log

	mu      sync.Mutex
	got     []int
	done    map[int]func()
	resumed map[string]int
	resume  map[string]func()
	// publish, if it is not nil, returns the recipients of an event.
	publish func(e *ent.Event, done func()) []string
}

func follow(t *testing.T, client *ent.Client) *audience {
	t.Helper()
	a := &audience{
		log: newLog(t, client), done: make(map[int]func()), resumed: make(map[string]int), resume: make(map[string]func()),
	}
	f, err := outbox.NewFollower(outbox.FollowerConfig{
		Log: a.log, Logger: slog.New(slog.DiscardHandler), Reader: outbox.Subscriptions,
		Publish: func(e outbox.Entry, done func()) []string {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.got, a.done[e.Event.ID] = append(a.got, e.Event.ID), done
			if a.publish != nil {
				return a.publish(e.Event, done)
			}
			return []string{strconv.Itoa(*e.Event.RecipientID)}
		},
		Resume: func(recipient string, from outbox.Cursor, done func()) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.resumed[recipient], a.resume[recipient] = from.Seq(), done
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	a.Follower = f
	return a
}

// start runs the follower. end asks it to end, wait returns when it has ended, and kill ends it with unsettled
// events.
func (a *audience) start(t *testing.T) (end, kill, wait func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	stop, kill := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, stop) }()
	wait = sync.OnceFunc(func() {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		kill()
		wait()
	})
	return cancel, kill, wait
}

func (a *audience) settle(ids ...int) {
	for _, id := range ids {
		a.mu.Lock()
		done := a.done[id]
		a.mu.Unlock()
		done()
	}
}

func (a *audience) ids() []int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.got)
}

// progressOf returns the row of a reader. Its watermark is shown as a position in the table, from 1 on.
func progressOf(t *testing.T, client *ent.Client, reader string) string {
	t.Helper()
	all := idsOf(rows(t, client))
	row := client.Progress.Query().Where(entprogress.Reader(reader)).OnlyX(auth.AsSystem(t.Context()))
	return fmt.Sprintf("%d [%s]", slices.Index(all, row.DoneSeq)+1, row.Settled)
}

func TestAFollowerGetsEachEventOnceInOrderAndKeepsWhatIsSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "test.db")
		client := openAt(t, path, 5)
		a := follow(t, client)
		_, _, _ = a.start(t)
		synctest.Wait()
		ask(t, a.log, "zero", 6)
		synctest.Wait()
		a.settle(a.ids()[0])
		<-time.After(50 * time.Millisecond)
		ask(t, a.log, "one", 2, 3, 4)
		ask(t, a.log, "two", 3, 5)
		synctest.Wait()
		all := idsOf(rows(t, client))
		if diff := cmp.Diff(all, a.ids()); diff != "" {
			t.Fatalf("the rows and what it got (-rows +got):\n%s", diff)
		}
		a.settle(all[4], all[2]) // of 3, the newer one first
		<-time.After(60 * time.Millisecond)
		synctest.Wait()
		if want, got := fmt.Sprintf("1 [%d,%d]", all[2], all[4]), progressOf(t, client, outbox.Subscriptions); got != want {
			t.Errorf("before anybody is parked: %s, want %s", got, want)
		}
		early := snapshot(t, path)
		<-time.After(time.Second)
		synctest.Wait()
		want := []string{"subscriptions 2 WAITING 2", "subscriptions 4 WAITING 4", "subscriptions 5 WAITING 6"}
		if diff := cmp.Diff(want, parked(t, a.log, client)); diff != "" {
			t.Errorf("parked (-want +got):\n%s", diff)
		}
		late := snapshot(t, path)
		for _, test := range []struct {
			name, path string
			published  []int
			resumed    map[string]int
		}{
			{"early", early, []int{all[1], all[3], all[5]}, map[string]int{}},
			{"late", late, nil, map[string]int{"2": all[1], "4": all[3], "5": all[5]}},
		} {
			after := reopen(t, test.path)
			b := follow(t, after)
			_, _, _ = b.start(t)
			synctest.Wait()
			if diff := cmp.Diff(test.published, b.ids()); diff != "" {
				t.Errorf("%s: published after a crash (-want +got):\n%s", test.name, diff)
			}
			if diff := cmp.Diff(test.resumed, b.resumed); diff != "" {
				t.Errorf("%s: resumed after a crash (-want +got):\n%s", test.name, diff)
			}
			b.settle(test.published...)
			for _, done := range b.resume {
				done()
			}
			<-time.After(time.Second)
			synctest.Wait()
			if got := parked(t, b.log, after); len(got) != 0 || progressOf(t, after, outbox.Subscriptions) != "6 []" {
				t.Errorf("%s: at last %v are parked, %s", test.name, got, progressOf(t, after, outbox.Subscriptions))
			}
		}
	})
}

func TestDoneMayComeBeforePublishReturnsAndFromAnywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := open(t, 3)
		a := follow(t, client)
		var all sync.WaitGroup
		a.publish = func(e *ent.Event, done func()) []string {
			switch *e.RecipientID {
			case 2:
				done()
			case 3:
				all.Go(done)
			case 4:
				return nil // no recipients
			}
			return []string{"a", "b"}
		}
		end, _, wait := a.start(t)
		for i := range 50 {
			ask(t, a.log, fmt.Sprint(i), 2, 3, 4)
		}
		synctest.Wait()
		all.Wait()
		<-time.After(time.Second)
		synctest.Wait()
		if got := progressOf(t, client, outbox.Subscriptions); got != "150 []" || len(parked(t, a.log, client)) != 0 {
			t.Errorf("all are settled: %s, parked %v", got, parked(t, a.log, client))
		}
		ask(t, a.log, "the last one", 2, 3, 4)
		end()
		wait()
		all.Wait()
		if got := progressOf(t, client, outbox.Subscriptions); got != "153 []" || len(a.ids()) != 153 {
			t.Errorf("at the end: %s, %d events", got, len(a.ids()))
		}
	})
}

func TestAFollowerEndsWithWhatIsOpenOrWaitsForIt(t *testing.T) {
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprint("killed ", killed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := open(t, 3)
				a := follow(t, client)
				end, kill, wait := a.start(t)
				ask(t, a.log, "one", 2, 3, 4)
				synctest.Wait()
				all := idsOf(rows(t, client))
				a.settle(all[1])
				end()
				synctest.Wait()
				ask(t, a.log, "too late", 2)
				start := time.Now()
				time.AfterFunc(10*time.Second, func() {
					if killed {
						kill()
					} else {
						a.settle(all[0], all[2])
					}
				})
				wait()
				if took := time.Since(start); took != 10*time.Second {
					t.Errorf("it ended after %v", took)
				}
				if n := len(a.ids()); n != 3 {
					t.Errorf("it got %d events, want 3", n)
				}
				want, waiting := "3 []", []string{}
				if killed {
					waiting = []string{"subscriptions 2 WAITING 1", "subscriptions 4 WAITING 3"}
				}
				if got := progressOf(t, client, outbox.Subscriptions); got != want {
					t.Errorf("at the end: %s, want %s", got, want)
				}
				if diff := cmp.Diff(waiting, parked(t, a.log, client)); diff != "" {
					t.Errorf("parked (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestANoteIsStoredWithAParkedRecipient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := open(t, 2)
		a := follow(t, client)
		_, _, _ = a.start(t)
		ask(t, a.log, "one", 2, 3)
		synctest.Wait()
		until := time.Now().Add(time.Hour).UTC()
		a.Note("2", 3, until, "HTTP 403")
		a.Note("nobody", 1, until, "?")
		<-time.After(time.Second)
		synctest.Wait()
		kept, err := a.log.ListParked(t.Context())
		if err != nil || len(kept) != 2 {
			t.Fatalf("%+v, %v", kept, err)
		}
		p := kept[0]
		if p.Recipient != "2" || p.Attempts != 3 || p.Error != "HTTP 403" || p.Until == nil || !p.Until.Equal(until) {
			t.Errorf("its row: %+v", p)
		}
		if p := kept[1]; p.Attempts != 0 || p.Error != "" || p.Until != nil {
			t.Errorf("the other one's row: %+v", p)
		}
		a.Note("2", 0, time.Time{}, "")
		<-time.After(time.Second)
		synctest.Wait()
		if kept, err = a.log.ListParked(t.Context()); err != nil {
			t.Fatal(err)
		}
		if p := kept[0]; p.Attempts != 0 || p.Error != "" || p.Until != nil {
			t.Errorf("afterwards: %+v", p)
		}
	})
}

func TestAFollowerThatCannotReadRetriesASecondLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := open(t, 1)
		ask(t, newLog(t, client), "?", 2)
		a := follow(t, client) // the event is only in the table
		var fail atomic.Bool
		fail.Store(true)
		reads := 0
		client.Event.Intercept(ent.InterceptFunc(func(next ent.Querier) ent.Querier {
			return ent.QuerierFunc(func(ctx context.Context, q ent.Query) (ent.Value, error) {
				if fail.Load() {
					reads++
					return nil, errors.New("the disk is broken")
				}
				return next.Query(ctx, q)
			})
		}))
		_, _, _ = a.start(t)
		<-time.After(3500 * time.Millisecond)
		synctest.Wait()
		fail.Store(false)
		if reads != 4 || len(a.ids()) != 0 {
			t.Errorf("in 3.5 s there were %d tries to read, and %d events", reads, len(a.ids()))
		}
		<-time.After(time.Second)
		synctest.Wait()
		if len(a.ids()) != 1 {
			t.Errorf("afterwards %d events came", len(a.ids()))
		}
	})
}

func TestAFollowerNeedsItsConfigAndItsProgress(t *testing.T) {
	client := open(t, 1)
	if _, err := outbox.NewFollower(outbox.FollowerConfig{Log: newLog(t, client), Reader: "x"}); err == nil {
		t.Error("there is a follower without its parts")
	}
	system := auth.AsSystem(t.Context())
	client.Progress.Update().Where(entprogress.Reader(outbox.Subscriptions)).SetSettled("x").ExecX(system)
	if err := follow(t, client).Run(t.Context(), t.Context()); err == nil {
		t.Error("it runs though it cannot know where to begin")
	}
}
