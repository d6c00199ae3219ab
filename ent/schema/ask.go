package schema

import (
	"context"
	"crypto/sha256"

	"entgo.io/ent"

	gen "lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/hook"
	"lorebridge/ent/knowledgeshare"
	"lorebridge/ent/rule"
	"lorebridge/ent/user"
	"lorebridge/outbox"
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
		requester, err := askable(ctx, m)
		if err != nil {
			return nil, err
		}
		v, err := next.Mutate(ctx, m)
		if err != nil {
			return nil, err
		}
		request := v.(*gen.KnowledgeRequest)
		return v, outbox.Append(ctx, m.Client(), outbox.Change{
			Kind:        event.KindKnowledgeRequest,
			RecipientID: request.OwnerID,
			ActorID:     request.RequesterID,
			RequestID:   request.ID,
			KnowledgeID: request.KnowledgeID,
			Payload: outbox.Payload{
				Type:          outbox.TypeKnowledgeRequest,
				RequestID:     request.ID,
				Question:      request.Question,
				RequesterName: requester.Name,
				CreatedAt:     outbox.FormatTime(request.CreatedAt),
			},
		})
	})
}

// askable sets the owner of the item asked for, and checks that asking makes sense. It returns who asks.
func askable(ctx context.Context, m *gen.KnowledgeRequestMutation) (*gen.User, error) {
	requester, _ := m.RequesterID()
	owner, toPerson := m.OwnerID()
	item, forItem := m.KnowledgeID()
	if toPerson == forItem {
		return nil, rule.Inputf("input", "give exactly one of knowledgeId and ownerId")
	}
	if forItem {
		knowledge, err := m.Client().Knowledge.Get(ctx, item)
		if gen.IsNotFound(err) {
			return nil, rule.ErrNotFound
		}
		if err != nil {
			return nil, err
		}
		owner = knowledge.OwnerID
		m.SetOwnerID(owner)
	}
	if owner == requester {
		return nil, rule.ErrOwnKnowledge
	}
	if forItem {
		shared, err := m.Client().KnowledgeShare.Query().
			Where(knowledgeshare.KnowledgeID(item), knowledgeshare.SharedWithID(requester)).Exist(ctx)
		if err != nil {
			return nil, err
		}
		if shared {
			return nil, rule.ErrAlreadyShared
		}
	}
	both, err := m.Client().User.Query().Where(user.IDIn(requester, owner)).Order(gen.Asc(user.FieldID)).All(ctx)
	if err != nil {
		return nil, err
	}
	if len(both) < 2 {
		return nil, rule.ErrNotFound
	}
	if both[0].ID == requester {
		return both[0], nil
	}
	return both[1], nil
}
