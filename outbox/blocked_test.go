package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lorebridge/ent"
	"lorebridge/outbox"
)

// each returns an answer with a verdict for each event of a batch.
func each(verdict func(e *ent.Event) error) func(context.Context, []*ent.Event) ([]error, error) {
	return func(_ context.Context, batch []*ent.Event) ([]error, error) {
		verdicts := make([]error, len(batch))
		for i, e := range batch {
			verdicts[i] = verdict(e)
		}
		return verdicts, nil
	}
}

// delays returns how long after start each of a recipient's events was taken.
func (s *recorder) delays(events []*ent.Event, recipient int, start time.Time) []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []time.Duration
	for i, id := range s.taken {
		for _, e := range events {
			if e.ID == id && *e.RecipientID == recipient {
				all = append(all, s.at[i].Sub(start))
			}
		}
	}
	return all
}

func TestANewEventWaitsBehindItsBlockedRecipient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := false
		sender := &recorder{answer: each(func(*ent.Event) error {
			if !failed {
				failed = true
				return errDown
			}
			return nil
		})}
		client := open(t, 1)
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender})
		running(t, relay)
		synctest.Wait()
		<-time.After(time.Second)
		ask(t, relay.log, "first", 2)
		synctest.Wait()
		ask(t, relay.log, "second", 2) // within the pause of the first one
		<-time.After(time.Minute)
		synctest.Wait()
		if diff := cmp.Diff(idsOf(rows(t, client)), sender.ids()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestABatchThatFailsAsAWholeIsSentSingly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var mu sync.Mutex
		var sizes []int
		batches := func() []int {
			mu.Lock()
			defer mu.Unlock()
			defer func() { sizes = nil }()
			return sizes
		}
		sender := &recorder{answer: func(_ context.Context, batch []*ent.Event) ([]error, error) {
			mu.Lock()
			sizes = append(sizes, len(batch))
			mu.Unlock()
			sick := func(e *ent.Event) bool { return *e.RecipientID == 5 && time.Since(start) < time.Second }
			if slices.ContainsFunc(batch, sick) {
				return nil, errDown
			}
			return make([]error, len(batch)), nil
		}}
		client := open(t, 8)
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender, InFlight: 1})
		running(t, relay)
		ask(t, relay.log, "?", 2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5, 6, 7, 8, 9)
		synctest.Wait()
		if diff := cmp.Diff([]int{8, 1, 1, 1, 1, 1, 1, 1, 1, 7}, batches()); diff != "" {
			t.Errorf("the batches (-want +got):\n%s", diff)
		}
		if got := sender.ids(); len(got) != 14 {
			t.Errorf("%d of the others' 14 events were sent at once", len(got))
		}
		ask(t, relay.log, "!", 2, 3, 4, 6, 7, 8, 9)
		synctest.Wait()
		if diff := cmp.Diff([]int{7}, batches()); diff != "" {
			t.Errorf("afterwards the others are sent (-want +got):\n%s", diff)
		}
		<-time.After(10 * time.Second) // of the bubble's clock
		synctest.Wait()
		batches()
		ask(t, relay.log, ".", 2, 3, 4, 5, 6, 7, 8, 9)
		synctest.Wait()
		if diff := cmp.Diff([]int{8}, batches()); diff != "" {
			t.Errorf("when it is well again they are sent (-want +got):\n%s", diff)
		}
		requireOrderPerRecipient(t, rows(t, client), sender.ids())
		sender.check(t)
	})
}

func TestSickRecipientsThatHangDelayNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sick, healthy = 6, 3
		sender := &recorder{answer: func(ctx context.Context, batch []*ent.Event) ([]error, error) {
			if slices.ContainsFunc(batch, func(e *ent.Event) bool { return *e.RecipientID < 2+sick }) {
				select {
				case <-time.After(5 * time.Second):
				case <-ctx.Done():
				}
				return nil, errDown
			}
			return make([]error, len(batch)), nil
		}}
		client := open(t, sick+healthy)
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender, BatchSize: 1})
		running(t, relay)
		for recipient := range sick {
			ask(t, relay.log, "sick", 2+recipient)
		}
		<-time.After(time.Minute) // all have failed
		synctest.Wait()
		trying := 0
		for i := range 100 {
			before := len(sender.ids())
			ask(t, relay.log, fmt.Sprint(i), 2+sick, 3+sick, 4+sick)
			ask(t, relay.log, fmt.Sprint("more ", i), 2+i%sick)
			synctest.Wait()
			if got := len(sender.ids()) - before; got != healthy {
				t.Fatalf("round %d: %d of %d events were sent at once", i, got, healthy)
			}
			s, err := relay.State(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if s.Sending > 2 || s.Trying > 2 || s.Outage {
				t.Fatalf("round %d: %+v", i, s)
			}
			trying = max(trying, s.Trying)
			<-time.After(100 * time.Millisecond)
		}
		if trying != 2 {
			t.Errorf("at most %d of the sick were tried at a time, 2 are allowed", trying)
		}
	})
}

func TestAnOutageTakesFiveFailuresAndAFailedCheck(t *testing.T) {
	for _, test := range []struct {
		name    string
		failing int
		down    bool
		outage  bool
	}{
		{"four, and the check would fail", 4, true, false},
		{"five, and the check succeeds", 5, false, false},
		{"five, and it fails", 5, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sender := &recorder{answer: each(func(e *ent.Event) error {
					if *e.RecipientID < 2+test.failing {
						return errDown
					}
					return nil
				}), down: func(context.Context) error {
					if test.down {
						return errors.New("no answer")
					}
					return nil
				}}
				client := open(t, test.failing+1)
				relay := newRelay(t, client, outbox.RelayConfig{Sender: sender})
				running(t, relay)
				for recipient := range test.failing {
					ask(t, relay.log, "?", 2+recipient)
				}
				synctest.Wait()
				s, err := relay.State(t.Context())
				if err != nil || s.Outage != test.outage || s.Checking {
					t.Errorf("%+v, %v", s, err)
				}
				ask(t, relay.log, "to one who is well", 2+test.failing)
				synctest.Wait()
				if got := len(sender.ids()); test.outage != (got == 0) {
					t.Errorf("%d events were sent at once", got)
				}
				<-time.After(time.Minute)
				synctest.Wait()
				if got := len(sender.ids()); got != 1 {
					t.Errorf("at last %d events were sent, want 1", got)
				}
			})
		})
	}
}

func TestInAnOutageOneEventIsTriedAndOneSuccessEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		var mu sync.Mutex
		var tries []time.Duration
		start, checks := time.Now(), 0
		down.Store(true)
		sender := &recorder{down: func(context.Context) error {
			mu.Lock()
			checks++
			mu.Unlock()
			if down.Load() {
				return errDown
			}
			return nil
		}}
		sender.answer = func(_ context.Context, batch []*ent.Event) ([]error, error) {
			mu.Lock()
			defer mu.Unlock()
			tries = append(tries, time.Since(start))
			if down.Load() {
				return nil, errDown
			}
			return make([]error, len(batch)), nil
		}
		const people = 40
		client := open(t, people)
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender, InFlight: 4, BatchSize: 10})
		running(t, relay)
		for i := range 3 {
			for recipient := range people {
				ask(t, relay.log, fmt.Sprint(i), 2+recipient)
			}
		}
		<-time.After(10 * time.Second)
		synctest.Wait()
		mu.Lock()
		tries, start = nil, time.Now()
		mu.Unlock()
		<-time.After(20 * time.Second)
		synctest.Wait()
		mu.Lock()
		for i := 1; i < len(tries); i++ {
			if pause := tries[i] - tries[i-1]; pause != 5*time.Second {
				t.Errorf("after %v the next try came %v later", tries[i-1], pause)
			}
		}
		if len(tries) < 3 || len(tries) > 5 {
			t.Errorf("in 20 s of an outage there were %d tries", len(tries))
		}
		if checks != 1 {
			t.Errorf("there were %d checks", checks)
		}
		mu.Unlock()
		down.Store(false)
		mu.Lock()
		start = time.Now()
		mu.Unlock()
		<-time.After(5 * time.Second)
		synctest.Wait()
		all := rows(t, client)
		first, last := time.Duration(1<<62), time.Duration(0)
		for recipient := range people {
			delays := sender.delays(all, 2+recipient, start)
			if len(delays) != 3 {
				t.Fatalf("recipient %d got %d of 3 events", 2+recipient, len(delays))
			}
			first, last = min(first, delays[0]), max(last, delays[2])
		}
		if first != last {
			t.Errorf("the first success came after %v, and the last event after %v", first, last)
		}
		requireOrderPerRecipient(t, all, sender.ids())
		sender.check(t)
	})
}

func TestTheEndOfAnOutageEndsEveryPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		up := func() bool { return time.Since(start) >= 50*time.Millisecond }
		sender := &recorder{answer: each(func(e *ent.Event) error {
			switch {
			case up():
				return nil
			case *e.RecipientID == 2:
				return waitError{time.Hour}
			}
			return errDown
		}), down: func(context.Context) error { return errDown }}
		client := open(t, 6)
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender, BatchSize: 1})
		running(t, relay)
		for recipient := 2; recipient <= 6; recipient++ {
			ask(t, relay.log, "?", recipient)
		}
		ask(t, relay.log, "?", 7)
		<-time.After(200 * time.Millisecond)
		synctest.Wait()
		all := rows(t, client)
		for recipient := 2; recipient <= 7; recipient++ {
			if got := sender.delays(all, recipient, start); !slices.Equal(got, []time.Duration{100 * time.Millisecond}) {
				t.Errorf("recipient %d got its event after %v", recipient, got)
			}
		}
	})
}

type waitError struct{ wait time.Duration }

func (e waitError) Error() string             { return "later" }
func (e waitError) RetryAfter() time.Duration { return e.wait }

func TestAPauseThatTheReceiverAsksForIsKeptForThatRecipient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		sender := &recorder{answer: each(func(e *ent.Event) error {
			if *e.RecipientID == 2 && time.Since(start) < 30*time.Second {
				return fmt.Errorf("429: %w", waitError{30 * time.Second})
			}
			return nil
		})}
		client := open(t, 2)
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender})
		running(t, relay)
		ask(t, relay.log, "?", 2, 3)
		<-time.After(time.Minute)
		synctest.Wait()
		all := rows(t, client)
		if got := sender.delays(all, 2, start); !slices.Equal(got, []time.Duration{30 * time.Second}) {
			t.Errorf("who has to wait 30 s gets it after %v", got)
		}
		if got := sender.delays(all, 3, start); !slices.Equal(got, []time.Duration{0}) {
			t.Errorf("the other one gets it after %v", got)
		}
		if n := sender.tries[all[0].ID]; n != 2 {
			t.Errorf("it was sent %d times", n)
		}
	})
}

func TestAnEventThatWasNotTriedIsSentAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, calls := time.Now(), 0
		sender := &recorder{answer: func(_ context.Context, batch []*ent.Event) ([]error, error) {
			verdicts := make([]error, len(batch))
			calls++
			if calls == 1 {
				verdicts[1], verdicts[2] = fmt.Errorf("%w: no time", outbox.ErrUntried), errDown
			}
			return verdicts, nil
		}}
		client := open(t, 3)
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender})
		running(t, relay)
		ask(t, relay.log, "?", 2, 3, 4)
		synctest.Wait()
		all := rows(t, client)
		if got := sender.ids(); !slices.Equal(got, idsOf(all[:2])) {
			t.Errorf("at once %v were taken", got)
		}
		s := relay.Status()
		if s.Parked != 1 {
			t.Errorf("%+v", s)
		}
		<-time.After(time.Second)
		synctest.Wait()
		if got := sender.delays(all, 4, start); !slices.Equal(got, []time.Duration{100 * time.Millisecond}) {
			t.Errorf("the one that failed was sent after %v", got)
		}
		sender.check(t)
	})
}

func TestAFailedEventIsSentAloneUntilItIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		fails := 3
		sender := &recorder{answer: func(_ context.Context, batch []*ent.Event) ([]error, error) {
			verdicts := make([]error, len(batch))
			for i, e := range batch {
				if *e.RecipientID == 2 {
					sizes = append(sizes, len(batch))
					if fails > 0 {
						fails--
						verdicts[i] = errDown
					}
				}
			}
			return verdicts, nil
		}}
		client := open(t, 4)
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender, InFlight: 1})
		running(t, relay)
		for i := range 2 {
			ask(t, relay.log, fmt.Sprint(i), 2, 3, 4)
		}
		<-time.After(time.Minute)
		synctest.Wait()
		if diff := cmp.Diff([]int{3, 1, 1, 1, 1}, sizes); diff != "" {
			t.Errorf("the batches with the sick recipient (-want +got):\n%s", diff)
		}
		ask(t, relay.log, "!", 2, 3, 4)
		synctest.Wait()
		if sizes[len(sizes)-1] != 3 {
			t.Errorf("afterwards its events are sent in batches of %d", sizes[len(sizes)-1])
		}
		requireOrderPerRecipient(t, rows(t, client), sender.ids())
	})
}

func TestAtMostQueueSizeEventsAreInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 8
		var relay sending
		most, full := 0, 0
		sick := map[int]bool{2: true, 3: true}
		sender := &recorder{max: 2}
		sender.answer = func(_ context.Context, batch []*ent.Event) ([]error, error) {
			<-time.After(10 * time.Millisecond)
			s, err := relay.State(context.Background())
			if err != nil {
				return nil, err
			}
			sender.mu.Lock()
			defer sender.mu.Unlock()
			if most = max(most, s.Held); s.Held == size {
				full++
			}
			verdicts := make([]error, len(batch))
			for i, e := range batch {
				if sick[*e.RecipientID] && sender.tries[e.ID] < 3 {
					verdicts[i] = errDown
				}
			}
			return verdicts, nil
		}
		client := open(t, 6)
		relay = newRelay(t, client, outbox.RelayConfig{Sender: sender, QueueSize: size, BatchSize: 2, InFlight: 3})
		for i := range 20 {
			ask(t, relay.log, fmt.Sprint(i), 2, 3, 4, 5, 6, 7)
		}
		running(t, relay)
		<-time.After(time.Minute)
		synctest.Wait()
		if most != size || full == 0 {
			t.Errorf("at most %d events were in memory, %d are allowed", most, size)
		}
		requireOrderPerRecipient(t, rows(t, client), sender.ids())
		if s := relay.Status(); s.Behind || s.Waiting != 0 || s.Parked != 0 {
			t.Errorf("afterwards: %+v", s)
		}
		sender.check(t)
	})
}

func TestInAnOutageOneEventIsTriedAtATimeThoughItHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		start, now, most, tries := time.Now(), 0, 0, 0
		sender := &recorder{down: func(context.Context) error { return errDown }}
		sender.answer = func(context.Context, []*ent.Event) ([]error, error) {
			if time.Since(start) < time.Second {
				return nil, errDown
			}
			mu.Lock()
			now++
			most, tries = max(most, now), tries+1
			mu.Unlock()
			<-time.After(3 * time.Second)
			mu.Lock()
			now--
			mu.Unlock()
			return nil, errDown
		}
		client := open(t, 12)
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender, BatchSize: 1})
		running(t, relay)
		ask(t, relay.log, "?", 2, 3, 4, 5, 6)
		<-time.After(2 * time.Second)
		for i := range 60 {
			ask(t, relay.log, fmt.Sprint(i), 2+i%12)
			<-time.After(time.Second)
		}
		mu.Lock()
		defer mu.Unlock()
		if most != 1 || tries < 5 {
			t.Errorf("in %d tries at most %d events were sent at a time", tries, most)
		}
	})
}
