package schema_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/knowledge"
	"lorebridge/ent/knowledgecontent"
	"lorebridge/ent/knowledgerequest"
	"lorebridge/ent/session"
	"lorebridge/rule"
)

// Each of the four finds only their own rows in each table, however a query reaches the rows.
func TestEachPersonReadsWhatIsTheirs(t *testing.T) {
	t.Parallel()
	s := set(t)
	type counts map[string]int
	reads := map[string]func(ctx context.Context) (int, error){
		"users":    func(ctx context.Context) (int, error) { return s.client.User.Query().Count(ctx) },
		"sessions": func(ctx context.Context) (int, error) { return s.client.Session.Query().Count(ctx) },
		"items":    func(ctx context.Context) (int, error) { return s.client.Knowledge.Query().Count(ctx) },
		"texts":    func(ctx context.Context) (int, error) { return s.client.KnowledgeContent.Query().Count(ctx) },
		"requests": func(ctx context.Context) (int, error) { return s.client.KnowledgeRequest.Query().Count(ctx) },
		"shares":   func(ctx context.Context) (int, error) { return s.client.KnowledgeShare.Query().Count(ctx) },
		"events":   func(ctx context.Context) (int, error) { return s.client.Event.Query().Count(ctx) },
		"texts by their items": func(ctx context.Context) (int, error) {
			return s.client.Knowledge.Query().QueryContent().Count(ctx)
		},
		"texts loaded with their items": func(ctx context.Context) (n int, err error) {
			items, err := s.client.Knowledge.Query().WithContent().All(ctx)
			for _, item := range items {
				if item.Edges.Content != nil {
					n++
				}
			}
			return n, err
		},
		"shares by their items": func(ctx context.Context) (int, error) {
			return s.client.Knowledge.Query().QueryShares().Count(ctx)
		},
		"requests by their events": func(ctx context.Context) (int, error) {
			return s.client.Event.Query().QueryRequest().Count(ctx)
		},
		"recipients of events": func(ctx context.Context) (int, error) {
			return s.client.Event.Query().QueryRecipient().Count(ctx)
		},
		"ids of requests": func(ctx context.Context) (int, error) {
			ids, err := s.client.KnowledgeRequest.Query().IDs(ctx)
			return len(ids), err
		},
		"questions": func(ctx context.Context) (int, error) {
			found, err := s.client.KnowledgeRequest.Query().Select(knowledgerequest.FieldQuestion).Strings(ctx)
			return len(found), err
		},
		"texts, grouped": func(ctx context.Context) (int, error) {
			found, err := s.client.KnowledgeContent.Query().GroupBy(knowledgecontent.FieldText).Strings(ctx)
			return len(found), err
		},
	}
	for name, want := range map[*ent.User]counts{
		s.owner: {
			"users": 3, "sessions": 1, "items": 2, "texts": 2, "requests": 2, "shares": 1, "events": 2, "texts by their items": 2,
			"texts loaded with their items": 2, "shares by their items": 1, "requests by their events": 2, "recipients of events": 1,
			"ids of requests": 2, "questions": 2, "texts, grouped": 2,
		},
		s.requester: {
			"users": 3, "sessions": 1, "items": 2, "texts": 1, "requests": 2, "shares": 1, "events": 1, "texts by their items": 1,
			"texts loaded with their items": 1, "shares by their items": 1, "requests by their events": 1, "recipients of events": 1,
			"ids of requests": 2, "questions": 2, "texts, grouped": 1,
		},
		s.stranger: {
			"users": 3, "sessions": 1, "items": 2, "texts": 0, "requests": 0, "shares": 0, "events": 0, "texts by their items": 0,
			"texts loaded with their items": 0, "shares by their items": 0, "requests by their events": 0, "recipients of events": 0,
			"ids of requests": 0, "questions": 0, "texts, grouped": 0,
		},
	} {
		got := make(counts)
		for what, read := range reads {
			n, err := read(s.as(name))
			if err != nil {
				t.Errorf("%s reads %s: %v", name.Name, what, err)
			}
			got[what] = n
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s reads (-want +got):\n%s", name.Name, diff)
		}
	}
	for what, read := range reads {
		if n, err := read(s.as(nil)); !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("nobody reads %s: %d, %v", what, n, err)
		}
	}
}

// write is something that a new resolver might do inside a transaction.
type write struct {
	name string
	who  *ent.User
	do   func(ctx context.Context, tx *ent.Client) error
	want error
}

func TestNobodyWritesWhatIsNotTheirs(t *testing.T) {
	t.Parallel()
	s := set(t)
	later := time.Now().UTC().Add(time.Hour)
	mine, err := s.client.Event.Query().Where(event.RecipientID(s.owner.ID)).Order(ent.Asc(event.FieldID)).FirstID(s.system())
	must(t, err)
	ownSession, err := s.client.Session.Query().Where(session.UserID(s.owner.ID)).OnlyID(s.system())
	must(t, err)
	share, err := s.client.KnowledgeShare.Query().OnlyID(s.system())
	must(t, err)
	text, err := s.client.KnowledgeContent.Query().Where(knowledgecontent.KnowledgeID(s.item.ID)).OnlyID(s.system())
	must(t, err)
	for _, w := range []write{
		{"make an account", s.owner, func(ctx context.Context, tx *ent.Client) error {
			return tx.User.Create().SetName("Eve").SetEmail("eve@example.com").SetPasswordHash("none").Exec(ctx)
		}, rule.ErrForbidden},
		{"rename oneself past auth", s.owner, func(ctx context.Context, tx *ent.Client) error {
			return tx.User.UpdateOneID(s.owner.ID).SetName("Eve").Exec(ctx)
		}, rule.ErrForbidden},
		{"rename everybody", s.owner, func(ctx context.Context, tx *ent.Client) error { return tx.User.Update().SetName("Eve").Exec(ctx) }, rule.ErrForbidden},
		{"delete an account", s.owner, func(ctx context.Context, tx *ent.Client) error { return tx.User.DeleteOneID(s.owner.ID).Exec(ctx) }, rule.ErrForbidden},
		{"begin a session past auth", s.owner, func(ctx context.Context, tx *ent.Client) error {
			return tx.Session.Create().SetUserID(s.owner.ID).SetTokenHash([]byte("x")).SetExpiresAt(later).Exec(ctx)
		}, rule.ErrForbidden},
		{"end another's session", s.stranger, func(ctx context.Context, tx *ent.Client) error {
			return tx.Session.UpdateOneID(ownSession).SetEndedAt(later).Exec(ctx)
		}, errNotFound},
		{"remove one's own session past auth", s.owner, func(ctx context.Context, tx *ent.Client) error {
			return tx.Session.DeleteOneID(ownSession).Exec(ctx)
		}, rule.ErrForbidden},

		{"make an item for another", s.stranger, func(ctx context.Context, tx *ent.Client) error {
			return tx.Knowledge.Create().SetOwnerID(s.owner.ID).SetTitle("x").Exec(ctx)
		}, rule.ErrForbidden},
		{"make items at once for another", s.stranger, func(ctx context.Context, tx *ent.Client) error {
			return tx.Knowledge.CreateBulk(
				tx.Knowledge.Create().SetOwnerID(s.stranger.ID).SetTitle("x"), tx.Knowledge.Create().SetOwnerID(s.owner.ID).SetTitle("x"),
			).Exec(ctx)
		}, rule.ErrForbidden},
		{"change another's item", s.requester, func(ctx context.Context, tx *ent.Client) error {
			return tx.Knowledge.UpdateOneID(s.shared.ID).SetTitle("x").Exec(ctx)
		}, rule.ErrForbidden},
		{"change an item that is not there", s.owner, func(ctx context.Context, tx *ent.Client) error {
			return tx.Knowledge.UpdateOneID(s.shared.ID + 99).SetTitle("x").Exec(ctx)
		}, rule.ErrNotFound},
		{"change items at once", s.owner, func(ctx context.Context, tx *ent.Client) error { return tx.Knowledge.Update().SetTitle("x").Exec(ctx) }, rule.ErrForbidden},
		{"delete another's item", s.requester, func(ctx context.Context, tx *ent.Client) error {
			return tx.Knowledge.DeleteOneID(s.shared.ID).Exec(ctx)
		}, rule.ErrForbidden},
		{"delete an item that is not there", s.owner, func(ctx context.Context, tx *ent.Client) error {
			return tx.Knowledge.DeleteOneID(s.shared.ID + 99).Exec(ctx)
		}, rule.ErrNotFound},
		{"delete items at once", s.owner, func(ctx context.Context, tx *ent.Client) error {
			_, err := tx.Knowledge.Delete().Where(knowledge.OwnerID(s.owner.ID)).Exec(ctx)
			return err
		}, rule.ErrForbidden},

		{"write the text of another's item", s.requester, func(ctx context.Context, tx *ent.Client) error {
			return tx.KnowledgeContent.Create().SetKnowledgeID(s.item.ID).SetText("x").Exec(ctx)
		}, rule.ErrForbidden},
		{"overwrite the text of another's item", s.requester, func(ctx context.Context, tx *ent.Client) error {
			return tx.KnowledgeContent.Create().SetKnowledgeID(s.shared.ID).SetText("x").OnConflictColumns(knowledgecontent.FieldKnowledgeID).
				UpdateNewValues().Exec(ctx)
		}, rule.ErrForbidden},
		{"change the text of another's item", s.requester, func(ctx context.Context, tx *ent.Client) error {
			return tx.KnowledgeContent.UpdateOneID(text).SetText("x").Exec(ctx)
		}, errNotFound},
		{"delete a text alone", s.owner, func(ctx context.Context, tx *ent.Client) error {
			return tx.KnowledgeContent.DeleteOneID(text).Exec(ctx)
		}, rule.ErrForbidden},

		{"share with oneself", s.stranger, func(ctx context.Context, tx *ent.Client) error {
			return tx.KnowledgeShare.Create().SetKnowledgeID(s.item.ID).SetSharedWithID(s.stranger.ID).SetRequestID(s.pending.ID).Exec(ctx)
		}, rule.ErrForbidden},
		{"share without a request", s.owner, func(ctx context.Context, tx *ent.Client) error {
			return tx.KnowledgeShare.Create().SetKnowledgeID(s.item.ID).SetSharedWithID(s.stranger.ID).SetRequestID(s.pending.ID).Exec(ctx)
		}, rule.ErrForbidden},
		{"take a share back", s.owner, func(ctx context.Context, tx *ent.Client) error { return tx.KnowledgeShare.DeleteOneID(share).Exec(ctx) }, rule.ErrForbidden},

		{"ask in another's name", s.stranger, func(ctx context.Context, tx *ent.Client) error {
			return tx.KnowledgeRequest.Create().SetRequesterID(s.requester.ID).SetKnowledgeID(s.item.ID).SetQuestion("?").Exec(ctx)
		}, rule.ErrForbidden},
		{"ask in nobody's name", s.stranger, func(ctx context.Context, tx *ent.Client) error {
			return tx.KnowledgeRequest.Create().SetKnowledgeID(s.item.ID).SetQuestion("?").Exec(ctx)
		}, rule.ErrForbidden},
		{"answer as a stranger", s.stranger, s.answer(s.pending), rule.ErrNotFound},
		{"answer as the requester", s.requester, s.answer(s.pending), rule.ErrForbidden},
		{"answer again", s.owner, s.answer(s.approved), rule.ErrAlreadyAnswered},
		{"answer requests at once", s.owner, func(ctx context.Context, tx *ent.Client) error {
			return tx.KnowledgeRequest.Update().SetStatus(knowledgerequest.StatusApproved).Exec(ctx)
		}, rule.ErrForbidden},
		{"delete a request", s.owner, func(ctx context.Context, tx *ent.Client) error {
			return tx.KnowledgeRequest.DeleteOneID(s.pending.ID).Exec(ctx)
		}, rule.ErrForbidden},
		{"delete requests at once", s.requester, func(ctx context.Context, tx *ent.Client) error {
			_, err := tx.KnowledgeRequest.Delete().Exec(ctx)
			return err
		}, rule.ErrForbidden},

		{"make an event", s.owner, func(ctx context.Context, tx *ent.Client) error {
			return tx.Event.Create().SetKind(event.KindKnowledgeRequest).SetRecipientID(s.owner.ID).SetPayload(json.RawMessage(`{}`)).Exec(ctx)
		}, rule.ErrForbidden},
		{"empty an event", s.owner, func(ctx context.Context, tx *ent.Client) error {
			return tx.Event.UpdateOneID(mine).SetPayload(json.RawMessage(`{}`)).Exec(ctx)
		}, rule.ErrForbidden},
		{"empty an event while reading it", s.owner, func(ctx context.Context, tx *ent.Client) error {
			return tx.Event.UpdateOneID(mine).SetReadAt(later).SetPayload(json.RawMessage(`{}`)).Exec(ctx)
		}, rule.ErrForbidden},
		{"set how far a reader is", s.owner, func(ctx context.Context, tx *ent.Client) error {
			return tx.Progress.Create().SetReader("people").SetDoneSeq(1).Exec(ctx)
		}, rule.ErrForbidden},
		{"park a recipient", s.owner, func(ctx context.Context, tx *ent.Client) error {
			return tx.Parked.Create().SetReader("people").SetRecipient("1").SetFromSeq(1).Exec(ctx)
		}, rule.ErrForbidden},
		{"unread an event", s.owner, func(ctx context.Context, tx *ent.Client) error {
			return tx.Event.UpdateOneID(mine).ClearReadAt().Exec(ctx)
		}, rule.ErrForbidden},
		{"forget what an event is about", s.owner, func(ctx context.Context, tx *ent.Client) error {
			return tx.Event.UpdateOneID(mine).SetReadAt(later).ClearRequestID().Exec(ctx)
		}, rule.ErrForbidden},
		{"read another's event", s.requester, func(ctx context.Context, tx *ent.Client) error {
			return tx.Event.UpdateOneID(mine).SetReadAt(later).Exec(ctx)
		}, errNotFound},
		{"delete an event", s.owner, func(ctx context.Context, tx *ent.Client) error { return tx.Event.DeleteOneID(mine).Exec(ctx) }, rule.ErrForbidden},
	} {
		if err := s.try(w.who, w.do); !errors.Is(err, w.want) && (!errors.Is(w.want, errNotFound) || !ent.IsNotFound(err)) {
			t.Errorf("%s can %s: %v, want %v", w.who.Name, w.name, err, w.want)
		}
		// Without a viewer every write fails at once.
		if err := s.try(nil, w.do); !errors.Is(err, auth.ErrUnauthenticated) && !errors.Is(err, rule.ErrForbidden) {
			t.Errorf("nobody can %s: %v", w.name, err)
		}
	}
	// These cannot fail; they change nothing instead.
	s.must(s.requester, func(ctx context.Context, tx *ent.Client) error {
		n, err := tx.Event.Update().Where(event.RecipientID(s.owner.ID)).SetReadAt(later).Save(ctx)
		if n > 0 {
			t.Errorf("the requester reads %d events of the owner's", n)
		}
		m, contentErr := tx.KnowledgeContent.Update().SetText("x").Save(ctx)
		if m > 0 {
			t.Errorf("the requester changes %d texts of the owner's", m)
		}
		k, sessionErr := tx.Session.Update().Where(session.UserID(s.owner.ID)).SetEndedAt(later).Save(ctx)
		if k > 0 {
			t.Errorf("the requester ends %d sessions of the owner's", k)
		}
		return errors.Join(err, contentErr, sessionErr)
	})
}

// errNotFound represents ent's NotFoundError.
var errNotFound = errors.New("not found")

// answer denies a request.
func (s *scene) answer(r *ent.KnowledgeRequest) func(ctx context.Context, tx *ent.Client) error {
	return func(ctx context.Context, tx *ent.Client) error {
		return tx.KnowledgeRequest.UpdateOneID(r.ID).SetStatus(knowledgerequest.StatusDenied).Exec(ctx)
	}
}

// For the system no permissions apply, but the rules of the entities do.
func TestEvenTheSystemChangesARequestOnlyByAnAnswer(t *testing.T) {
	t.Parallel()
	s := set(t)
	for name, do := range map[string]func(ctx context.Context, tx *ent.Client) error{
		"delete it": func(ctx context.Context, tx *ent.Client) error {
			return tx.KnowledgeRequest.DeleteOneID(s.pending.ID).Exec(ctx)
		},
		"answer many": func(ctx context.Context, tx *ent.Client) error {
			return tx.KnowledgeRequest.Update().SetStatus(knowledgerequest.StatusDenied).Exec(ctx)
		},
		"change nothing": func(ctx context.Context, tx *ent.Client) error {
			return tx.KnowledgeRequest.UpdateOneID(s.pending.ID).Exec(ctx)
		},
		"make it pending": func(ctx context.Context, tx *ent.Client) error {
			return tx.KnowledgeRequest.UpdateOneID(s.approved.ID).SetStatus(knowledgerequest.StatusPending).Exec(ctx)
		},
		"write a response without an answer": func(ctx context.Context, tx *ent.Client) error {
			return tx.KnowledgeRequest.UpdateOneID(s.approved.ID).SetResponseContent("x").Exec(ctx)
		},
		"remove the response": func(ctx context.Context, tx *ent.Client) error {
			return tx.KnowledgeRequest.UpdateOneID(s.pending.ID).SetStatus(knowledgerequest.StatusDenied).ClearResponseContent().Exec(ctx)
		},
		"turn it to another item": func(ctx context.Context, tx *ent.Client) error {
			return tx.KnowledgeRequest.UpdateOneID(s.pending.ID).SetStatus(knowledgerequest.StatusApproved).SetKnowledgeID(s.shared.ID).Exec(ctx)
		},
		"take its item away": func(ctx context.Context, tx *ent.Client) error {
			return tx.KnowledgeRequest.UpdateOneID(s.pending.ID).SetStatus(knowledgerequest.StatusApproved).ClearKnowledge().Exec(ctx)
		},
	} {
		for who, ctx := range map[string]context.Context{"the system": s.system(), "the owner as the system": auth.AsSystem(s.as(s.owner))} {
			if err := s.log.WithTx(ctx, do); !errors.Is(err, rule.ErrForbidden) {
				t.Errorf("%s can %s: %v", who, name, err)
			}
		}
	}
}
