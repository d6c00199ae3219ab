package schema_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/knowledgerequest"
	"lorebridge/outbox"
	"lorebridge/rule"
)

// Changes with events work only inside Log.WithTx, because otherwise an event could be lost.
func TestAChangeWithEventsNeedsWithTx(t *testing.T) {
	t.Parallel()
	s := set(t)
	own, err := s.client.Tx(s.as(s.stranger)) // another transaction does not hand its events to the log
	must(t, err)
	changes := func(client *ent.Client) map[string]func(ctx context.Context) error {
		return map[string]func(ctx context.Context) error{
			"ask": client.KnowledgeRequest.Create().SetRequesterID(s.stranger.ID).SetKnowledgeID(s.item.ID).SetQuestion("?").Exec,
			"ask with ON CONFLICT": client.KnowledgeRequest.Create().SetRequesterID(s.stranger.ID).SetKnowledgeID(s.item.ID).
				SetQuestion("?").OnConflict().DoNothing().Exec,
			"ask at once": client.KnowledgeRequest.CreateBulk(
				client.KnowledgeRequest.Create().SetRequesterID(s.stranger.ID).SetKnowledgeID(s.item.ID).SetQuestion("?"),
				client.KnowledgeRequest.Create().SetRequesterID(s.stranger.ID).SetKnowledgeID(s.shared.ID).SetQuestion("?"),
			).Exec,
			"answer":         client.KnowledgeRequest.UpdateOneID(s.pending.ID).SetStatus(knowledgerequest.StatusDenied).Exec,
			"answer a row":   client.KnowledgeRequest.UpdateOne(s.pending).SetStatus(knowledgerequest.StatusDenied).Exec,
			"delete an item": client.Knowledge.DeleteOneID(s.item.ID).Exec,
		}
	}
	users := map[string]*ent.User{"ask": s.stranger, "ask with ON CONFLICT": s.stranger, "ask at once": s.stranger}
	for where, client := range map[string]*ent.Client{"without a transaction": s.client, "in a transaction of one's own": own.Client()} {
		for name, change := range changes(client) {
			who := s.owner
			if users[name] != nil {
				who = users[name]
			}
			if err := change(s.as(who)); !errors.Is(err, outbox.ErrNoTx) {
				t.Errorf("%s %s: %v, want ErrNoTx", name, where, err)
			}
		}
	}
	must(t, own.Rollback())
	// It also fails inside WithTx if it bypasses the transaction.
	s.must(s.stranger, func(ctx context.Context, _ *ent.Client) error {
		if err := changes(s.client)["ask"](ctx); !errors.Is(err, outbox.ErrNoTx) {
			t.Errorf("ask past the transaction: %v, want ErrNoTx", err)
		}
		return nil
	})
	if got, want := s.events(event.KindKnowledgeRequest), []int{s.pending.ID, s.approved.ID}; !slices.Equal(got, want) {
		t.Errorf("there are events about %v, want %v", got, want)
	}
}

// The rules of a request apply to every writer, also without the resolver, which checks some of them first.
func TestTheRulesOfARequestHoldForEveryWriter(t *testing.T) {
	t.Parallel()
	s := set(t)
	for _, test := range []struct {
		name   string
		who    *ent.User
		change func(*ent.KnowledgeRequestCreate)
		want   error
	}{
		{"own item", s.owner, func(c *ent.KnowledgeRequestCreate) { c.SetKnowledgeID(s.item.ID).SetQuestion("?") }, rule.ErrOwnKnowledge},
		{"oneself", s.owner, func(c *ent.KnowledgeRequestCreate) { c.SetOwnerID(s.owner.ID).SetQuestion("?") }, rule.ErrOwnKnowledge},
		{"shared already", s.requester, func(c *ent.KnowledgeRequestCreate) { c.SetKnowledgeID(s.shared.ID).SetQuestion("?") }, rule.ErrAlreadyShared},
		{"no such item", s.stranger, func(c *ent.KnowledgeRequestCreate) { c.SetKnowledgeID(s.shared.ID + 99).SetQuestion("?") }, rule.ErrNotFound},
		{"no such person", s.stranger, func(c *ent.KnowledgeRequestCreate) { c.SetOwnerID(99).SetQuestion("?") }, rule.ErrNotFound},
		{"neither", s.stranger, func(c *ent.KnowledgeRequestCreate) { c.SetQuestion("?") }, errInput},
		{"both", s.stranger, func(c *ent.KnowledgeRequestCreate) {
			c.SetKnowledgeID(s.item.ID).SetOwnerID(s.owner.ID).SetQuestion("?")
		}, errInput},
		{"no question", s.stranger, func(c *ent.KnowledgeRequestCreate) { c.SetKnowledgeID(s.item.ID) }, errInput},
		{"blanks", s.stranger, func(c *ent.KnowledgeRequestCreate) { c.SetKnowledgeID(s.item.ID).SetQuestion(" \n") }, errInput},
		{"too long", s.stranger, func(c *ent.KnowledgeRequestCreate) {
			c.SetKnowledgeID(s.item.ID).SetQuestion(strings.Repeat("a", rule.MaxQuestion+1))
		}, errInput},
	} {
		err := s.try(test.who, func(ctx context.Context, tx *ent.Client) error {
			create := tx.KnowledgeRequest.Create().SetRequesterID(test.who.ID)
			test.change(create)
			return create.Exec(ctx)
		})
		var input *rule.InputError
		if !errors.Is(err, test.want) && (!errors.Is(test.want, errInput) || !errors.As(err, &input)) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
	if n := len(s.events(event.KindKnowledgeRequest)); n != 2 {
		t.Errorf("%d events, want the two of the scene", n)
	}
}

// Everybody waits for the writer, so it reads neither the requester nor the owner.
func TestAskingReadsNobodyOnTheWriter(t *testing.T) {
	t.Parallel()
	s := set(t)
	read := 0
	s.client.User.Intercept(ent.InterceptFunc(func(next ent.Querier) ent.Querier {
		return ent.QuerierFunc(func(ctx context.Context, q ent.Query) (ent.Value, error) {
			read++
			return next.Query(ctx, q)
		})
	}))
	for name, reads := range map[string]int{"Known by Session": 0, "": 1} {
		read = 0
		ctx := auth.NewContext(t.Context(), auth.Viewer{UserID: s.stranger.ID, Name: name})
		must(t, s.log.WithTx(ctx, func(ctx context.Context, tx *ent.Client) error {
			ask := func(owner int) error {
				create := tx.KnowledgeRequest.Create().SetRequesterID(s.stranger.ID).SetOwnerID(owner).SetQuestion("As " + name + "?")
				create.OnConflict().DoNothing()
				_, err := create.Save(ctx)
				return err
			}
			if err := ask(99); !errors.Is(err, rule.ErrNotFound) {
				t.Errorf("asking nobody: %v", err)
			}
			if read != reads {
				t.Errorf("%d people are read, want %d", read, reads)
			}
			return ask(s.owner.ID) // the transaction continues
		}))
		rows, err := s.client.Event.Query().Order(ent.Desc(event.FieldID)).Limit(1).All(s.system())
		must(t, err)
		want := `"requesterName":"` + s.stranger.Name + `"`
		if name != "" {
			want = `"requesterName":"` + name + `"`
		}
		if len(rows) != 1 || !strings.Contains(string(rows[0].Payload), want) {
			t.Errorf("the event is %s, want %s", rows[0].Payload, want)
		}
	}
}

// errInput represents a *rule.InputError.
var errInput = errors.New("input")

func TestAQuestionIsKeptTrimmedAndHashed(t *testing.T) {
	t.Parallel()
	s := set(t)
	s.must(s.stranger, func(ctx context.Context, tx *ent.Client) error {
		request, err := tx.KnowledgeRequest.Create().SetRequesterID(s.stranger.ID).SetKnowledgeID(s.item.ID).
			SetOwnerID(s.owner.ID).Save(ctx)
		if err == nil {
			t.Errorf("an owner given beside the item is taken: %v", request)
		}
		request, err = tx.KnowledgeRequest.Create().SetRequesterID(s.stranger.ID).SetKnowledgeID(s.item.ID).
			SetQuestion(" May I, too?\n").SetQuestionHash([]byte("forged")).Save(ctx)
		if err != nil {
			return err
		}
		hash := sha256.Sum256([]byte("May I, too?"))
		if request.Question != "May I, too?" || !slices.Equal(request.QuestionHash, hash[:]) || request.OwnerID != s.owner.ID ||
			request.CreatedAt.Location() != time.UTC || request.CreatedAt.Truncate(time.Millisecond) != request.CreatedAt {
			t.Errorf("kept is %v", request)
		}
		return nil
	})
}

func TestASecondPendingRequestIsNotCreated(t *testing.T) {
	t.Parallel()
	s := set(t)
	err := s.try(s.requester, func(ctx context.Context, tx *ent.Client) error {
		_, err := tx.KnowledgeRequest.Create().SetRequesterID(s.requester.ID).SetKnowledgeID(s.item.ID).SetQuestion("Again?").
			OnConflict().DoNothing().ID(ctx)
		return err
	})
	if !errors.Is(err, sql.ErrNoRows) {
		t.Errorf("with ON CONFLICT: %v, want sql.ErrNoRows", err)
	}
	err = s.try(s.requester, func(ctx context.Context, tx *ent.Client) error {
		return tx.KnowledgeRequest.Create().SetRequesterID(s.requester.ID).SetKnowledgeID(s.item.ID).SetQuestion("Again?").Exec(ctx)
	})
	if !ent.IsConstraintError(err) {
		t.Errorf("without: %v, want a constraint error", err)
	}
	if n := len(s.events(event.KindKnowledgeRequest)); n != 2 {
		t.Errorf("%d events, want the two of the scene", n)
	}
}

// Events have the order of the changes, also if one transaction makes several.
func TestEventsFollowTheirChanges(t *testing.T) {
	t.Parallel()
	s := set(t)
	want := s.events(event.KindKnowledgeRequest)
	s.must(s.stranger, func(ctx context.Context, tx *ent.Client) error {
		for _, item := range []*ent.Knowledge{s.shared, s.item} {
			request, err := tx.KnowledgeRequest.Create().SetRequesterID(s.stranger.ID).SetKnowledgeID(item.ID).SetQuestion("?").Save(ctx)
			if err != nil {
				return err
			}
			want = append(want, request.ID)
		}
		return nil
	})
	if got := s.events(event.KindKnowledgeRequest); !slices.Equal(got, want) || len(want) != 4 {
		t.Fatalf("events about %v, want %v", got, want)
	}
	s.must(s.owner, func(ctx context.Context, tx *ent.Client) error { return tx.Knowledge.DeleteOneID(s.item.ID).Exec(ctx) })
	if got, want := s.events(event.KindKnowledgeResponse), []int{s.approved.ID, s.pending.ID, want[3]}; !slices.Equal(got, want) {
		t.Errorf("events about %v, want %v", got, want)
	}
}

// Events go to the actor's other devices as well.
func TestAnEventNamesWhoMadeOrAnsweredTheRequest(t *testing.T) {
	t.Parallel()
	s := set(t)
	actors := func(kind event.Kind) (all []int) {
		rows, err := s.client.Event.Query().Where(event.KindEQ(kind)).Order(ent.Asc(event.FieldID)).All(s.system())
		must(t, err)
		for _, row := range rows {
			if row.ActorID == nil {
				all = append(all, 0)
			} else {
				all = append(all, *row.ActorID)
			}
		}
		return all
	}
	s.must(s.stranger, func(ctx context.Context, tx *ent.Client) error {
		return tx.KnowledgeRequest.Create().SetRequesterID(s.stranger.ID).SetKnowledgeID(s.item.ID).SetQuestion("?").Exec(ctx)
	})
	s.must(s.owner, func(ctx context.Context, tx *ent.Client) error { return tx.Knowledge.DeleteOneID(s.item.ID).Exec(ctx) })
	want := map[event.Kind][]int{
		event.KindKnowledgeRequest:  {s.requester.ID, s.requester.ID, s.stranger.ID},
		event.KindKnowledgeResponse: {s.owner.ID, s.owner.ID, s.owner.ID}, // an approval, and two denials by deleting an item
	}
	for kind, want := range want {
		if diff := cmp.Diff(want, actors(kind)); diff != "" {
			t.Errorf("%s:\n%s", kind, diff)
		}
	}
	for _, actor := range actors(event.KindKnowledgePublished) {
		if actor != 0 {
			t.Errorf("a new item, which is no request, has the actor %d", actor)
		}
	}
}

func TestWhatRollsBackLeavesNothing(t *testing.T) {
	t.Parallel()
	s := set(t)
	failed := errors.New("failed after the hooks ran")
	newest, err := s.log.Newest(t.Context())
	must(t, err)
	reader := s.log.Read(newest)
	defer reader.Close()
	for name, change := range map[string]func(ctx context.Context, tx *ent.Client) error{
		"ask": func(ctx context.Context, tx *ent.Client) error {
			return tx.KnowledgeRequest.Create().SetRequesterID(s.owner.ID).SetOwnerID(s.stranger.ID).SetQuestion("?").Exec(ctx)
		},
		"approve": func(ctx context.Context, tx *ent.Client) error {
			return tx.KnowledgeRequest.UpdateOneID(s.pending.ID).SetStatus(knowledgerequest.StatusApproved).Exec(ctx)
		},
		"delete": func(ctx context.Context, tx *ent.Client) error { return tx.Knowledge.DeleteOneID(s.item.ID).Exec(ctx) },
	} {
		before := s.counts()
		err := s.try(s.owner, func(ctx context.Context, tx *ent.Client) error { return errors.Join(change(ctx, tx), failed) })
		if err == nil || err.Error() != failed.Error() {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(before, s.counts()); diff != "" {
			t.Errorf("%s leaves something:\n%s", name, diff)
		}
	}
	if events, err := reader.Next(t.Context(), 10); err != nil || len(events) != 0 {
		t.Errorf("the log has %v: %v", events, err)
	}
}

// counts returns the number of rows of each entity.
func (s *scene) counts() map[string]int {
	ctx := s.system()
	return map[string]int{
		"items":    s.client.Knowledge.Query().CountX(ctx),
		"texts":    s.client.KnowledgeContent.Query().CountX(ctx),
		"requests": s.client.KnowledgeRequest.Query().CountX(ctx),
		"pending":  s.client.KnowledgeRequest.Query().Where(knowledgerequest.StatusEQ(knowledgerequest.StatusPending)).CountX(ctx),
		"shares":   s.client.KnowledgeShare.Query().CountX(ctx),
		"events":   s.client.Event.Query().CountX(ctx),
	}
}

func TestAResponseIsTrimmed(t *testing.T) {
	t.Parallel()
	s := set(t)
	for _, bad := range []string{"a\x00b", "a\x85b\xff", strings.Repeat("a", rule.MaxContent+1)} {
		err := s.try(s.owner, func(ctx context.Context, tx *ent.Client) error {
			return tx.KnowledgeRequest.UpdateOneID(s.pending.ID).SetStatus(knowledgerequest.StatusDenied).SetResponseContent(bad).Exec(ctx)
		})
		var input *rule.InputError
		if !errors.As(err, &input) || input.Field != "responseContent" {
			t.Errorf("%.10q: %v", bad, err)
		}
	}
	s.must(s.owner, func(ctx context.Context, tx *ent.Client) error {
		request, err := tx.KnowledgeRequest.UpdateOneID(s.pending.ID).SetStatus(knowledgerequest.StatusDenied).SetResponseContent(" \n").Save(ctx)
		if err == nil && (request.ResponseContent != nil || request.RespondedAt == nil) {
			t.Errorf("a blank response is kept: %v", request)
		}
		return err
	})
}
