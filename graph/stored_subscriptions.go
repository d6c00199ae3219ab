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

// errAdministrators is the error for people who are no administrators.
var errAdministrators = errors.New("this is for administrators: ADMIN_EMAILS names them")

// storedSubscriptions resolves the fields that administrators have: everybody's stored subscriptions.
type storedSubscriptions struct {
	client         *ent.Client
	running        Subscriptions
	administrators []string // their addresses, in the form in which accounts have them
}

// addresses returns Settings.Administrators in the form in which accounts have them.
func addresses(administrators []string) ([]string, error) {
	accepted := make([]string, len(administrators))
	for i, address := range administrators {
		var err error
		if accepted[i], err = rule.Email("ADMIN_EMAILS", address); err != nil {
			return nil, err
		}
	}
	return accepted, nil
}

// administers returns an error unless the viewer's address is one of Settings.Administrators.
func (s *storedSubscriptions) administers(ctx context.Context) error {
	viewer, err := auth.FromContext(ctx)
	if err != nil {
		return err
	}
	account, err := s.client.User.Get(ctx, viewer.UserID)
	if err != nil {
		return err
	}
	if !slices.Contains(s.administrators, account.Email) {
		return errAdministrators
	}
	return nil
}

func (s *storedSubscriptions) list(ctx context.Context, state *storedsubscription.State, topic *string, b bounds,
	order *StoredSubscriptionOrder,
) (*StoredSubscriptionConnection, error) {
	if err := s.administers(ctx); err != nil {
		return nil, err
	}
	b, err := b.checked()
	if err != nil {
		return nil, err
	}
	query := s.client.StoredSubscription.Query()
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
	// The policy of StoredSubscription shows people only their own. Administrators see all.
	return connect(auth.AsSystem(ctx), query, b, by)
}

// get returns a subscription by its id. For people who are no administrators it returns rule.ErrNotFound, even for
// their own subscriptions.
func (s *storedSubscriptions) get(ctx context.Context, id int) (ent.Noder, error) {
	err := s.administers(ctx)
	if errors.Is(err, errAdministrators) {
		return nil, rule.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	query, err := s.client.StoredSubscription.Query().Where(storedsubscription.ID(id)).CollectFields(ctx)
	if err != nil {
		return nil, err
	}
	found, err := query.Only(auth.AsSystem(ctx))
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (s *storedSubscriptions) end(ctx context.Context, input EndSubscriptionInput) (*EndSubscriptionPayload, error) {
	if err := s.administers(ctx); err != nil {
		return nil, err
	}
	if err := s.running.End(ctx, input.ID, "ended by an administrator"); err != nil {
		return nil, err
	}
	return &EndSubscriptionPayload{EndedID: input.ID}, nil
}
