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

// ask applies the rules of a new KnowledgeRequest and appends its event.
//
// If the same request is already pending, an insertion with ON CONFLICT DO NOTHING returns sql.ErrNoRows, and there
// is no event. The two unique indexes define which requests are the same.
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
		if err := checkAsk(ctx, m); err != nil {
			return nil, err
		}
		name, err := requesterName(ctx, m)
		if err != nil {
			return nil, err
		}
		v, err := next.Mutate(ctx, m)
		if sqlgraph.IsForeignKeyConstraintError(err) { // the owner does not exist; only this statement has failed
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

// checkAsk sets the owner of the item asked for, and checks that the request makes sense. It leaves the check of the
// owner to the foreign key, because everybody waits for the writer and a query would make that longer.
func checkAsk(ctx context.Context, m *gen.KnowledgeRequestMutation) error {
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

// requesterName returns the requester's name from the viewer's session.
func requesterName(ctx context.Context, m *gen.KnowledgeRequestMutation) (string, error) {
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
