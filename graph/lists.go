package graph

import (
	"context"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/knowledge"
	"lorebridge/ent/knowledgerequest"
	"lorebridge/ent/user"
	"lorebridge/rule"
)

func (r *Resolver) users(ctx context.Context, text *string, b bounds, order *UserOrder) (*UserConnection, error) {
	b, err := b.checked()
	if err != nil {
		return nil, err
	}
	query := r.Client.User.Query()
	switch text, err := search(text); {
	case err != nil:
		return nil, err
	case text != "":
		query.Where(user.NameKeyContains(rule.Fold(text)))
	}
	by := userOrders[UserOrderFieldName]
	if order != nil {
		by = userOrders[order.Field].towards(order.Direction)
	}
	return connect(ctx, query, b, by)
}

func (r *Resolver) knowledge(
	ctx context.Context, text *string, where *ent.KnowledgeWhereInput, b bounds, order *KnowledgeOrder,
) (*KnowledgeConnection, error) {
	b, err := b.checked()
	if err != nil {
		return nil, err
	}
	query := r.Client.Knowledge.Query()
	switch text, err := search(text); {
	case err != nil:
		return nil, err
	case text != "":
		query.Where(knowledge.TitleKeyContains(rule.Fold(text)))
	}
	by := newestKnowledge
	if order != nil {
		by = knowledgeOrders[order.Field].towards(order.Direction)
	}
	if query, err = where.Filter(query); err != nil {
		return nil, err
	}
	return connect(ctx, query, b, by)
}

func (r *Resolver) knowledgeRequests(
	ctx context.Context, box RequestBox, status *knowledgerequest.Status, where *ent.KnowledgeRequestWhereInput, b bounds, order *KnowledgeRequestOrder,
) (*KnowledgeRequestConnection, error) {
	viewer, err := auth.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	if b, err = b.checked(); err != nil {
		return nil, err
	}
	// The rule of KnowledgeRequest says this with OR, which no index orders; the box's own column has one.
	query := r.Client.KnowledgeRequest.Query()
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

func (r *Resolver) notifications(ctx context.Context, unreadOnly bool, b bounds, order *NotificationOrder) (*NotificationConnection, error) {
	b, err := b.checked()
	if err != nil {
		return nil, err
	}
	query := r.Client.Event.Query()
	if unreadOnly {
		query.Where(event.ReadAtIsNil())
	}
	by := notificationOrders[NotificationOrderFieldCreatedAt]
	if order != nil {
		by = notificationOrders[order.Field].towards(order.Direction)
	}
	return connect(ctx, query, b, by)
}

// node finds what the schema calls a Node; ent would also find the rows behind other objects.
func (r *Resolver) node(ctx context.Context, id int) (ent.Noder, error) {
	if _, err := auth.FromContext(ctx); err != nil {
		return nil, err
	}
	found, err := r.Client.Noder(ctx, id)
	if ent.IsNotFound(err) {
		return r.storedSubscription(ctx, id) // the rule of StoredSubscription hides other people's
	}
	if err != nil {
		return nil, err
	}
	switch found.(type) {
	case *ent.User, *ent.Knowledge, *ent.KnowledgeRequest, *ent.Event:
		return found, nil
	case *ent.StoredSubscription:
		return r.storedSubscription(ctx, id)
	}
	return nil, rule.ErrNotFound
}
