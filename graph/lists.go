package graph

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"entgo.io/contrib/entgql"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/knowledge"
	"lorebridge/ent/knowledgerequest"
	"lorebridge/ent/rule"
	"lorebridge/ent/user"
)

// bounds are the Relay arguments of a list.
type bounds struct {
	first, last   *int
	after, before *cursor
}

// checked refuses pages that are too long, and gives one where none is asked for.
func (b bounds) checked() (bounds, error) {
	var err error
	b.first, b.last, err = page(b.first, b.last)
	return b, err
}

// within refuses cursors that do not come from a list in the order named: their values could not be compared.
func (b bounds) within(order string) error {
	for name, c := range map[string]*cursor{"after": b.after, "before": b.before} {
		if c == nil {
			continue
		}
		fits := false
		switch value := c.Value.(type) {
		case string:
			fits = (order == "NAME" || order == "TITLE") && utf8.ValidString(value)
		case time.Time:
			fits = strings.HasSuffix(order, "_AT")
		}
		if !fits {
			return rule.Inputf(name, "is not a cursor of this list in this order: give one as this server returned it")
		}
	}
	return nil
}

// newestKnowledge is the order of the list knowledge if none is asked for.
func newestKnowledge() *ent.KnowledgeOrder {
	return &ent.KnowledgeOrder{Field: ent.KnowledgeOrderFieldCreatedAt}
}

// newestRequests is the order of the list knowledgeRequests if none is asked for.
func newestRequests() *ent.KnowledgeRequestOrder {
	return &ent.KnowledgeRequestOrder{Field: ent.KnowledgeRequestOrderFieldCreatedAt}
}

// towards is the direction of an order by a field: the one that was asked for, or else dates from the newest on and texts from A to Z.
func towards(asked entgql.OrderDirection, field string) entgql.OrderDirection {
	switch {
	case asked != "":
		return asked
	case strings.HasSuffix(field, "_AT"):
		return entgql.OrderDirectionDesc
	default:
		return entgql.OrderDirectionAsc
	}
}

func (r *Resolver) users(ctx context.Context, text *string, b bounds, order *ent.UserOrder) (*ent.UserConnection, error) {
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
	if order == nil {
		order = &ent.UserOrder{Field: ent.UserOrderFieldNameKey}
	}
	order.Direction = towards(order.Direction, order.Field.String())
	if err := b.within(order.Field.String()); err != nil {
		return nil, err
	}
	return query.Paginate(ctx, b.after, b.first, b.before, b.last, ent.WithUserOrder(order))
}

func (r *Resolver) knowledge(ctx context.Context, text *string, where *ent.KnowledgeWhereInput, b bounds, order *ent.KnowledgeOrder) (*ent.KnowledgeConnection, error) {
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
	if order == nil {
		order = newestKnowledge()
	}
	order.Direction = towards(order.Direction, order.Field.String())
	if err := b.within(order.Field.String()); err != nil {
		return nil, err
	}
	return query.Paginate(ctx, b.after, b.first, b.before, b.last, ent.WithKnowledgeOrder(order), ent.WithKnowledgeFilter(where.Filter))
}

func (r *Resolver) knowledgeRequests(ctx context.Context, box RequestBox, status *knowledgerequest.Status, where *ent.KnowledgeRequestWhereInput, b bounds, order *ent.KnowledgeRequestOrder) (*ent.KnowledgeRequestConnection, error) {
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
	if order == nil {
		order = newestRequests()
	}
	order.Direction = towards(order.Direction, order.Field.String())
	if err := b.within(order.Field.String()); err != nil {
		return nil, err
	}
	return query.Paginate(ctx, b.after, b.first, b.before, b.last, ent.WithKnowledgeRequestOrder(order), ent.WithKnowledgeRequestFilter(where.Filter))
}

func (r *Resolver) notifications(ctx context.Context, unreadOnly bool, b bounds, order *ent.NotificationOrder) (*ent.NotificationConnection, error) {
	b, err := b.checked()
	if err != nil {
		return nil, err
	}
	query := r.Client.Event.Query()
	if unreadOnly {
		query.Where(event.ReadAtIsNil())
	}
	if order == nil {
		order = &ent.NotificationOrder{Field: ent.EventOrderFieldCreatedAt}
	}
	order.Direction = towards(order.Direction, order.Field.String())
	if err := b.within(order.Field.String()); err != nil {
		return nil, err
	}
	return query.Paginate(ctx, b.after, b.first, b.before, b.last, ent.WithNotificationOrder(order))
}

// node finds what the schema calls a Node; ent would also find the rows behind other objects.
func (r *Resolver) node(ctx context.Context, id int) (ent.Noder, error) {
	if _, err := auth.FromContext(ctx); err != nil {
		return nil, err
	}
	found, err := r.Client.Noder(ctx, id)
	if ent.IsNotFound(err) {
		return r.storedSubscription(ctx, id) // the rule of Subscriber hides other people's
	}
	if err != nil {
		return nil, err
	}
	switch found.(type) {
	case *ent.User, *ent.Knowledge, *ent.KnowledgeRequest, *ent.Event:
		return found, nil
	case *ent.Subscriber:
		return r.storedSubscription(ctx, id)
	}
	return nil, rule.ErrNotFound
}
