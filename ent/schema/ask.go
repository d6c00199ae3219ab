package schema

import (
	"context"
	"crypto/sha256"

	"entgo.io/ent"
	"entgo.io/ent/dialect/sql/sqlgraph"

	"lorebridge/auth"
	gen "lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/hook"
	"lorebridge/ent/knowledgeshare"
	"lorebridge/outbox"
	"lorebridge/rule"
)

// ask holds the rules of a new KnowledgeRequest and appends its event.
//
// Where the same request is pending, an insertion with ON CONFLICT DO NOTHING returns sql.ErrNoRows, and there is
// no event. Which request is the same, the two unique indexes say.
func ask(next ent.Mutator) ent.Mutator {
	return hook.KnowledgeRequestFunc(func(ctx context.Context, m *gen.KnowledgeRequestMutation) (ent.Value, error) {
		question, _ := m.Question()
		question, err := rule.Line("question", question, rule.MaxQuestion)
		if err != nil {
			return nil, err
		}
		m.SetQuestion(question)
		hash := sha256.Sum256([]byte(question))
		m.SetQuestionHash(hash[:])
		if err := askable(ctx, m); err != nil {
			return nil, err
		}
		name, err := askersName(ctx, m)
		if err != nil {
			return nil, err
		}
		v, err := next.Mutate(ctx, m)
		if sqlgraph.IsForeignKeyConstraintError(err) { // nobody is asked: the statement alone has failed, and changed nothing
			return nil, rule.ErrNotFound
		}
		if err != nil {
			return nil, err
		}
		request := v.(*gen.KnowledgeRequest)
		return v, outbox.Append(ctx, outbox.Change{
			Kind:        event.KindKnowledgeRequest,
			RecipientID: request.OwnerID,
			ActorID:     request.RequesterID,
			RequestID:   request.ID,
			KnowledgeID: request.KnowledgeID,
			Payload: outbox.Payload{
				Type:          outbox.TypeKnowledgeRequest,
				RequestID:     request.ID,
				Question:      request.Question,
				RequesterName: name,
				CreatedAt:     outbox.FormatTime(request.CreatedAt),
			},
		})
	})
}

// askable sets the owner of the item asked for, and checks that asking makes sense. Whether the owner is there, the
// foreign key says: everybody waits for the writer, which has enough to do.
func askable(ctx context.Context, m *gen.KnowledgeRequestMutation) error {
	requester, _ := m.RequesterID()
	owner, toPerson := m.OwnerID()
	item, forItem := m.KnowledgeID()
	if toPerson == forItem {
		return rule.Inputf("input", "give exactly one of knowledgeId and ownerId")
	}
	if forItem {
		knowledge, err := m.Client().Knowledge.Get(ctx, item)
		if gen.IsNotFound(err) {
			return rule.ErrNotFound
		}
		if err != nil {
			return err
		}
		owner = knowledge.OwnerID
		m.SetOwnerID(owner)
	}
	if owner == requester {
		return rule.ErrOwnKnowledge
	}
	if !forItem {
		return nil
	}
	shared, err := m.Client().KnowledgeShare.Query().
		Where(knowledgeshare.KnowledgeID(item), knowledgeshare.SharedWithID(requester)).Exist(ctx)
	if err == nil && shared {
		err = rule.ErrAlreadyShared
	}
	return err
}

// askersName is the name of who asks, as the viewer's session has it.
func askersName(ctx context.Context, m *gen.KnowledgeRequestMutation) (string, error) {
	requester, _ := m.RequesterID()
	if viewer, err := auth.FromContext(ctx); err == nil && viewer.UserID == requester && viewer.Name != "" {
		return viewer.Name, nil
	}
	asker, err := m.Client().User.Get(ctx, requester)
	if gen.IsNotFound(err) {
		return "", rule.ErrNotFound
	}
	if err != nil {
		return "", err
	}
	return asker.Name, nil
}
