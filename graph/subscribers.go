package graph

import (
	"context"
	"errors"
	"slices"

	"entgo.io/contrib/entgql"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/subscriber"
)

// errAdministrators is told to whoever is none.
var errAdministrators = errors.New("this is for administrators: ADMIN_EMAILS names them")

// administers returns an error unless the viewer's address is one of Settings.Administrators.
func (r *Resolver) administers(ctx context.Context) error {
	viewer, err := auth.FromContext(ctx)
	if err != nil {
		return err
	}
	account, err := r.Client.User.Get(ctx, viewer.UserID)
	if err != nil {
		return err
	}
	if !slices.Contains(r.administrators, account.Email) {
		return errAdministrators
	}
	return nil
}

func (r *Resolver) subscribers(ctx context.Context, state *subscriber.State, topic *string, b bounds, order *ent.SubscriberOrder) (*ent.SubscriberConnection, error) {
	if err := r.administers(ctx); err != nil {
		return nil, err
	}
	b, err := b.checked()
	if err != nil {
		return nil, err
	}
	query := r.Client.Subscriber.Query()
	if state != nil {
		query.Where(subscriber.StateEQ(*state))
	}
	if topic != nil {
		query.Where(subscriber.Topic(*topic))
	}
	if order == nil {
		order = &ent.SubscriberOrder{Field: ent.SubscriberOrderFieldCreatedAt, Direction: entgql.OrderDirectionDesc}
	}
	if err := b.within(order.Field.String()); err != nil {
		return nil, err
	}
	// The rule of Subscriber shows people their own; administrators see everybody's.
	return query.Paginate(auth.AsSystem(ctx), b.after, b.first, b.before, b.last, ent.WithSubscriberOrder(order))
}

func (r *Resolver) endSubscription(ctx context.Context, input EndSubscriptionInput) (*EndSubscriptionPayload, error) {
	if err := r.administers(ctx); err != nil {
		return nil, err
	}
	if err := r.Subscriptions.End(ctx, input.ID, "ended by an administrator"); err != nil {
		return nil, err
	}
	return &EndSubscriptionPayload{EndedID: input.ID}, nil
}
