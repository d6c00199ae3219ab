package schema_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lorebridge/auth"
	"lorebridge/database"
	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/knowledgerequest"
	"lorebridge/outbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scene holds an owner with two items, a requester who has asked for one of them, a person with whom the other is
// shared, and a stranger.
type scene struct {
	t                          *testing.T
	client                     *ent.Client
	log                        *outbox.Log
	owner, requester, stranger *ent.User
	item, shared               *ent.Knowledge
	pending, approved          *ent.KnowledgeRequest
}

func set(t *testing.T) *scene {
	t.Helper()
	client, err := database.Open(t.Context(), database.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "lorebridge.db")})
	must(t, err)
	t.Cleanup(func() { must(t, client.Close()) })
	events, err := outbox.New(t.Context(), outbox.Config{Client: client, Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	s := &scene{t: t, client: client, log: events}
	for i, p := range []**ent.User{&s.owner, &s.requester, &s.stranger} {
		name := []string{"Owner", "Requester", "Stranger"}[i]
		*p, err = client.User.Create().SetName(name).SetEmail(name + "@example.com").SetPasswordHash("none").Save(s.system())
		must(t, err)
		must(t, client.Session.Create().SetUserID((*p).ID).SetTokenHash([]byte(name)).SetExpiresAt(time.Now().UTC().Add(time.Hour)).Exec(s.system()))
	}
	keep := func(title string) (item *ent.Knowledge) {
		s.must(s.owner, func(ctx context.Context, tx *ent.Client) (err error) {
			if item, err = tx.Knowledge.Create().SetOwnerID(s.owner.ID).SetTitle(title).Save(ctx); err != nil {
				return err
			}
			return tx.KnowledgeContent.Create().SetKnowledgeID(item.ID).SetText("the text of " + title).Exec(ctx)
		})
		return item.Unwrap()
	}
	ask := func(item *ent.Knowledge) (request *ent.KnowledgeRequest) {
		s.must(s.requester, func(ctx context.Context, tx *ent.Client) (err error) {
			request, err = tx.KnowledgeRequest.Create().SetRequesterID(s.requester.ID).SetKnowledgeID(item.ID).SetQuestion("May I?").Save(ctx)
			return err
		})
		return request.Unwrap()
	}
	s.item, s.shared = keep("Roots"), keep("Shoots")
	s.pending, s.approved = ask(s.item), ask(s.shared)
	s.must(s.owner, func(ctx context.Context, tx *ent.Client) error {
		return tx.KnowledgeRequest.UpdateOneID(s.approved.ID).SetStatus(knowledgerequest.StatusApproved).Exec(ctx)
	})
	return s
}

// as returns a context with u as the viewer; without a viewer if u is nil.
func (s *scene) as(u *ent.User) context.Context {
	if u == nil {
		return s.t.Context()
	}
	return auth.NewContext(s.t.Context(), auth.Viewer{UserID: u.ID})
}

func (s *scene) system() context.Context { return auth.AsSystem(s.t.Context()) }

// try runs fn in a transaction with u as the viewer.
func (s *scene) try(u *ent.User, fn func(ctx context.Context, tx *ent.Client) error) error {
	s.t.Helper()
	return s.log.WithTx(s.as(u), fn)
}

func (s *scene) must(u *ent.User, fn func(ctx context.Context, tx *ent.Client) error) {
	s.t.Helper()
	must(s.t, s.try(u, fn))
}

// events returns the ids of the requests of all events of a kind, in the order of the events.
func (s *scene) events(kind event.Kind) []int {
	s.t.Helper()
	rows, err := s.client.Event.Query().Where(event.KindEQ(kind)).Order(ent.Asc(event.FieldID)).All(s.system())
	must(s.t, err)
	var requests []int
	for _, row := range rows {
		requests = append(requests, *row.RequestID)
	}
	return requests
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
