package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lorebridge/auth"
	"lorebridge/database"
	"lorebridge/ent"
	"lorebridge/ent/event"
	entparked "lorebridge/ent/parked"
	entprogress "lorebridge/ent/progress"
	"lorebridge/outbox"
)

// hang returns a Sender that never answers for some recipients.
func hang(recipients ...int) *recorder {
	return &recorder{max: 1, answer: func(ctx context.Context, batch []*ent.Event) ([]error, error) {
		if slices.Contains(recipients, *batch[0].RecipientID) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return make([]error, len(batch)), nil
	}}
}

// sentAfter returns the ids that a new relay on the database sends.
func sentAfter(t *testing.T, path string) []int {
	t.Helper()
	client, err := database.Open(t.Context(), database.Config{URL: "sqlite:" + path})
	if err != nil {
		t.Fatal(err)
	}
	sender := &recorder{}
	stop := running(t, newRelay(t, client, outbox.RelayConfig{Sender: sender}))
	<-time.After(time.Minute)
	synctest.Wait()
	stop()
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	return sender.ids()
}

func TestACrashRepeatsNothingThatWasSettled(t *testing.T) {
	for _, after := range []time.Duration{0, 50 * time.Millisecond, 150 * time.Millisecond, time.Minute} {
		t.Run(fmt.Sprint("after ", after), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "test.db")
				client, sender := openAt(t, path, 4), hang(2)
				relay := newRelay(t, client, outbox.RelayConfig{Sender: sender, BatchSize: 1, Drain: time.Millisecond})
				running(t, relay)
				synctest.Wait()
				<-time.After(time.Second)
				ask(t, relay.log, "zero", 3) // progress is written now and 100 ms later
				<-time.After(50 * time.Millisecond)
				ask(t, relay.log, "one", 3, 2, 4, 2, 5)
				ask(t, relay.log, "two", 3, 2, 4)
				<-time.After(after)
				synctest.Wait()
				crashed := snapshot(t, path)
				repeated, all := sentAfter(t, crashed), rows(t, client)
				requireOrderPerRecipient(t, slices.DeleteFunc(all, func(e *ent.Event) bool { return *e.RecipientID != 2 }),
					slices.DeleteFunc(slices.Clone(repeated), func(id int) bool { return slices.Contains(sender.ids(), id) }))
				if after > 0 && len(repeated) != 3 {
					t.Errorf("after the crash %d events were sent, want the 3 that were not taken", len(repeated))
				}
				if got := sentAfter(t, crashed); len(got) != 0 {
					t.Errorf("after a clean stop %v were sent again", got)
				}
			})
		})
	}
}

func TestWhatWaitsForASickRecipientSurvivesACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "test.db")
		client := openAt(t, path, 5)
		sender := &recorder{max: 1}
		sender.answer = func(ctx context.Context, batch []*ent.Event) ([]error, error) {
			switch *batch[0].RecipientID {
			case 2: // the head of its queue
				<-ctx.Done()
				return nil, ctx.Err()
			case 4:
				return []error{waitError{24 * time.Hour}}, nil
			}
			return make([]error, 1), nil
		}
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender, BatchSize: 1, Drain: time.Millisecond})
		running(t, relay)
		synctest.Wait()
		<-time.After(time.Second)
		ask(t, relay.log, "zero", 3) // progress is written now and 100 ms later
		<-time.After(50 * time.Millisecond)
		ask(t, relay.log, "one", 2, 3, 4, 5)
		synctest.Wait()
		ask(t, relay.log, "two", 3, 4, 5, 6)
		synctest.Wait()
		ask(t, relay.log, "three", 4)
		for range 3 { // before the head is parked, and after it
			<-time.After(60 * time.Millisecond)
			synctest.Wait()
			all := rows(t, client)
			var want []int
			for _, e := range all {
				if *e.RecipientID == 2 || *e.RecipientID == 4 {
					want = append(want, e.ID)
				}
			}
			if got := sentAfter(t, snapshot(t, path)); !sameElements(got, want) {
				t.Errorf("after the crash %v were sent, want %v", got, want)
			}
		}
	})
}

func TestTwoCrashesInARowLoseAndRepeatNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "test.db")
		client := openAt(t, path, 5)
		relay := newRelay(t, client, outbox.RelayConfig{Sender: hang(2, 4), BatchSize: 1, Drain: time.Millisecond})
		running(t, relay)
		synctest.Wait()
		<-time.After(time.Second)
		ask(t, relay.log, "one", 4)
		<-time.After(time.Second)    // 4 is parked
		ask(t, relay.log, "zero", 3) // progress is written now and 100 ms later
		<-time.After(50 * time.Millisecond)
		ask(t, relay.log, "two", 2, 3, 4, 5, 4, 6)
		<-time.After(60 * time.Millisecond)
		synctest.Wait()
		first := snapshot(t, path)
		all := rows(t, client)

		second := &recorder{max: 1, answer: func(ctx context.Context, batch []*ent.Event) ([]error, error) {
			if *batch[0].RecipientID == 4 && batch[0].ID == all[0].ID {
				return make([]error, 1), nil
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		again := newRelay(t, reopen(t, first), outbox.RelayConfig{Sender: second, BatchSize: 1, Drain: time.Millisecond})
		running(t, again)
		<-time.After(50 * time.Millisecond)
		synctest.Wait()
		if got := second.ids(); !slices.Equal(got, idsOf(all[:1])) {
			t.Errorf("after the first crash %v were taken", got)
		}
		<-time.After(time.Second)
		synctest.Wait()
		want := []int{all[2].ID, all[4].ID, all[6].ID}
		if got := sentAfter(t, snapshot(t, first)); !sameElements(got, want) {
			t.Errorf("after the second crash %v were sent, want %v", got, want)
		}
	})
}

func TestAParkedRecipientIsTriedAtOnceAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "test.db")
		client := openAt(t, path, 2)
		sender := &recorder{answer: each(func(e *ent.Event) error {
			if *e.RecipientID == 2 {
				return waitError{1000 * time.Hour} // as after a wrong clock
			}
			return nil
		})}
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender})
		stop := running(t, relay)
		ask(t, relay.log, "one", 2, 3)
		synctest.Wait()
		ask(t, relay.log, "two", 2, 3)
		synctest.Wait()
		stop()
		all := rows(t, client)
		if diff := cmp.Diff([]string{"people 2 WAITING 1"}, parked(t, relay.log, client)); diff != "" {
			t.Errorf("parked (-want +got):\n%s", diff)
		}
		row, err := relay.log.ListParked(t.Context())
		if err != nil || len(row) != 1 || row[0].Attempts != 2 || row[0].Error != "later" || row[0].Until == nil ||
			time.Until(*row[0].Until) < 999*time.Hour {
			t.Errorf("its row: %+v, %v", row, err)
		}
		again := &recorder{}
		relay = newRelay(t, client, outbox.RelayConfig{Sender: again})
		stop = running(t, relay)
		synctest.Wait()
		if diff := cmp.Diff([]int{all[0].ID, all[2].ID}, again.ids()); diff != "" {
			t.Errorf("what was sent at once (-want +got):\n%s", diff)
		}
		stop()
		if got := parked(t, relay.log, client); len(got) != 0 {
			t.Errorf("still parked: %v", got)
		}
	})
}

// countWrites counts the changes of progress. While fail is set they fail.
func countWrites(client *ent.Client, fail *atomic.Bool) *atomic.Int64 {
	var writes atomic.Int64
	client.Progress.Use(func(next ent.Mutator) ent.Mutator {
		return ent.MutateFunc(func(ctx context.Context, m ent.Mutation) (ent.Value, error) {
			writes.Add(1)
			if fail.Load() {
				return nil, errors.New("the disk is full")
			}
			return next.Mutate(ctx, m)
		})
	})
	return &writes
}

func TestProgressIsWrittenEvery100msAtMostAndAtACleanStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := open(t, 3)
		var fail atomic.Bool
		writes := countWrites(client, &fail)
		relay := newRelay(t, client, outbox.RelayConfig{Sender: &recorder{}})
		stop := running(t, relay)
		<-time.After(time.Hour)
		synctest.Wait()
		if n := writes.Load(); n != 0 {
			t.Errorf("there were %d writes though nothing had happened", n)
		}
		for i := range 200 {
			ask(t, relay.log, fmt.Sprint(i), 2+i%3)
			<-time.After(10 * time.Millisecond)
		}
		if n := writes.Load(); n < 20 || n > 21 {
			t.Errorf("in 2 s there were %d writes", n)
		}
		<-time.After(time.Second)
		synctest.Wait()
		writes.Store(0)
		ask(t, relay.log, "first", 2)
		synctest.Wait()
		ask(t, relay.log, "last", 2)
		stop()
		if n := writes.Load(); n != 2 {
			t.Errorf("two events and a stop made %d writes", n)
		}
		row := client.Progress.Query().Where(entprogress.Reader(outbox.People)).OnlyX(auth.AsSystem(t.Context()))
		all := rows(t, client)
		if row.DoneSeq != all[len(all)-1].ID || row.Settled != "" {
			t.Errorf("at the end: %v", row)
		}
	})
}

func TestAWriteOfProgressThatFailsIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "test.db")
		client := openAt(t, path, 4)
		var fail atomic.Bool
		fail.Store(true)
		writes := countWrites(client, &fail)
		sender := &recorder{answer: each(func(e *ent.Event) error {
			switch *e.RecipientID {
			case 2:
				return waitError{time.Hour}
			case 3:
				return &outbox.RefusedError{Reason: "never"}
			}
			return nil
		})}
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender})
		running(t, relay)
		for i := range 50 {
			ask(t, relay.log, fmt.Sprint(i), 2, 3, 4, 5)
			<-time.After(100 * time.Millisecond)
		}
		if n := writes.Load(); n < 4 || n > 8 {
			t.Errorf("in 5 s there were %d tries to write", n)
		}
		<-time.After(time.Second)
		synctest.Wait()
		if n := len(sender.ids()); n != 100 {
			t.Errorf("%d of 100 events were sent though progress cannot be written", n)
		}
		fail.Store(false)
		<-time.After(2 * time.Second)
		synctest.Wait()
		again := sentAfter(t, snapshot(t, path))
		var want []int
		for _, e := range rows(t, client) {
			if *e.RecipientID == 2 {
				want = append(want, e.ID)
			}
		}
		if diff := cmp.Diff(want, again); diff != "" {
			t.Errorf("after a crash (-want +sent):\n%s", diff)
		}
	})
}

func TestTheLastWriteFailsAndTheNextStartRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "test.db")
		client, sender := openAt(t, path, 1), &recorder{}
		var fail atomic.Bool
		fail.Store(true)
		countWrites(client, &fail)
		var logged strings.Builder
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
		stop := running(t, relay)
		ask(t, relay.log, "?", 2)
		synctest.Wait()
		stop()
		if !strings.Contains(logged.String(), "the last progress could not be written") {
			t.Errorf("the log: %s", logged.String())
		}
		if got := sentAfter(t, snapshot(t, path)); !slices.Equal(got, sender.ids()) {
			t.Errorf("%v were sent again", got)
		}
	})
}

func TestEventsThatCannotBeReadAreReadASecondLater(t *testing.T) {
	for _, from := range []string{"the log", "the recipient's events"} {
		t.Run(from, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, start := open(t, 1), time.Now()
				var fail atomic.Bool
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
				sender := &recorder{answer: each(func(*ent.Event) error {
					if from != "the log" && time.Since(start) < time.Millisecond {
						return errDown
					}
					return nil
				})}
				var relay sending
				if from == "the log" {
					ask(t, newLog(t, client), "?", 2)
				}
				relay = newRelay(t, client, outbox.RelayConfig{Sender: sender})
				if from != "the log" {
					running(t, relay)
					ask(t, relay.log, "?", 2)
					synctest.Wait()
				}
				fail.Store(true)
				if from == "the log" {
					running(t, relay)
				}
				<-time.After(3500 * time.Millisecond)
				synctest.Wait()
				if reads != 4 {
					t.Errorf("in 3.5 s there were %d tries to read", reads)
				}
				fail.Store(false)
				<-time.After(time.Second)
				synctest.Wait()
				if n := len(sender.ids()); n != 1 {
					t.Errorf("%d events were sent", n)
				}
			})
		})
	}
}

func TestARelayThatCannotReadWhereToBeginDoesNotRun(t *testing.T) {
	client := open(t, 1)
	system := auth.AsSystem(t.Context())
	client.Progress.Update().Where(entprogress.Reader(outbox.People)).SetSettled("9-7").ExecX(system)
	relay := newRelay(t, client, outbox.RelayConfig{Sender: &recorder{}})
	if err := relay.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "9-7") {
		t.Errorf("with ranges that are none: %v", err)
	}
	client.Progress.Update().Where(entprogress.Reader(outbox.People)).SetSettled("").ExecX(system)
	broken := errors.New("broken")
	fail := ent.InterceptFunc(func(ent.Querier) ent.Querier {
		return ent.QuerierFunc(func(context.Context, ent.Query) (ent.Value, error) { return nil, broken })
	})
	client.Parked.Intercept(fail)
	if err := newRelay(t, client, outbox.RelayConfig{Sender: &recorder{}}).Run(t.Context()); !errors.Is(err, broken) {
		t.Errorf("where it cannot be read who is parked: %v", err)
	}
	client.Progress.Intercept(fail)
	if err := newRelay(t, client, outbox.RelayConfig{Sender: &recorder{}}).Run(t.Context()); !errors.Is(err, broken) {
		t.Errorf("where progress cannot be read: %v", err)
	}
}

func TestARowOfNobodyIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, sender := open(t, 1), &recorder{}
		client.Parked.Create().SetReader(outbox.People).SetRecipient("nobody").SetFromSeq(1).SaveX(auth.AsSystem(t.Context()))
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender})
		stop := running(t, relay)
		ask(t, relay.log, "?", 2)
		synctest.Wait()
		stop()
		if len(sender.ids()) != 1 {
			t.Errorf("%v were sent", sender.ids())
		}
		if n := client.Parked.Query().Where(entparked.Recipient("nobody")).CountX(auth.AsSystem(t.Context())); n != 1 {
			t.Errorf("there are %d rows of nobody", n)
		}
	})
}

func TestEventsOfSomebodyWhoIsDeletedHoldUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := open(t, 2)
		sender := &recorder{answer: each(func(e *ent.Event) error {
			if *e.RecipientID == 2 {
				return waitError{time.Second}
			}
			return nil
		})}
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender})
		stop := running(t, relay)
		ask(t, relay.log, "one", 2, 3)
		synctest.Wait()
		ask(t, relay.log, "two", 2, 3)
		synctest.Wait()
		if err := relay.log.WithTx(auth.AsSystem(t.Context()), func(ctx context.Context, tx *ent.Client) error {
			_, err := tx.Event.Delete().Where(event.RecipientID(2)).Exec(ctx)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Second)
		synctest.Wait()
		if s := relay.Status(); s.Parked != 0 || s.Behind {
			t.Errorf("%+v", s)
		}
		ask(t, relay.log, "three", 3)
		synctest.Wait()
		stop()
		all := rows(t, client)
		row := client.Progress.Query().Where(entprogress.Reader(outbox.People)).OnlyX(auth.AsSystem(t.Context()))
		if row.DoneSeq != all[len(all)-1].ID || len(parked(t, relay.log, client)) != 0 {
			t.Errorf("at the end: %v, parked %v", row, parked(t, relay.log, client))
		}
	})
}

func TestWhatIsTakenWhileRunEndsIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "test.db")
		client := openAt(t, path, 7)
		sender := &recorder{max: 1, down: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		sender.answer = func(ctx context.Context, batch []*ent.Event) ([]error, error) {
			switch *batch[0].RecipientID {
			case 2:
				<-ctx.Done() // then take the event nevertheless
			case 3:
				<-ctx.Done()
				return nil, ctx.Err()
			default:
				return nil, errDown
			}
			return make([]error, 1), nil
		}
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender, BatchSize: 1, Drain: time.Second})
		stop := running(t, relay)
		ask(t, relay.log, "?", 2, 3, 4, 5, 6, 7, 8)
		synctest.Wait()
		if s, err := relay.State(t.Context()); err != nil || !s.Checking || s.Sending != 2 {
			t.Errorf("before the end: %+v, %v", s, err)
		}
		stop()
		all := idsOf(rows(t, client))
		if got := sentAfter(t, snapshot(t, path)); !sameElements(got, all[1:]) {
			t.Errorf("after a restart %v were sent, want %v", got, all[1:])
		}
	})
}

func TestProgressAndItsRowsAreWrittenTogether(t *testing.T) {
	for _, op := range []ent.Op{ent.OpCreate, ent.OpUpdate, ent.OpDelete} {
		t.Run(op.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "test.db")
				client := openAt(t, path, 4)
				var fail atomic.Bool
				fail.Store(true)
				failed := 0
				client.Parked.Use(func(next ent.Mutator) ent.Mutator {
					return ent.MutateFunc(func(ctx context.Context, m ent.Mutation) (ent.Value, error) {
						if m.Op().Is(op) && fail.Load() {
							failed++
							return nil, errDown
						}
						return next.Mutate(ctx, m)
					})
				})
				start := time.Now()
				sender := &recorder{answer: each(func(e *ent.Event) error {
					switch {
					case *e.RecipientID == 3:
						return &outbox.RefusedError{Reason: "never"}
					case *e.RecipientID == 2 && time.Since(start) < 2*time.Second:
						return errDown
					}
					return nil
				})}
				relay := newRelay(t, client, outbox.RelayConfig{Sender: sender})
				running(t, relay)
				ask(t, relay.log, "?", 2, 3, 4, 5)
				<-time.After(1900 * time.Millisecond)
				synctest.Wait()
				all := idsOf(rows(t, client))
				if got := sentAfter(t, snapshot(t, path)); !slices.Contains(got, all[0]) {
					t.Errorf("after a crash the one that waits is lost: %v were sent", got)
				}
				<-time.After(5 * time.Second)
				fail.Store(false)
				<-time.After(2 * time.Second)
				synctest.Wait()
				if got := sentAfter(t, snapshot(t, path)); len(got) != 0 || failed == 0 {
					t.Errorf("after %d failures and a crash %v were sent again", failed, got)
				}
				if diff := cmp.Diff([]string{"people 3 REFUSED 2"}, parked(t, relay.log, client)); diff != "" {
					t.Errorf("what is left (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestWhatCommitsBeforeTheEndIsSent commits after Run has read, and then ends it. Run reads once more, whichever of
// the two it sees first.
func TestWhatCommitsBeforeTheEndIsSent(t *testing.T) {
	client := open(t, 1)
	for i := range 25 {
		sender := &recorder{}
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender})
		stop := running(t, relay)
		release, err := relay.Hold(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ask(t, relay.log, fmt.Sprint(i), 2)
		time.AfterFunc(time.Millisecond, release)
		stop()
		if n := len(sender.ids()); n != 1 {
			t.Fatalf("%d of 1 events were sent", n)
		}
	}
}
