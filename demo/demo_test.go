package demo_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"lorebridge/auth"
	"lorebridge/database"
	"lorebridge/demo"
	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/knowledgerequest"
	"lorebridge/outbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// harness holds an empty database and what writes to it.
type harness struct {
	t      *testing.T
	client *ent.Client
	events *outbox.Log
}

func build(t *testing.T) *harness {
	t.Helper()
	client, err := database.Open(t.Context(), database.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "lorebridge.db")})
	must(t, err)
	t.Cleanup(func() { must(t, client.Close()) })
	events, err := outbox.New(t.Context(), outbox.Config{Client: client, Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	return &harness{t: t, client: client, events: events}
}

func (h *harness) system() context.Context { return auth.AsSystem(h.t.Context()) }

// rows returns the number of rows of each entity.
func (h *harness) rows() map[string]int {
	h.t.Helper()
	rows := make(map[string]int)
	for name, count := range map[string]func(context.Context) (int, error){
		"users":       h.client.User.Query().Count,
		"sessions":    h.client.Session.Query().Count,
		"items":       h.client.Knowledge.Query().Count,
		"texts":       h.client.KnowledgeContent.Query().Count,
		"requests":    h.client.KnowledgeRequest.Query().Count,
		"shares":      h.client.KnowledgeShare.Query().Count,
		"events":      h.client.Event.Query().Count,
		"subscribers": h.client.StoredSubscription.Query().Count,
	} {
		n, err := count(h.system())
		must(h.t, err)
		if n > 0 {
			rows[name] = n
		}
	}
	return rows
}

func TestAnEmptyDatabaseIsFilledAndEverybodyPrintedCanSignIn(t *testing.T) {
	t.Parallel()
	h := build(t)
	people, err := demo.Fill(t.Context(), h.client, h.events.WithTx)
	must(t, err)
	want := map[string]int{"users": 3, "items": 6, "texts": 6, "requests": 4, "shares": 1, "events": 6 + 4 + 2}
	if diff := cmp.Diff(want, h.rows()); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}

	accounts, err := auth.NewAccounts(auth.Config{SignInsPerAddress: 100, SignInsPerAccount: 100, SignUpsPerAddress: 1}, auth.Deps{Client: h.client, Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	lines := strings.Split(strings.TrimSuffix(people.String(), "\n"), "\n")
	if len(lines) != 3 {
		t.Fatalf("printed are\n%s", people)
	}
	for i, line := range lines {
		words := strings.Fields(line)
		n := len(words)
		s, err := accounts.SignIn(t.Context(), h.events.WithTx, words[n-2], words[n-1])
		if err != nil || s.User.ID != i+1 || s.User.Name != strings.Join(words[:n-2], " ") {
			t.Errorf("with %q: %+v, %v", line, s.User, err)
		}
	}
}

func TestEverybodyFindsSomethingThatHappened(t *testing.T) {
	t.Parallel()
	h := build(t)
	people, err := demo.Fill(t.Context(), h.client, h.events.WithTx)
	must(t, err)
	pending := 0
	for i, person := range people {
		viewer := auth.NewContext(t.Context(), auth.Viewer{UserID: i + 1})
		news, err := h.client.Event.Query().Where(event.RecipientID(i+1), event.ReadAtIsNil()).Count(viewer)
		if err != nil || news == 0 {
			t.Errorf("%s has %d unread notifications, %v", person.Name, news, err)
		}
		inbox, err := h.client.KnowledgeRequest.Query().
			Where(knowledgerequest.OwnerID(i+1), knowledgerequest.StatusEQ(knowledgerequest.StatusPending)).Count(viewer)
		must(t, err)
		pending += inbox
	}
	if pending < 2 {
		t.Errorf("%d requests wait for an answer", pending)
	}
	for _, status := range []knowledgerequest.Status{knowledgerequest.StatusApproved, knowledgerequest.StatusDenied} {
		request, err := h.client.KnowledgeRequest.Query().Where(knowledgerequest.StatusEQ(status)).First(h.system())
		if err != nil || request.ResponseContent == nil || request.RespondedAt == nil {
			t.Errorf("%s: %v, %v", status, request, err)
		}
	}
	texts, err := h.client.KnowledgeContent.Query().All(h.system())
	must(t, err)
	for _, content := range texts {
		if text := content.Text; text == "" || text != strings.TrimSpace(text) || strings.Contains(text, "\t") {
			t.Errorf("a text is not as it should be shown: %q", text)
		}
	}
}

func TestADatabaseThatIsNotEmptyIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	h := build(t)
	accounts, err := auth.NewAccounts(auth.Config{SignInsPerAddress: 1, SignInsPerAccount: 1, SignUpsPerAddress: 1}, auth.Deps{Client: h.client, Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	_, err = accounts.SignUp(t.Context(), h.events.WithTx,
		auth.NewAccount{Name: "Ada", Email: "somebody@example.com", Password: "correct horse"})
	must(t, err)
	before := h.rows()
	for range 2 {
		if people, err := demo.Fill(t.Context(), h.client, h.events.WithTx); !errors.Is(err, demo.ErrNotEmpty) || people != nil {
			t.Errorf("it is filled: %v, %v", people, err)
		}
	}
	if diff := cmp.Diff(before, h.rows()); diff != "" {
		t.Error(diff)
	}
}

func TestItIsNotFilledTwice(t *testing.T) {
	t.Parallel()
	h := build(t)
	_, err := demo.Fill(t.Context(), h.client, h.events.WithTx)
	must(t, err)
	before := h.rows()
	if _, err := demo.Fill(t.Context(), h.client, h.events.WithTx); !errors.Is(err, demo.ErrNotEmpty) {
		t.Errorf("the second time: %v", err)
	}
	if diff := cmp.Diff(before, h.rows()); diff != "" {
		t.Error(diff)
	}
}

func TestWhereverItFailsNothingIsLeftAndTheNextTimeWorks(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is full")
	// failing makes the write with the number at fail, and returns how many writes there were.
	failing := func(h *harness, at int) (writes int, err error) {
		_, err = demo.Fill(t.Context(), h.client, func(ctx context.Context, fn func(context.Context, *ent.Client) error) error {
			return h.events.WithTx(ctx, func(ctx context.Context, tx *ent.Client) error {
				tx.Use(func(next ent.Mutator) ent.Mutator {
					return ent.MutateFunc(func(ctx context.Context, m ent.Mutation) (ent.Value, error) {
						writes++
						if writes == at {
							return nil, broken
						}
						return next.Mutate(ctx, m)
					})
				})
				return fn(ctx, tx)
			})
		})
		return writes, err
	}
	all, err := failing(build(t), 0)
	must(t, err)
	if all < 3+6+4 {
		t.Fatalf("%d statements is not what it takes", all)
	}
	h := build(t)
	for _, at := range []int{1, all / 2, all} {
		if _, err := failing(h, at); !errors.Is(err, broken) {
			t.Errorf("at statement %d: %v", at, err)
		}
		if rows := h.rows(); len(rows) > 0 {
			t.Errorf("at statement %d there are left %v", at, rows)
		}
	}
	if _, err := failing(h, 0); err != nil || h.rows()["users"] != 3 {
		t.Errorf("in the end there are %v, %v", h.rows(), err)
	}
}

func TestWhoGivesUpLeavesNothing(t *testing.T) {
	t.Parallel()
	h := build(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := demo.Fill(ctx, h.client, h.events.WithTx); !errors.Is(err, context.Canceled) {
		t.Errorf("it goes on: %v", err)
	}
	if rows := h.rows(); len(rows) > 0 {
		t.Errorf("there are left %v", rows)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
