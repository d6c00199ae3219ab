package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/rule"
)

// Settings has the administrators and the limit for requests. (Config is gqlgen's.)
type Settings struct {
	// Administrators are the e-mail addresses of the people who may see and end all subscriptions.
	Administrators []string `env:"ADMIN_EMAILS" help:"e-mail addresses of the accounts that may see and end subscriptions, separated by commas"`
	// RequestsPerMinute is how many knowledge requests a person may make a minute.
	RequestsPerMinute int `env:"REQUESTS_PER_MINUTE" envDefault:"60" help:"a whole number: knowledge requests a minute per person"`
}

// Validate returns an error that names the variable that is wrong, and what it may be.
func (s Settings) Validate() error {
	if s.RequestsPerMinute < 1 {
		return fmt.Errorf("REQUESTS_PER_MINUTE is %d: it must be at least 1", s.RequestsPerMinute)
	}
	for _, address := range s.Administrators {
		if _, err := rule.Email("ADMIN_EMAILS", address); err != nil {
			return err
		}
	}
	return nil
}

// Deps holds what the resolvers need besides their Settings.
type Deps struct {
	Client   *ent.Client
	WithTx   auth.WithTx
	Accounts *auth.Accounts
	Logger   *slog.Logger
	// Subscriptions delivers the values of the Subscription fields.
	Subscriptions Subscriptions
	// Realtime returns how the browser of a person connects to Pusher.
	Realtime func(ctx context.Context, userID int) (*Realtime, error)
	// Times limits how long WebSockets and event streams wait. Its zero means the defaults.
	Times StreamTimes
	// Introspection lets clients read the schema.
	Introspection bool
	// Playground is the path to which a browser that opens /graphql is redirected. If it is empty there is none.
	Playground string
	// MaxStreams limits how many WebSockets and event streams are open at a time. Zero means DefaultMaxStreams.
	MaxStreams int
}

// validate returns an error if a field is missing whose zero is not allowed.
func (d Deps) validate() error {
	if d.Client == nil || d.WithTx == nil || d.Accounts == nil || d.Logger == nil || d.Subscriptions == nil || d.Realtime == nil {
		return errors.New("graph: Deps needs all its fields")
	}
	return nil
}

// Resolver implements ResolverRoot. Each concept has a type of its own, in a file of its own.
type Resolver struct {
	client              *ent.Client
	accounts            *accounts
	knowledge           *knowledgeItems
	requests            *requests
	notifications       *notifications
	subscriptions       *subscriptions
	storedSubscriptions *storedSubscriptions
}

func newResolver(s Settings, d Deps) (*Resolver, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if err := d.validate(); err != nil {
		return nil, err
	}
	limit, err := auth.NewLimiter[int](s.RequestsPerMinute)
	if err != nil {
		return nil, err
	}
	administrators, err := addresses(s.Administrators)
	if err != nil {
		return nil, err
	}
	return &Resolver{
		client:              d.Client,
		accounts:            &accounts{client: d.Client, withTx: d.WithTx, sessions: d.Accounts, connect: d.Realtime},
		knowledge:           &knowledgeItems{client: d.Client, withTx: d.WithTx},
		requests:            &requests{client: d.Client, withTx: d.WithTx, limit: limit},
		notifications:       &notifications{client: d.Client, withTx: d.WithTx},
		subscriptions:       &subscriptions{client: d.Client, feeds: d.Subscriptions},
		storedSubscriptions: &storedSubscriptions{client: d.Client, running: d.Subscriptions, administrators: administrators},
	}, nil
}

// node returns a row whose type is a Node of the schema. ent would also return rows of other tables.
func (r *Resolver) node(ctx context.Context, id int) (ent.Noder, error) {
	if _, err := auth.FromContext(ctx); err != nil {
		return nil, err
	}
	found, err := r.client.Noder(ctx, id)
	if ent.IsNotFound(err) {
		return r.storedSubscriptions.get(ctx, id) // the policy of StoredSubscription hides those of other people
	}
	if err != nil {
		return nil, err
	}
	switch found.(type) {
	case *ent.User, *ent.Knowledge, *ent.KnowledgeRequest, *ent.Event:
		return found, nil
	case *ent.StoredSubscription:
		return r.storedSubscriptions.get(ctx, id)
	}
	return nil, rule.ErrNotFound
}
