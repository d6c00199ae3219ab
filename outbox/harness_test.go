package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lorebridge/auth"
	"lorebridge/database"
	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/outbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// asker is the id of the requester in these tests. All other people are owners.
const asker = 1

// open returns a client of a new database with an asker and n others, whose ids are 2, 3, …
func open(t *testing.T, others int) *ent.Client {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "test.db"), others)
}

func openAt(t *testing.T, path string, others int) *ent.Client {
	t.Helper()
	client := reopen(t, path)
	fill(t, client, others)
	return client
}

// fill creates the asker and n others.
func fill(t *testing.T, client *ent.Client, others int) {
	t.Helper()
	for i := range others + 1 {
		_, err := client.User.Create().SetName(fmt.Sprintf("user %d", i+1)).SetEmail(fmt.Sprintf("%d@example.com", i+1)).
			SetPasswordHash("-").Save(auth.AsSystem(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
	}
}

// snapshot copies a database as a crash at this moment would leave it. Nobody may be writing.
func snapshot(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "crashed.db")
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to+suffix, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func reopen(t *testing.T, path string) *ent.Client {
	t.Helper()
	client, err := database.Open(t.Context(), database.Config{URL: "sqlite:" + path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

// sending is a relay with its log.
type sending struct {
	*outbox.Relay
	log *outbox.Log
}

// newRelay returns a relay on a log of its own. Without a jitter each pause is as long as it can be.
func newRelay(t *testing.T, client *ent.Client, c outbox.RelayConfig) sending {
	t.Helper()
	if c.Log == nil {
		c.Log = newLog(t, client)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Jitter == nil {
		c.Jitter = func() float64 { return 1 }
	}
	relay, err := outbox.NewRelay(c)
	if err != nil {
		t.Fatal(err)
	}
	return sending{relay, c.Log}
}

func newLog(t *testing.T, client *ent.Client) *outbox.Log {
	t.Helper()
	log, err := outbox.New(t.Context(), outbox.Config{Client: client, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// running runs a part. stop ends it and waits until it has ended.
func running(t *testing.T, part interface {
	Run(ctx context.Context) error
},
) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- part.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// ask commits one request to each owner, and so as many events, in one transaction.
func ask(t *testing.T, log *outbox.Log, question string, owners ...int) {
	t.Helper()
	if err := tryAsk(t.Context(), log, question, owners...); err != nil {
		t.Fatal(err)
	}
}

func tryAsk(ctx context.Context, log *outbox.Log, question string, owners ...int) error {
	return log.WithTx(auth.AsSystem(ctx), func(ctx context.Context, tx *ent.Client) error {
		for i, owner := range owners {
			one := tx.KnowledgeRequest.Create().SetRequesterID(asker).SetOwnerID(owner).
				SetQuestion(question + strings.Repeat("!", i))
			if err := one.Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// learn commits a new item, and so an event for nobody in particular.
func learn(ctx context.Context, log *outbox.Log, title string) error {
	return log.WithTx(auth.AsSystem(ctx), func(ctx context.Context, tx *ent.Client) error {
		return tx.Knowledge.Create().SetTitle(title).SetOwnerID(asker).Exec(ctx)
	})
}

// parked returns the rows of the parked recipients as text: reader, recipient, state and the position of the event in
// the table, from 1 on.
func parked(t *testing.T, log *outbox.Log, client *ent.Client) []string {
	t.Helper()
	all, err := log.ListParked(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ids := idsOf(rows(t, client))
	texts := make([]string, len(all))
	for i := range all {
		p := &all[i]
		texts[i] = fmt.Sprintf("%s %s %s %d", p.Reader, p.Recipient, p.State, slices.Index(ids, p.EventID)+1)
	}
	return texts
}

// rows returns all events in the order of their ids.
func rows(t *testing.T, client *ent.Client) []*ent.Event {
	t.Helper()
	all, err := client.Event.Query().Order(ent.Asc(event.FieldID)).All(auth.AsSystem(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// recorder is a Sender that records its calls, and checks what every Sender is promised.
type recorder struct {
	// answer decides about a batch; nil takes everything.
	answer func(ctx context.Context, batch []*ent.Event) ([]error, error)
	max    int
	down   func(ctx context.Context) error // the result of Check; nil if the receiver is up

	// mu guards the records.
	mu    sync.Mutex
	taken []int       // ids in the order in which they were taken
	at    []time.Time // the times at which they were taken
	tries map[int]int // id → sends
	busy  map[int]bool
	wrong []error
}

// Check returns the error of down.
func (s *recorder) Check(ctx context.Context) error {
	if s.down == nil {
		return nil
	}
	return s.down(ctx)
}

func (s *recorder) Send(ctx context.Context, batch []*ent.Event) ([]error, error) {
	s.begin(batch)
	verdicts, err := make([]error, len(batch)), error(nil)
	if s.answer != nil {
		verdicts, err = s.answer(ctx, batch)
	}
	s.end(batch, verdicts, err)
	return verdicts, err
}

func (s *recorder) begin(batch []*ent.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit := max(s.max, outbox.DefaultBatchSize); s.max == 0 && len(batch) > limit || s.max > 0 && len(batch) > s.max {
		s.wrong = append(s.wrong, fmt.Errorf("a batch of %d", len(batch)))
	}
	if s.busy == nil {
		s.busy, s.tries = make(map[int]bool), make(map[int]int)
	}
	for _, e := range batch {
		s.tries[e.ID]++
		if s.busy[*e.RecipientID] {
			s.wrong = append(s.wrong, fmt.Errorf("recipient %d twice at a time", *e.RecipientID))
		}
		s.busy[*e.RecipientID] = true
	}
}

func (s *recorder) end(batch []*ent.Event, verdicts []error, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, e := range batch {
		s.busy[*e.RecipientID] = false
		if err == nil && verdicts[i] == nil {
			s.taken, s.at = append(s.taken, e.ID), append(s.at, time.Now())
		}
	}
}

// ids returns the ids taken so far.
func (s *recorder) ids() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]int(nil), s.taken...)
}

func (s *recorder) check(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := errors.Join(s.wrong...); err != nil {
		t.Error(err)
	}
}

func idsOf(events []*ent.Event) []int {
	ids := make([]int, len(events))
	for i, e := range events {
		ids[i] = e.ID
	}
	return ids
}
