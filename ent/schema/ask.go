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
		if err := findOwner(ctx, m); err != nil {
			return nil, err
		}
		v, err := next.Mutate(ctx, m)
		if err != nil {
			return nil, err
		}
		request := v.(*gen.KnowledgeRequest)
		requester, err := m.Client().User.Get(ctx, request.RequesterID)
		if err != nil {
			return nil, err
		}
		return v, outbox.Append(ctx, m.Client(), outbox.Change{
			Kind:        event.KindKnowledgeRequest,
			RecipientID: request.OwnerID,
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

// findOwner sets the owner of the item asked for, or checks that the person asked exists, and that asking makes sense.
func findOwner(ctx context.Context, m *gen.KnowledgeRequestMutation) error {
	requester, _ := m.RequesterID()
	owner, toPerson := m.OwnerID()
	item, forItem := m.KnowledgeID()
	if toPerson == forItem {
		return rule.Inputf("input", "give exactly one of knowledgeId and ownerId")
	}
	if forItem {
		knowledge, err := m.Client().Knowledge.Get(ctx, item)
		if err != nil {
			return refuseAs(err, func() error { return rule.ErrNotFound })
		}
		owner = knowledge.OwnerID
		m.SetOwnerID(owner)
	}
	if owner == requester {
		return rule.ErrOwnKnowledge
	}
	if !forItem {
		_, err := m.Client().User.Get(ctx, owner)
		return refuseAs(err, func() error { return rule.ErrNotFound })
	}
	shared, err := m.Client().KnowledgeShare.Query().
		Where(knowledgeshare.KnowledgeID(item), knowledgeshare.SharedWithID(requester)).Exist(ctx)
	if err == nil && shared {
		return rule.ErrAlreadyShared
	}
	return err
}
