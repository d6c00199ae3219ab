package graph

import (
	"context"
	"database/sql"
	"errors"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/knowledgerequest"
	"lorebridge/ent/predicate"
)

// requests resolves the fields of requests for knowledge.
type requests struct {
	client *ent.Client
	withTx auth.WithTx
	limit  *auth.Limiter[int] // by the id of the user
}

func (r *requests) create(ctx context.Context, input CreateKnowledgeRequestInput) (*CreateKnowledgeRequestPayload, error) {
	viewer, err := auth.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.limit.Allow(viewer.UserID); err != nil {
		return nil, err
	}
	var request *ent.KnowledgeRequest
	exists := false
	err = r.withTx(ctx, func(ctx context.Context, tx *ent.Client) (err error) {
		create := tx.KnowledgeRequest.Create().SetRequesterID(viewer.UserID).
			SetNillableKnowledgeID(input.KnowledgeID).SetQuestion(input.Question)
		if input.OwnerID != nil {
			create.SetOwnerID(*input.OwnerID)
		}
		create.OnConflict().DoNothing()
		request, err = create.Save(ctx)
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		exists = true
		request, err = pendingLike(ctx, tx, create.Mutation())
		return err
	})
	if err != nil {
		return nil, err
	}
	request = request.Unwrap()
	return &CreateKnowledgeRequestPayload{
		KnowledgeRequest: request, KnowledgeRequestEdge: newestRequests.edge(request), AlreadyExists: exists,
	}, nil
}

func (r *requests) respond(ctx context.Context, input RespondToRequestInput) (*RespondToRequestPayload, error) {
	if _, err := auth.FromContext(ctx); err != nil {
		return nil, err
	}
	var answered *ent.KnowledgeRequest
	err := r.withTx(ctx, func(ctx context.Context, tx *ent.Client) (err error) {
		answered, err = tx.KnowledgeRequest.UpdateOneID(input.RequestID).
			SetStatus(knowledgerequest.Status(input.Status)).SetNillableResponseContent(input.ResponseContent).Save(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &RespondToRequestPayload{KnowledgeRequest: answered.Unwrap()}, nil
}

// pendingLike returns the pending request with which an insertion was in conflict: a unique index calls both the same.
func pendingLike(ctx context.Context, tx *ent.Client, m *ent.KnowledgeRequestMutation) (*ent.KnowledgeRequest, error) {
	requester, _ := m.RequesterID()
	same := []predicate.KnowledgeRequest{
		knowledgerequest.RequesterID(requester), knowledgerequest.StatusEQ(knowledgerequest.StatusPending),
	}
	if item, ok := m.KnowledgeID(); ok {
		same = append(same, knowledgerequest.KnowledgeID(item))
	} else {
		owner, _ := m.OwnerID()
		hash, _ := m.QuestionHash()
		same = append(same, knowledgerequest.OwnerID(owner), knowledgerequest.QuestionHash(hash), knowledgerequest.KnowledgeIDIsNil())
	}
	return tx.KnowledgeRequest.Query().Where(same...).Only(ctx)
}

func (r *requests) list(
	ctx context.Context, box RequestBox, status *knowledgerequest.Status, where *ent.KnowledgeRequestWhereInput, b bounds, order *KnowledgeRequestOrder,
) (*KnowledgeRequestConnection, error) {
	viewer, err := auth.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	if b, err = b.checked(); err != nil {
		return nil, err
	}
	// The policy of KnowledgeRequest has an OR for this, which no index orders. The column of the box has an index.
	query := r.client.KnowledgeRequest.Query()
	if box == RequestBoxReceived {
		query.Where(knowledgerequest.OwnerID(viewer.UserID))
	} else {
		query.Where(knowledgerequest.RequesterID(viewer.UserID))
	}
	if status != nil {
		query.Where(knowledgerequest.StatusEQ(*status))
	}
	by := newestRequests
	if order != nil {
		by = knowledgeRequestOrders[order.Field].towards(order.Direction)
	}
	if query, err = where.Filter(query); err != nil {
		return nil, err
	}
	return connect(ctx, query, b, by)
}
