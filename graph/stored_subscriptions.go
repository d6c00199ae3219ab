package graph

import (
	"context"
	"errors"
	"slices"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/storedsubscription"
	"lorebridge/rule"
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

func (r *Resolver) storedSubscriptions(ctx context.Context, state *storedsubscription.State, topic *string, b bounds,
	order *StoredSubscriptionOrder,
) (*StoredSubscriptionConnection, error) {
	if err := r.administers(ctx); err != nil {
		return nil, err
	}
	b, err := b.checked()
	if err != nil {
		return nil, err
	}
	query := r.Client.StoredSubscription.Query()
	if state != nil {
		query.Where(storedsubscription.StateEQ(*state))
	}
	if topic != nil {
		query.Where(storedsubscription.Topic(*topic))
	}
	by := storedSubscriptionOrders[StoredSubscriptionOrderFieldCreatedAt]
	if order != nil {
		by = storedSubscriptionOrders[order.Field].towards(order.Direction)
	}
	// The rule of StoredSubscription shows people their own; administrators see everybody's.
	return connect(auth.AsSystem(ctx), query, b, by)
}

// storedSubscription is a subscription by its id. To whoever is no administrator none exists, not even their own.
func (r *Resolver) storedSubscription(ctx context.Context, id int) (ent.Noder, error) {
	err := r.administers(ctx)
	if errors.Is(err, errAdministrators) {
		return nil, rule.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	query, err := r.Client.StoredSubscription.Query().Where(storedsubscription.ID(id)).CollectFields(ctx)
	if err != nil {
		return nil, err
	}
	found, err := query.Only(auth.AsSystem(ctx))
	if err != nil {
		return nil, err
	}
	return found, nil
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
