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

// unread counts what the viewer has not read; the rule of Event makes it the viewer's.
func (r *Resolver) unread(ctx context.Context) (int, error) {
	return r.Client.Event.Query().Where(event.ReadAtIsNil()).Count(ctx)
}

func (r *Resolver) markNotificationsRead(ctx context.Context, input MarkNotificationsReadInput) (*MarkNotificationsReadPayload, error) {
	if _, err := auth.FromContext(ctx); err != nil {
		return nil, err
	}
	which, err := toMark(input)
	if err != nil {
		return nil, err
	}
	payload := &MarkNotificationsReadPayload{}
	if err := r.WithTx(ctx, func(ctx context.Context, tx *ent.Client) (err error) {
		payload.Marked, err = tx.Event.Update().Where(which, event.ReadAtIsNil()).
			SetReadAt(time.Now().UTC().Truncate(time.Millisecond)).Save(ctx)
		if err != nil {
			return err
		}
		payload.UnreadCount, err = tx.Event.Query().Where(event.ReadAtIsNil()).Count(ctx) // here: what fails has marked nothing
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
