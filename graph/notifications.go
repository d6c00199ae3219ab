package graph

import (
	"context"
	"time"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/predicate"
	"lorebridge/outbox"
	"lorebridge/rule"
)

// maxMarked is how many notifications one mutation may name.
const maxMarked = 100

// notifications resolves the fields of notifications.
type notifications struct {
	client *ent.Client
	withTx auth.WithTx
}

// unread counts the notifications that the viewer has not read. The policy of Event hides those of other people.
func (n *notifications) unread(ctx context.Context) (int, error) {
	return n.client.Event.Query().Where(event.ReadAtIsNil()).Count(ctx)
}

func (n *notifications) markRead(ctx context.Context, input MarkNotificationsReadInput) (*MarkNotificationsReadPayload, error) {
	if _, err := auth.FromContext(ctx); err != nil {
		return nil, err
	}
	which, err := toMark(input)
	if err != nil {
		return nil, err
	}
	payload := &MarkNotificationsReadPayload{}
	if err := n.withTx(ctx, func(ctx context.Context, tx *ent.Client) (err error) {
		payload.Marked, err = tx.Event.Update().Where(which, event.ReadAtIsNil()).
			SetReadAt(time.Now().UTC().Truncate(time.Millisecond)).Save(ctx)
		if err != nil {
			return err
		}
		payload.UnreadCount, err = tx.Event.Query().Where(event.ReadAtIsNil()).Count(ctx) // inside the transaction: if this fails, nothing is marked
		return err
	}); err != nil {
		return nil, err
	}
	return payload, nil
}

func toMark(input MarkNotificationsReadInput) (predicate.Event, error) {
	switch {
	case (input.Ids == nil) == (input.UpTo == nil):
		return nil, rule.Inputf("input", "give exactly one of ids and upTo")
	case input.UpTo != nil:
		return outbox.UpTo(*input.UpTo), nil
	case len(input.Ids) > maxMarked:
		return nil, rule.Inputf("ids", "has %d ids, allowed are %d: mark the rest with another mutation, or give upTo", len(input.Ids), maxMarked)
	}
	return event.IDIn(input.Ids...), nil
}

func (n *notifications) list(ctx context.Context, unreadOnly bool, b bounds, order *NotificationOrder) (*NotificationConnection, error) {
	b, err := b.checked()
	if err != nil {
		return nil, err
	}
	query := n.client.Event.Query()
	if unreadOnly {
		query.Where(event.ReadAtIsNil())
	}
	by := notificationOrders[NotificationOrderFieldCreatedAt]
	if order != nil {
		by = notificationOrders[order.Field].towards(order.Direction)
	}
	return connect(ctx, query, b, by)
}
