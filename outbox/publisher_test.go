package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/outbox"
)

// audience is a Publisher that takes notes.
type audience struct {
	// hear says what to do with an event; nil: it is done at once.
	hear func(e *ent.Event, answered <-chan struct{}, done func())

	mu    sync.Mutex
	heard []*ent.Event
}

func (a *audience) Publish(e *ent.Event, answered <-chan struct{}, done func()) {
	a.mu.Lock()
	a.heard = append(a.heard, e)
	a.mu.Unlock()
	if a.hear == nil {
		done()
		return
	}
	a.hear(e, answered, done)
}

func (a *audience) ids() []int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return idsOf(a.heard)
}

// kept keeps the ends of events.
type kept struct {
	mu   sync.Mutex
	done []func()
}

func (k *kept) keep(_ *ent.Event, _ <-chan struct{}, done func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.done = append(k.done, done)
}

// release ends the first n events that are kept.
func (k *kept) release(n int) {
	k.mu.Lock()
	released := k.done[:n]
	k.done = k.done[n:]
	k.mu.Unlock()
	for _, done := range released {
		done()
	}
}

func (k *kept) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.done)
}

// learn adds an item to the asker's knowledge, and with it an event without a recipient.
func learn(ctx context.Context, relay *outbox.Relay, title string) error {
	return relay.WithTx(auth.AsSystem(ctx), func(ctx context.Context, tx *ent.Client) error {
		return tx.Knowledge.Create().SetTitle(title).SetOwnerID(asker).Exec(ctx)
	})
}

// settled waits until nothing is left to do, and then for what a second brings.
func settled() {
	synctest.Wait()
	<-time.After(time.Second)
	synctest.Wait()
}

func pendingRows(t *testing.T, client *ent.Client) int {
	t.Helper()
	n, err := client.Event.Query().Where(event.RelayedAtIsNil(), event.LastErrorIsNil()).Count(auth.AsSystem(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestEventsArePublishedAfterTheyWereSentInTheOrderOfEachRecipient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := open(t, 5)
		sender := &recorder{answer: func(context.Context, []*ent.Event) ([]error, error) {
			<-time.After(time.Millisecond)
			return make([]error, 10), nil
		}}
		public := &audience{}
		public.hear = func(e *ent.Event, _ <-chan struct{}, done func()) {
			if e.RecipientID == nil {
				t.Errorf("%d has no recipient", e.ID)
			} else if !slices.Contains(sender.ids(), e.ID) {
				t.Errorf("%d was published before it was sent", e.ID)
			}
			done()
		}
		sender.answer = func(_ context.Context, batch []*ent.Event) ([]error, error) {
			<-time.After(time.Millisecond)
			return make([]error, len(batch)), nil
		}
		relay := newRelay(t, outbox.Config{Client: client, Sender: sender, Publisher: public})
		running(t, relay)
		for i := range 20 {
			ask(t, relay, fmt.Sprint("Why ", i, "?"), 2, 3, 4, 5, 6)
		}
		settled()
		last := make(map[int]int)
		for _, e := range public.heard {
			if e.ID <= last[*e.RecipientID] {
				t.Errorf("%d came after %d", e.ID, last[*e.RecipientID])
			}
			last[*e.RecipientID] = e.ID
		}
		if got := public.ids(); len(got) != 100 || pendingRows(t, client) != 0 {
			t.Errorf("%d were published, %d rows wait", len(got), pendingRows(t, client))
		}
		sender.check(t)
	})
}

// Transactions that are committed together are offered in any order. A subscription that has heard of 6 takes no 5 any more.
func TestEventsOfTransactionsAtTheSameTimeArePublishedInTheOrderOfTheirIDs(t *testing.T) {
	t.Parallel()
	for _, queueSize := range []int{0, 7, 20, 40} { // with few in memory most are read from the table, now and then all but the last
		client := open(t, 1)
		public := &audience{}
		relay := newRelay(t, outbox.Config{Client: client, Sender: &recorder{}, Publisher: public, QueueSize: queueSize})
		stop := running(t, relay)
		const authors, items = 20, 50
		var group sync.WaitGroup
		for i := range authors {
			group.Go(func() {
				for n := range items {
					if err := learn(t.Context(), relay, fmt.Sprint(i, "-", n)); err != nil {
						t.Error(err)
					}
					if n%10 == i%10 {
						if err := tryAsk(t.Context(), relay, fmt.Sprint(i, "-", n), 2); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		group.Wait()
		const all = authors*items + authors*items/10
		late := time.After(time.Minute)
		for pendingRows(t, client) > 0 {
			select {
			case <-late:
				t.Fatalf("%d of %d are published, %+v", len(public.ids()), all, relay.Status())
			case <-time.After(10 * time.Millisecond):
			}
		}
		stop()
		lastOfAll, lastOfTwo := 0, 0
		for _, e := range public.heard {
			last := &lastOfAll
			if e.RecipientID != nil {
				last = &lastOfTwo
			}
			if e.ID <= *last {
				t.Errorf("a queue of %d: %d came after %d", queueSize, e.ID, *last)
			}
			*last = e.ID
		}
		if len(public.heard) != all {
			t.Errorf("a queue of %d: %d of %d were published", queueSize, len(public.heard), all)
		}
	}
}

func TestARowCountsAsRelayedOnlyOnceItsEventIsDone(t *testing.T) {
	t.Parallel()
	for name, hear := range map[string]func(e *ent.Event, answered <-chan struct{}, done func()){
		"before Publish returns":  func(_ *ent.Event, _ <-chan struct{}, done func()) { done() },
		"from another goroutine":  func(_ *ent.Event, _ <-chan struct{}, done func()) { go done() },
		"later, and from another": func(_ *ent.Event, _ <-chan struct{}, done func()) { time.AfterFunc(time.Hour, done) },
	} {
		synctest.Test(t, func(t *testing.T) {
			client := open(t, 1)
			sender := &recorder{}
			relay := newRelay(t, outbox.Config{Client: client, Sender: sender, Publisher: &audience{hear: hear}})
			running(t, relay)
			ask(t, relay, "Why?", 2)
			if err := learn(t.Context(), relay, "roots"); err != nil {
				t.Fatal(err)
			}
			settled()
			if name == "later, and from another" {
				if n := pendingRows(t, client); n != 2 || len(sender.ids()) != 1 || relay.Status().Waiting != 2 {
					t.Errorf("%d rows wait, sent %v, %+v", n, sender.ids(), relay.Status())
				}
				<-time.After(time.Hour)
				settled()
			}
			for _, row := range rows(t, client) {
				if row.RelayedAt == nil || row.Attempts != 1 {
					t.Errorf("%s: %v", name, row)
				}
			}
			if s := relay.Status(); s.Waiting != 0 || s.Behind {
				t.Errorf("%s: %+v", name, s)
			}
		})
	}
}

func TestACrashBeforeAnEventIsDoneHasItSentAndPublishedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "test.db")
		client := reopen(t, path)
		for i := range 2 {
			client.User.Create().SetName("x").SetEmail(fmt.Sprint(i, "@example.com")).SetPasswordHash("-").SaveX(auth.AsSystem(t.Context()))
		}
		var all [2][]int
		for i := range all {
			sender, public := &recorder{}, &audience{}
			if i == 0 {
				public.hear = func(*ent.Event, <-chan struct{}, func()) {} // never done
			}
			relay := newRelay(t, outbox.Config{Client: client, Sender: sender, Publisher: public})
			stop := running(t, relay)
			if i == 0 {
				ask(t, relay, "Why?", 2)
				if err := learn(t.Context(), relay, "roots"); err != nil {
					t.Fatal(err)
				}
			}
			settled()
			stop()
			if len(sender.ids()) != 1 {
				t.Errorf("run %d sent %v", i, sender.ids())
			}
			all[i] = public.ids()
			slices.Sort(all[i])
		}
		if len(all[0]) != 2 || !slices.Equal(all[0], all[1]) || pendingRows(t, client) != 0 {
			t.Errorf("published %v, %d rows wait", all, pendingRows(t, client))
		}
	})
}

func TestAnEventThatPusherRefusesIsPublishedAllTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := open(t, 1)
		public := &audience{}
		relay := newRelay(t, outbox.Config{Client: client, Publisher: public, Sender: &recorder{
			answer: func(_ context.Context, batch []*ent.Event) ([]error, error) {
				return []error{&outbox.RefusedError{Reason: "too odd"}}, nil
			},
		}})
		running(t, relay)
		ask(t, relay, "Why?", 2)
		settled()
		row := rows(t, client)[0]
		if !slices.Equal(public.ids(), []int{row.ID}) || row.RelayedAt != nil || row.LastError == nil || *row.LastError != "too odd" {
			t.Errorf("published %v, %v", public.ids(), row)
		}
	})
}

func TestWhatTakesLongCanWaitForTheAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := open(t, 1)
		got := make(chan (<-chan struct{}), 10)
		relay := newRelay(t, outbox.Config{Client: client, Sender: &recorder{}, Publisher: &audience{
			hear: func(_ *ent.Event, answered <-chan struct{}, done func()) { got <- answered; done() },
		}})
		running(t, relay)
		settled() // what it reads from the table was answered long ago
		for name, ask := range map[string]func(ctx context.Context) error{
			"for a person": func(ctx context.Context) error { return tryAsk(ctx, relay, fmt.Sprint(rows(t, client)), 2) },
			"for nobody":   func(ctx context.Context) error { return learn(ctx, relay, "roots") },
		} {
			ctx, answer := context.WithCancel(context.Background())
			if err := ask(ctx); err != nil {
				t.Fatal(err)
			}
			answered := <-got
			select {
			case <-answered:
				t.Errorf("%s: answered before it was", name)
			default:
			}
			answer()
			<-answered
			if err := ask(context.Background()); err != nil { // which ends never
				t.Fatal(err)
			}
			if answered := <-got; answered != nil {
				t.Errorf("%s: an answer that nobody waits for", name)
			}
		}
	})
}

// While subscriptions are slow, their events count as held, and what is more waits in the table. It is neither forgotten nor asked for
// again and again. What is for a person is sent to them all the same.
func TestASlowPublisherHoldsNoMoreThanTheQueueAndIsWaitedForInPeace(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(ctx context.Context, relay *outbox.Relay, i int) error{
		"for nobody": func(ctx context.Context, relay *outbox.Relay, i int) error { return learn(ctx, relay, fmt.Sprint(i)) },
		"for a person": func(ctx context.Context, relay *outbox.Relay, i int) error {
			return tryAsk(ctx, relay, fmt.Sprint(i), 2)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			const queueSize, all = 8, 100
			client := open(t, 1)
			var reads atomic.Int64
			client.Event.Intercept(ent.InterceptFunc(func(next ent.Querier) ent.Querier {
				return ent.QuerierFunc(func(ctx context.Context, q ent.Query) (ent.Value, error) {
					reads.Add(1)
					return next.Query(ctx, q)
				})
			}))
			ends := &kept{}
			public := &audience{hear: ends.keep}
			relay := newRelay(t, outbox.Config{Client: client, Sender: &recorder{}, Publisher: public, QueueSize: queueSize})
			running(t, relay)
			for i := range all {
				if err := make(t.Context(), relay, i); err != nil {
					t.Fatal(err)
				}
			}
			settled()
			least, most := queueSize, 2*queueSize
			if name == "for a person" {
				least, most = all, all
			}
			if s := relay.Status(); !s.Behind || s.Waiting > most || len(public.ids()) > most || len(public.ids()) < least {
				t.Errorf("%s: published %d, %+v", name, len(public.ids()), s)
			}
			before := reads.Load()
			<-time.After(time.Hour - time.Minute)
			synctest.Wait()
			if n := reads.Load() - before; n > 0 {
				t.Errorf("%s: the table was read %d times in an hour in which nothing happened", name, n)
			}
			for ends.count() > 0 { // one by one
				ends.release(1)
				settled()
			}
			if got := public.ids(); len(got) != all || !slices.IsSorted(got) || pendingRows(t, client) != 0 {
				t.Errorf("%s: published %d: %v, %d rows wait", name, len(got), got, pendingRows(t, client))
			}
			if s := relay.Status(); s.Behind || s.Waiting != 0 {
				t.Errorf("%s: %+v", name, s)
			}
		})
	}
}

func TestAtTheEndWhatIsBeingPublishedIsWaitedForButNotForLong(t *testing.T) {
	t.Parallel()
	for _, takes := range []time.Duration{3 * time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			client := open(t, 1)
			relay := newRelay(t, outbox.Config{Client: client, Sender: &recorder{}, Drain: 5 * time.Second, Publisher: &audience{
				hear: func(_ *ent.Event, _ <-chan struct{}, done func()) { time.AfterFunc(takes, done) },
			}})
			stop := running(t, relay)
			ask(t, relay, "Why?", 2)
			synctest.Wait()
			begun := time.Now()
			stop()
			waited, left := time.Since(begun), pendingRows(t, client)
			if takes < time.Minute && (waited > takes+time.Second || left != 0) {
				t.Errorf("waited %v, %d rows are left", waited, left)
			}
			if takes > time.Minute && (waited != 5*time.Second || left != 1) {
				t.Errorf("waited %v, %d rows are left", waited, left)
			}
			<-time.After(2 * time.Hour) // its end may come when nobody runs any more
		})
	}
}

// A change that was rolled back has no event, and holds back none of those that come after it.
func TestWhatWasRolledBackIsNotPublished(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := open(t, 1)
		public := &audience{}
		relay := newRelay(t, outbox.Config{Client: client, Sender: &recorder{}, Publisher: public})
		running(t, relay)
		settled()
		sorry := errors.New("on second thoughts")
		if err := relay.WithTx(auth.AsSystem(t.Context()), func(ctx context.Context, tx *ent.Client) error {
			if err := tx.Knowledge.Create().SetTitle("roots").SetOwnerID(asker).Exec(ctx); err != nil {
				return err
			}
			return sorry
		}); !errors.Is(err, sorry) {
			t.Fatal(err)
		}
		if err := learn(t.Context(), relay, "leaves"); err != nil {
			t.Fatal(err)
		}
		settled()
		if all := rows(t, client); len(all) != 1 || !slices.Equal(public.ids(), idsOf(all)) {
			t.Errorf("published %v, there are %v", public.ids(), all)
		}
	})
}
