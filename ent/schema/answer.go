package schema

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"entgo.io/ent"

	"lorebridge/auth"
	gen "lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/hook"
	"lorebridge/ent/knowledgerequest"
	"lorebridge/outbox"
	"lorebridge/rule"
)

// answer applies the rules of an answer, shares the item if it is approved, and appends the event. If two answers
// come at once, the database lets only one find the request pending.
func answer(next ent.Mutator) ent.Mutator {
	return hook.KnowledgeRequestFunc(func(ctx context.Context, m *gen.KnowledgeRequestMutation) (ent.Value, error) {
		status, ok := m.Status()
		if !ok || status == knowledgerequest.StatusPending || !answersOnly(m) {
			return nil, rule.ErrForbidden // answering is the only change of a request
		}
		if err := tidyResponse(m); err != nil {
			return nil, err
		}
		m.SetRespondedAt(now())
		m.Where(knowledgerequest.StatusEQ(knowledgerequest.StatusPending))
		v, err := next.Mutate(ctx, m)
		if gen.IsNotFound(err) {
			return nil, unanswerableError(ctx, m)
		}
		if err != nil {
			return nil, err
		}
		request := v.(*gen.KnowledgeRequest)
		if err := share(ctx, m.Client(), request); err != nil {
			return nil, err
		}
		payload := outbox.Payload{
			Type:      outbox.TypeKnowledgeResponse,
			RequestID: request.ID,
			Status:    strings.ToLower(request.Status.String()),
		}
		if request.ResponseContent != nil {
			payload.ResponseContent = *request.ResponseContent
		}
		return v, outbox.Append(ctx, outbox.Change{
			Kind:        event.KindKnowledgeResponse,
			RecipientID: request.RequesterID,
			ActorID:     request.OwnerID,
			RequestID:   request.ID,
			KnowledgeID: request.KnowledgeID,
			Payload:     payload,
		})
	})
}

// answersOnly reports whether the mutation changes only the fields of an answer.
func answersOnly(m *gen.KnowledgeRequestMutation) bool {
	allowed := []string{knowledgerequest.FieldStatus, knowledgerequest.FieldResponseContent, knowledgerequest.FieldRespondedAt}
	return len(m.ClearedFields()) == 0 && len(m.ClearedEdges()) == 0 && len(m.AddedEdges()) == 0 &&
		!slices.ContainsFunc(m.Fields(), func(field string) bool { return !slices.Contains(allowed, field) })
}

// tidyResponse clears a blank response.
func tidyResponse(m *gen.KnowledgeRequestMutation) error {
	text, ok := m.ResponseContent()
	if !ok {
		return nil
	}
	text, err := rule.Text("responseContent", strings.TrimSpace(text))
	if err != nil {
		return err
	}
	if text == "" {
		m.ResetResponseContent()
	} else {
		m.SetResponseContent(text)
	}
	return nil
}

// unanswerableError returns why the viewer has no such pending request to answer. A stranger gets "not found", the
// requester is not allowed to answer, and for the owner it has already been answered.
func unanswerableError(ctx context.Context, m *gen.KnowledgeRequestMutation) error {
	id, _ := m.ID()
	request, err := m.Client().KnowledgeRequest.Get(ctx, id)
	switch {
	case gen.IsNotFound(err):
		return rule.ErrNotFound
	case err != nil:
		return err
	case request.OwnerID != viewerID(ctx):
		return rule.ErrForbidden
	default:
		return rule.ErrAlreadyAnswered
	}
}

// share lets the requester read the approved item. An older request may have shared it already.
func share(ctx context.Context, tx *gen.Client, request *gen.KnowledgeRequest) error {
	if request.Status != knowledgerequest.StatusApproved || request.KnowledgeID == nil {
		return nil
	}
	err := tx.KnowledgeShare.Create().
		SetKnowledgeID(*request.KnowledgeID).SetSharedWithID(request.RequesterID).SetRequestID(request.ID).
		OnConflict().DoNothing().
		Exec(auth.AsSystem(ctx))
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}
