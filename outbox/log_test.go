package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/outbox"
)

// smallLog returns a log that keeps few events in memory.
func smallLog(t *testing.T, client *ent.Client, memory int) *outbox.Log {
	t.Helper()
	config := outbox.Config{Client: client, Logger: slog.New(slog.DiscardHandler), Memory: memory}
	log, err := outbox.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// next returns the ids that a reader gets at once.
func next(t *testing.T, r *outbox.Reader, limit int) []int {
	t.Helper()
	entries, err := r.Next(t.Context(), limit)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) > limit {
		t.Errorf("%d entries at once, %d were asked for", len(entries), limit)
	}
	ids := make([]int, len(entries))
	for i := range entries {
		ids[i] = entries[i].Event.ID
	}
	return ids
}

// drain returns the ids that a reader gets until there are no more.
func drain(t *testing.T, r *outbox.Reader, limit int) []int {
	t.Helper()
	var all []int
	for {
		page := next(t, r, limit)
		if len(page) == 0 {
			return all
		}
		all = append(all, page...)
	}
}

// countReads counts how often the table of events is read.
func countReads(client *ent.Client) *atomic.Int64 {
	var reads atomic.Int64
	client.Event.Intercept(ent.InterceptFunc(func(next ent.Querier) ent.Querier {
		return ent.QuerierFunc(func(ctx context.Context, q ent.Query) (ent.Value, error) {
			reads.Add(1)
			return next.Query(ctx, q)
		})
	}))
	return &reads
}

func isReady(r *outbox.Reader) bool {
	select {
	case <-r.Ready():
		return true
	default:
		return false
	}
}

// askThen commits a request, and calls f between COMMIT and the rest of WithTx.
func askThen(t *testing.T, log *outbox.Log, question string, f func() error) error {
	t.Helper()
	return log.WithTx(auth.AsSystem(t.Context()), func(ctx context.Context, tx *ent.Client) error {
		afterCommit(t, tx, f)
		return tx.KnowledgeRequest.Create().SetRequesterID(asker).SetOwnerID(2).SetQuestion(question).Exec(ctx)
	})
}

// failToCommit makes a transaction fail at its COMMIT.
func failToCommit(t *testing.T, log *outbox.Log, question string, owners ...int) {
	t.Helper()
	full := errors.New("the disk is full")
	err := log.WithTx(auth.AsSystem(t.Context()), func(ctx context.Context, tx *ent.Client) error {
		inner, err := tx.KnowledgeRequest.Create().Mutation().Tx()
		if err != nil {
			return err
		}
		inner.OnCommit(func(ent.Committer) ent.Committer {
			return ent.CommitFunc(func(_ context.Context, tx *ent.Tx) error { return errors.Join(full, tx.Rollback()) })
		})
		for i, owner := range owners {
			one := tx.KnowledgeRequest.Create().SetRequesterID(asker).SetOwnerID(owner).SetQuestion(fmt.Sprint(question, i))
			if err := one.Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if !errors.Is(err, full) {
		t.Fatalf("the commit's error came back as %v", err)
	}
}

func TestTransactionsThatCommitTogetherAreReadInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := open(t, 1)
		log := newLog(t, client)
		reader := log.Read(outbox.Cursor{})
		defer reader.Close()
		if got := drain(t, reader, 10); len(got) != 0 {
			t.Fatalf("a new log has %v", got)
		}
		const n = 4
		var returned [n]chan error
		var release [n]chan struct{}
		begun := make(chan struct{})
		for i := range n {
			returned[i], release[i] = make(chan error, 1), make(chan struct{})
			go func() {
				returned[i] <- log.WithTx(auth.AsSystem(t.Context()), func(ctx context.Context, tx *ent.Client) error {
					afterCommit(t, tx, func() error {
						<-release[i]
						return nil
					})
					if i == 0 {
						<-begun // the others wait for their turn, so they join its group
					}
					return tx.KnowledgeRequest.Create().SetRequesterID(asker).SetOwnerID(2).SetQuestion(fmt.Sprint(i)).Exec(ctx)
				})
			}()
			synctest.Wait()
		}
		close(begun)
		synctest.Wait() // all have committed, but the log does not know it yet
		all := idsOf(rows(t, client))
		if len(all) != n {
			t.Fatalf("%d of %d have committed", len(all), n)
		}
		var got [][]int
		for _, i := range []int{2, 1, 3, 0} {
			close(release[i])
			synctest.Wait()
			if !isReady(reader) {
				t.Errorf("after commit %d the reader is not notified", i)
			}
			got = append(got, next(t, reader, 10))
			if err := <-returned[i]; err != nil {
				t.Error(err)
			}
		}
		if diff := cmp.Diff([][]int{{}, {}, {}, all}, got); diff != "" {
			t.Errorf("what the reader got after each commit (-want +got):\n%s", diff)
		}
	})
}

func TestOneThatCommitsLaterHoldsBackOnlyWhatComesBehindIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := open(t, 2)
		log := newLog(t, client)
		reader := log.Read(outbox.Cursor{})
		defer reader.Close()
		drain(t, reader, 10)
		ask(t, log, "one", 2, 3)
		ask(t, log, "two", 2, 3)
		release, returned := make(chan struct{}), make(chan error, 1)
		go func() {
			returned <- askThen(t, log, "?", func() error {
				<-release
				return nil
			})
		}()
		synctest.Wait()
		ask(t, log, "behind it", 3)
		all := idsOf(rows(t, client))
		if diff := cmp.Diff(all[:4], drain(t, reader, 10)); diff != "" {
			t.Errorf("while one commits (-want +got):\n%s", diff)
		}
		close(release)
		synctest.Wait()
		if err := <-returned; err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(all[4:], drain(t, reader, 10)); diff != "" {
			t.Errorf("afterwards (-want +got):\n%s", diff)
		}
	})
}

func TestAReaderThatKeepsUpReadsMemoryAndASlowOneTheTable(t *testing.T) {
	client := open(t, 3)
	log := smallLog(t, client, 8)
	fast, slow := log.Read(outbox.Cursor{}), log.Read(outbox.Cursor{})
	defer fast.Close()
	defer slow.Close()
	drain(t, fast, 10)
	drain(t, slow, 10)
	reads := countReads(client)
	var got []int
	for i := range 20 {
		ask(t, log, fmt.Sprint(i), 2, 3, 4)
		if !isReady(fast) {
			t.Error("the reader is not notified")
		}
		got = append(got, drain(t, fast, 2)...)
		if n := log.InMemory(); n > 8 {
			t.Fatalf("%d events are in memory, 8 are allowed", n)
		}
	}
	if n := log.InMemory(); n != 0 {
		t.Errorf("%d events are in memory, and nobody reads them there", n)
	}
	if n := reads.Load(); n != 0 {
		t.Errorf("a reader that keeps up read the table %d times", n)
	}
	all := idsOf(rows(t, client))
	if diff := cmp.Diff(all, got); diff != "" {
		t.Errorf("the rows, and what the fast one got (-rows +got):\n%s", diff)
	}
	reads.Store(0)
	isReady(slow) // from earlier events
	first := next(t, slow, 100)
	if len(first) != 8 || reads.Load() != 1 || !isReady(slow) {
		t.Errorf("a page of %d events by %d reads", len(first), reads.Load())
	}
	if at := slow.At(); at.Seq() != first[7] {
		t.Errorf("after event %d it is at %d", first[7], at.Seq())
	}
	if diff := cmp.Diff(all, append(first, drain(t, slow, 100)...)); diff != "" {
		t.Errorf("the rows, and what the slow one got (-rows +got):\n%s", diff)
	}
	reads.Store(0)
	ask(t, log, "now it keeps up", 2, 3)
	isReady(slow)
	if got := next(t, slow, 1); len(got) != 1 || !isReady(slow) {
		t.Errorf("it got %v of memory, and there is one more", got)
	}
	if got := next(t, slow, 100); len(got) != 1 || reads.Load() != 0 || isReady(slow) {
		t.Errorf("it got %v by %d reads", got, reads.Load())
	}
}

func TestReadersOfDifferentSpeedMissNothing(t *testing.T) {
	for _, memory := range []int{1, 3, 8, 0} {
		t.Run(fmt.Sprint("memory ", memory), func(t *testing.T) {
			client := open(t, 3)
			log := smallLog(t, client, memory)
			speeds := []int{1, 2, 5, 100}
			readers, got := make([]*outbox.Reader, len(speeds)), make([][]int, len(speeds))
			for i := range readers {
				readers[i] = log.Read(outbox.Cursor{})
				t.Cleanup(readers[i].Close)
			}
			for i := range 30 {
				ask(t, log, fmt.Sprint(i), []int{2, 3, 4}[:1+i%3]...)
				for j, r := range readers {
					got[j] = append(got[j], next(t, r, speeds[j])...)
				}
			}
			all := idsOf(rows(t, client))
			for j, r := range readers {
				if diff := cmp.Diff(all, append(got[j], drain(t, r, 7)...)); diff != "" {
					t.Errorf("%d at once: the rows and what it got (-rows +got):\n%s", speeds[j], diff)
				}
				if n := isReady(r); n && len(next(t, r, 1)) > 0 {
					t.Error("it got something more")
				}
			}
			if n := log.InMemory(); n > 0 {
				t.Errorf("all have read everything, and %d events are in memory", n)
			}
		})
	}
}

func TestAReaderThatNeverReturnsCostsNoMoreThanTheBound(t *testing.T) {
	client := open(t, 2)
	log := smallLog(t, client, 8)
	stuck, other := log.Read(outbox.Cursor{}), log.Read(outbox.Cursor{})
	defer other.Close()
	drain(t, stuck, 10)
	drain(t, other, 10)
	reads := countReads(client)
	for i := range 20 {
		ask(t, log, fmt.Sprint(i), 2, 3)
		if got := drain(t, other, 10); len(got) != 2 {
			t.Fatalf("the other one got %d of 2 events", len(got))
		}
	}
	if n := log.InMemory(); n > 8 || reads.Load() != 0 {
		t.Errorf("%d events are in memory, and the table was read %d times", n, reads.Load())
	}
	stuck.Close()
	ask(t, log, "one more", 2)
	drain(t, other, 10)
	if n := log.InMemory(); n > 0 {
		t.Errorf("it is closed, and %d events are in memory", n)
	}
}

func TestACloseFreesTheEventsThatOnlyThatReaderNeeded(t *testing.T) {
	client := open(t, 2)
	log := newLog(t, client)
	slow, fast := log.Read(outbox.Cursor{}), log.Read(outbox.Cursor{})
	defer fast.Close()
	drain(t, slow, 10)
	drain(t, fast, 10)
	ask(t, log, "?", 2, 3)
	drain(t, fast, 10)
	if n := log.InMemory(); n != 2 {
		t.Errorf("%d events are in memory, one reader needs 2", n)
	}
	slow.Close()
	if n := log.InMemory(); n != 0 {
		t.Errorf("%d events are in memory, nobody needs any", n)
	}
}

// A rollback frees its ids, and SQLite gives them again. This also happens if COMMIT fails.
func TestAnIDThatIsGivenAgainIsNotMissed(t *testing.T) {
	client := open(t, 3)
	log := newLog(t, client)
	var readers []*outbox.Reader
	var got [3][]int
	for range got {
		r := log.Read(outbox.Cursor{})
		t.Cleanup(r.Close)
		readers = append(readers, r)
	}
	read := func(step int) { // the first reader reads at each step, the second sometimes, the third at the end
		for i, r := range readers {
			if i == 0 || i == 1 && step%2 == 1 || step == 9 {
				got[i] = append(got[i], drain(t, r, 10)...)
			}
		}
	}
	read(0)
	ask(t, log, "one", 2)
	read(1)
	failToCommit(t, log, "lost", 2, 3, 4)
	read(2)
	if isReady(readers[0]) && len(next(t, readers[0], 10)) == 0 && isReady(readers[0]) {
		t.Error("a reader is notified again and again though there is nothing")
	}
	ask(t, log, "two", 3)
	read(3)
	if n := log.InMemory(); n != 0 {
		t.Errorf("%d events are in memory, which everybody reads from the table", n)
	}
	failToCommit(t, log, "lost", 2)
	ask(t, log, "three", 2, 3)
	read(4)
	if err := log.WithTx(auth.AsSystem(t.Context()), func(ctx context.Context, tx *ent.Client) error {
		change := outbox.Change{Kind: event.KindKnowledgeRequest, RecipientID: 2}
		return errors.Join(errors.New("no"), outbox.Append(ctx, change))
	}); err == nil {
		t.Fatal("it did not fail")
	}
	ask(t, log, "four", 4)
	read(5)
	read(9)
	all := idsOf(rows(t, client))
	if len(all) != 5 {
		t.Errorf("%d of 5 events are in the table", len(all))
	}
	for i := range got {
		if diff := cmp.Diff(all, got[i]); diff != "" {
			t.Errorf("reader %d: the rows and what it got (-rows +got):\n%s", i, diff)
		}
	}
	reads := countReads(client)
	ask(t, log, "five", 2)
	for i, r := range readers {
		if n := len(drain(t, r, 10)); n != 1 || reads.Load() != 0 {
			t.Errorf("reader %d got %d events, and the table was read %d times", i, n, reads.Load())
		}
	}
}

func TestACommitThatFailsAndTookPlaceIsReadInItsPlace(t *testing.T) {
	client := open(t, 1)
	log := newLog(t, client)
	reader := log.Read(outbox.Cursor{})
	defer reader.Close()
	drain(t, reader, 10)
	ask(t, log, "one", 2)
	lost := errors.New("the connection is lost")
	if err := askThen(t, log, "?", func() error { return lost }); !errors.Is(err, lost) {
		t.Fatalf("the commit's error came back as %v", err)
	}
	ask(t, log, "three", 2)
	if diff := cmp.Diff(idsOf(rows(t, client)), drain(t, reader, 10)); diff != "" {
		t.Errorf("the rows and what the reader got (-rows +got):\n%s", diff)
	}
}

func TestAReaderBeginsWhereItIsAsked(t *testing.T) {
	client := open(t, 2)
	first := newLog(t, client)
	empty, err := first.Newest(t.Context())
	if err != nil || empty != (outbox.Cursor{}) {
		t.Errorf("the newest event of an empty log: %v, %v", empty, err)
	}
	ask(t, first, "one", 2, 3)
	ask(t, first, "two", 2, 3)
	all := rows(t, client)
	log := newLog(t, client) // after a restart
	newest, err := log.Newest(t.Context())
	if err != nil || newest != outbox.At(all[3]) {
		t.Errorf("the newest event: %v, %v", newest, err)
	}
	for from, want := range map[outbox.Cursor][]int{
		{}: idsOf(all), outbox.At(all[1]): idsOf(all[2:]), newest: nil, outbox.CursorOf(1 << 60): nil,
	} {
		reader := log.Read(from)
		if !isReady(reader) {
			t.Error("a new reader is not ready")
		}
		if got := drain(t, reader, 3); !slices.Equal(got, want) {
			t.Errorf("from %d on: %v, want %v", from.Seq(), got, want)
		}
		reader.Close()
	}
}

func TestAnEntryFromMemoryKnowsWhenItsRequestIsAnswered(t *testing.T) {
	client := open(t, 1)
	log := newLog(t, client)
	reader := log.Read(outbox.Cursor{})
	defer reader.Close()
	drain(t, reader, 1)
	request, answer := context.WithCancel(t.Context())
	if err := tryAsk(request, log, "?", 2); err != nil {
		t.Fatal(err)
	}
	entries, err := reader.Next(t.Context(), 10)
	if err != nil || len(entries) != 1 || entries[0].Answered == nil {
		t.Fatalf("%v, %v", entries, err)
	}
	select {
	case <-entries[0].Answered:
		t.Error("it counts as answered before it was")
	default:
	}
	answer()
	<-entries[0].Answered
	late := log.Read(outbox.Cursor{})
	defer late.Close()
	if entries, err = late.Next(t.Context(), 10); err != nil || len(entries) != 1 || entries[0].Answered != nil {
		t.Errorf("from the table: %v, %v", entries, err)
	}
}

func TestAReaderThatFailsStaysWhereItIs(t *testing.T) {
	client := open(t, 1)
	ask(t, newLog(t, client), "?", 2)
	log := newLog(t, client) // after a restart the event is only in the table
	var fail atomic.Bool
	fail.Store(true)
	broken := errors.New("broken")
	client.Event.Intercept(ent.InterceptFunc(func(next ent.Querier) ent.Querier {
		return ent.QuerierFunc(func(ctx context.Context, q ent.Query) (ent.Value, error) {
			if fail.Load() {
				return nil, broken
			}
			return next.Query(ctx, q)
		})
	}))
	reader := log.Read(outbox.Cursor{})
	defer reader.Close()
	if !isReady(reader) {
		t.Error("a new reader is not ready")
	}
	if _, err := reader.Next(t.Context(), 1); !errors.Is(err, broken) || reader.At() != (outbox.Cursor{}) {
		t.Errorf("%v, at %v", err, reader.At())
	}
	reader.Again()
	if !isReady(reader) {
		t.Error("Again does not make it ready")
	}
	for name, read := range map[string]func() error{
		"Newest": func() error { _, err := log.Newest(t.Context()); return err },
		"After": func() error {
			_, err := log.After(t.Context(), outbox.RequestsTo(2), outbox.Cursor{}, 1)
			return err
		},
		"Last": func() error { _, err := log.Last(t.Context(), outbox.RequestsTo(2)); return err },
		"New": func() error {
			_, err := outbox.New(t.Context(), outbox.Config{Client: client, Logger: slog.New(slog.DiscardHandler)})
			return err
		},
	} {
		if err := read(); !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	fail.Store(false)
	if got := drain(t, reader, 1); len(got) != 1 {
		t.Errorf("afterwards it got %v", got)
	}
}

func TestTheEventsOfATopicAreFound(t *testing.T) {
	client := open(t, 2)
	log := newLog(t, client)
	for i := range 3 {
		ask(t, log, fmt.Sprint(i), 2, 3)
	}
	all := rows(t, client)
	mine := []*ent.Event{all[0], all[2], all[4]}
	topic := outbox.RequestsTo(2)
	for _, test := range []struct {
		from  outbox.Cursor
		limit int
		want  []*ent.Event
	}{
		{outbox.Cursor{}, 9, mine},
		{outbox.Cursor{}, 2, mine[:2]},
		{outbox.At(all[0]), 9, mine[1:]},
		{outbox.At(all[5]), 9, nil},
	} {
		got, err := log.After(t.Context(), topic, test.from, test.limit)
		if err != nil || !slices.Equal(idsOf(got), idsOf(test.want)) {
			t.Errorf("after %d, at most %d: %v, %v", test.from.Seq(), test.limit, idsOf(got), err)
		}
	}
	if last, err := log.Last(t.Context(), topic); err != nil || last.ID != all[4].ID {
		t.Errorf("the last one: %v, %v", last, err)
	}
	if last, err := log.Last(t.Context(), outbox.AnswersTo(2)); err != nil || last != nil {
		t.Errorf("the last one of a topic without events: %v, %v", last, err)
	}
	if got, err := log.Get(t.Context(), topic, outbox.At(all[2])); err != nil || got == nil || got.ID != all[2].ID {
		t.Errorf("one on the topic: %v, %v", got, err)
	}
	if got, err := log.Get(t.Context(), topic, outbox.At(all[3])); err != nil || got != nil {
		t.Errorf("one on another topic: %v, %v", got, err)
	}
}

func TestALogNeedsItsConfig(t *testing.T) {
	client, logger := open(t, 1), slog.New(slog.DiscardHandler)
	for name, c := range map[string]outbox.Config{
		"no client": {Logger: logger}, "no logger": {Client: client},
		"negative": {Client: client, Logger: logger, Memory: -1},
	} {
		if _, err := outbox.New(t.Context(), c); err == nil {
			t.Errorf("%s: there is a log", name)
		}
	}
	log := newLog(t, client)
	sender := &recorder{}
	for name, c := range map[string]outbox.RelayConfig{
		"no log":    {Sender: sender, Logger: logger},
		"no sender": {Log: log, Logger: logger},
		"no logger": {Log: log, Sender: sender},
		"queue":     {Log: log, Sender: sender, Logger: logger, QueueSize: -1},
		"batch":     {Log: log, Sender: sender, Logger: logger, BatchSize: -1},
		"in flight": {Log: log, Sender: sender, Logger: logger, InFlight: -1},
		"drain":     {Log: log, Sender: sender, Logger: logger, Drain: -1},
	} {
		if _, err := outbox.NewRelay(c); err == nil {
			t.Errorf("%s: there is a relay", name)
		}
	}
}
