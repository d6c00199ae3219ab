package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lorebridge/ent"
	"lorebridge/outbox"
)

// operated is a relay whose Sender a test controls.
type operated struct {
	sending
	sender *recorder
	client *ent.Client
	sick   map[int]error // by recipient
	hold   chan struct{} // if not nil, sends to recipient 2 hang until it is closed
	stop   func()
}

func operate(t *testing.T, client *ent.Client, c outbox.RelayConfig) *operated {
	t.Helper()
	o := &operated{sender: &recorder{}, client: client, sick: make(map[int]error)}
	o.sender.answer = func(_ context.Context, batch []*ent.Event) ([]error, error) {
		o.sender.mu.Lock()
		hold, verdicts := o.hold, make([]error, len(batch))
		for i, e := range batch {
			verdicts[i] = o.sick[*e.RecipientID]
		}
		o.sender.mu.Unlock()
		if hold != nil && *batch[0].RecipientID == 2 {
			<-hold
		}
		return verdicts, nil
	}
	c.Sender = o.sender
	o.sending = newRelay(t, client, c)
	o.stop = running(t, o.sending)
	synctest.Wait()
	return o
}

func (o *operated) set(recipient int, verdict error) {
	o.sender.mu.Lock()
	defer o.sender.mu.Unlock()
	o.sick[recipient] = verdict
}

func (o *operated) holdUp(hold chan struct{}) {
	o.sender.mu.Lock()
	defer o.sender.mu.Unlock()
	o.hold = hold
}

// expect compares the events taken so far, as positions in the table from 1 on.
func (o *operated) expect(t *testing.T, when string, want ...int) {
	t.Helper()
	synctest.Wait()
	all, got := idsOf(rows(t, o.client)), make([]int, 0, len(want))
	for _, id := range o.sender.ids() {
		got = append(got, slices.Index(all, id)+1)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: what was taken (-want +got):\n%s", when, diff)
	}
}

func TestARetryEndsThePauseOfOneRecipientOrOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := operate(t, open(t, 4), outbox.RelayConfig{})
		if err := o.Retry(t.Context(), 2); !errors.Is(err, outbox.ErrNotWaiting) {
			t.Errorf("nothing waits: %v", err)
		}
		if n, err := o.RetryAll(t.Context()); n != 0 || err != nil {
			t.Errorf("nothing waits: %d, %v", n, err)
		}
		for recipient := 2; recipient <= 4; recipient++ {
			o.set(recipient, waitError{time.Hour})
		}
		ask(t, o.log, "one", 2, 3, 4)
		synctest.Wait()
		ask(t, o.log, "two", 2, 5)
		o.expect(t, "three are sick", 5)
		if err := o.Retry(t.Context(), 5); !errors.Is(err, outbox.ErrNotWaiting) {
			t.Errorf("one that is well: %v", err)
		}
		if err := o.Retry(t.Context(), 2); err != nil {
			t.Error(err)
		}
		o.expect(t, "it is still sick", 5)
		if n := o.sender.tries[rows(t, o.client)[0].ID]; n != 2 {
			t.Errorf("it was tried %d times", n)
		}
		o.set(2, nil)
		if err := o.Retry(t.Context(), 2); err != nil {
			t.Error(err)
		}
		o.expect(t, "it is well", 5, 1, 4)
		o.set(3, nil)
		o.set(4, nil)
		if n, err := o.RetryAll(t.Context()); n != 2 || err != nil {
			t.Errorf("two wait: %d, %v", n, err)
		}
		synctest.Wait()
		if n := len(o.sender.ids()); n != 5 {
			t.Errorf("all are well, and %d of 5 were taken", n)
		}
		o.stop()
		if got := parked(t, o.log, o.client); len(got) != 0 {
			t.Errorf("parked at the end: %v", got)
		}
	})
}

func TestARetryOfWhatIsBeingSentChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := operate(t, open(t, 1), outbox.RelayConfig{})
		o.set(2, waitError{time.Minute})
		ask(t, o.log, "one", 2)
		synctest.Wait()
		hold := make(chan struct{})
		o.set(2, nil)
		o.holdUp(hold)
		<-time.After(time.Minute)
		ask(t, o.log, "two", 2)
		synctest.Wait()
		if err := o.Retry(t.Context(), 2); err != nil {
			t.Error(err)
		}
		all := rows(t, o.client)
		if err := o.Skip(t.Context(), all[0].ID, "why"); !errors.Is(err, outbox.ErrBeingSent) {
			t.Errorf("a skip of what is being sent: %v", err)
		}
		close(hold)
		o.expect(t, "afterwards", 1, 2)
		o.sender.check(t)
	})
}

func TestASkippedEventIsNeverSentAndTheNextOneIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "test.db")
		o := operate(t, openAt(t, path, 2), outbox.RelayConfig{})
		o.set(2, waitError{time.Hour})
		for i := range 5 {
			ask(t, o.log, fmt.Sprint(i), 2, 3)
			synctest.Wait()
		}
		o.expect(t, "one is sick", 2, 4, 6, 8, 10)
		all := rows(t, o.client)
		skip := func(place int) error { return o.Skip(t.Context(), all[place-1].ID, fmt.Sprint("because of ", place)) }
		for _, place := range []int{2, 10} {
			if err := skip(place); !errors.Is(err, outbox.ErrNotWaiting) {
				t.Errorf("event %d, which was taken: %v", place, err)
			}
		}
		if err := o.Skip(t.Context(), 7, "?"); !errors.Is(err, outbox.ErrNotWaiting) {
			t.Errorf("an event that is none: %v", err)
		}
		if err := learn(t.Context(), o.log, "title"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		all = rows(t, o.client)
		if err := skip(len(all)); all[len(all)-1].RecipientID != nil || !errors.Is(err, outbox.ErrNotWaiting) {
			t.Errorf("an event of nobody: %v", err)
		}
		if err := skip(5); err != nil { // in the middle
			t.Fatal(err)
		}
		if err := skip(5); !errors.Is(err, outbox.ErrNotWaiting) {
			t.Errorf("it is skipped already: %v", err)
		}
		o.set(2, errDown)
		<-time.After(time.Second)
		o.set(2, nil)
		if err := skip(1); err != nil { // the oldest
			t.Fatal(err)
		}
		if err := skip(1); !errors.Is(err, outbox.ErrNotWaiting) {
			t.Errorf("it is skipped already: %v", err)
		}
		o.expect(t, "two are skipped", 2, 4, 6, 8, 10, 3, 7, 9)
		<-time.After(time.Second)
		synctest.Wait()
		crashed := snapshot(t, path)
		want := []string{"people 2 SKIPPED 1", "people 2 SKIPPED 5"}
		if diff := cmp.Diff(want, parked(t, o.log, o.client)); diff != "" {
			t.Errorf("what is kept (-want +got):\n%s", diff)
		}
		kept, err := o.log.ListParked(t.Context())
		if err != nil || kept[0].Why != "because of 1" || kept[1].Why != "because of 5" {
			t.Errorf("%+v, %v", kept, err)
		}
		if got := sentAfter(t, crashed); len(got) != 0 {
			t.Errorf("after a crash %v were sent", got)
		}
	})
}

func TestASkippedEventIsNotSentAfterARestartThoughTheOneBeforeItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "test.db")
		o := operate(t, openAt(t, path, 1), outbox.RelayConfig{})
		o.set(2, waitError{time.Hour})
		for i := range 4 {
			ask(t, o.log, fmt.Sprint(i), 2)
			synctest.Wait()
		}
		all := idsOf(rows(t, o.client))
		for _, place := range []int{2, 4} {
			if err := o.Skip(t.Context(), all[place-1], "why not"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		<-time.After(time.Second)
		synctest.Wait()
		if got := sentAfter(t, snapshot(t, path)); !slices.Equal(got, []int{all[0], all[2]}) {
			t.Errorf("after a crash %v were sent, want the first and the third of %v", got, all)
		}
	})
}

func TestWhatIsInMemoryCanBeSkipped(t *testing.T) {
	for _, alone := range []bool{false, true} {
		t.Run(fmt.Sprint("alone ", alone), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := open(t, 3)
				o := operate(t, client, outbox.RelayConfig{InFlight: 1})
				hold := make(chan struct{})
				o.holdUp(hold)
				ask(t, o.log, "busy", 2)
				synctest.Wait()
				ask(t, o.log, "one", 3, 4)
				ask(t, o.log, "two", 3, 2)
				synctest.Wait()
				all := idsOf(rows(t, client))
				skip := []int{2, 4}
				if alone {
					skip = []int{4, 3} // the second event of recipient 3, and the only one of 4
				}
				for _, place := range skip {
					if err := o.Skip(t.Context(), all[place-1], "why not"); err != nil {
						t.Fatal(err)
					}
				}
				if err := o.Skip(t.Context(), all[0], "?"); !errors.Is(err, outbox.ErrBeingSent) {
					t.Errorf("what is being sent: %v", err)
				}
				close(hold)
				want := []int{1, 3, 5}
				if alone {
					want = []int{1, 2, 5}
				}
				synctest.Wait()
				got := o.sender.ids()
				for i, place := range want {
					want[i] = all[place-1]
				}
				if !sameElements(got, want) {
					t.Errorf("%v were taken, want %v", got, want)
				}
				o.sender.check(t)
				o.stop()
				if kept := parked(t, o.log, client); len(kept) != 2 {
					t.Errorf("kept: %v", kept)
				}
			})
		})
	}
}

func TestWhatHasNotBeenReadCannotBeSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := open(t, 2)
		o := operate(t, client, outbox.RelayConfig{QueueSize: 1, BatchSize: 1})
		hold := make(chan struct{})
		o.holdUp(hold)
		ask(t, o.log, "busy", 2)
		ask(t, o.log, "waits for memory", 3)
		synctest.Wait()
		all := idsOf(rows(t, client))
		if err := o.Skip(t.Context(), all[1], "?"); !errors.Is(err, outbox.ErrNotWaiting) {
			t.Errorf("what nobody has tried: %v", err)
		}
		close(hold)
		o.expect(t, "afterwards", 1, 2)
	})
}

func TestAnOrderWaitsNoLongerThanItsContext(t *testing.T) {
	client := open(t, 1)
	relay := newRelay(t, client, outbox.RelayConfig{Sender: &recorder{}}) // does not run
	ask(t, relay.log, "?", 2)
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if err := relay.Retry(ctx, 2); !errors.Is(err, why) {
		t.Errorf("retry: %v", err)
	}
	if _, err := relay.RetryAll(ctx); !errors.Is(err, why) {
		t.Errorf("retry all: %v", err)
	}
}

func TestAPersonIsReadFromARecipient(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"7": 7, "": 0, "0": 0, "-7": 0, "x": 0, "recipient:7": 0} {
		id, ok := outbox.PersonOf(text)
		if ok != (want > 0) || ok && id != want {
			t.Errorf("%q is person %d, %v", text, id, ok)
		}
	}
}

func TestTheEventBehindASkippedOneStartsWithoutFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := operate(t, open(t, 1), outbox.RelayConfig{})
		o.set(2, errDown)
		ask(t, o.log, "one", 2)
		ask(t, o.log, "two", 2)
		<-time.After(4 * time.Second)
		synctest.Wait()
		if err := o.Skip(t.Context(), rows(t, o.client)[0].ID, "why not"); err != nil {
			t.Fatal(err)
		}
		<-time.After(250 * time.Millisecond) // enough for two attempts with a pause of 100 ms
		synctest.Wait()
		if n := o.sender.tries[rows(t, o.client)[1].ID]; n != 2 {
			t.Errorf("the second event was tried %d times", n)
		}
	})
}
