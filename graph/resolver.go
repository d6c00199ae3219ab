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

// Settings say who may do how much. (Config is gqlgen's.)
type Settings struct {
	// Administrators are the e-mail addresses of those who see and end everybody's subscriptions.
	Administrators []string `env:"ADMIN_EMAILS" help:"e-mail addresses of the accounts that may see and end subscriptions, separated by commas"`
	// RequestsPerMinute is how many knowledge requests a person may make a minute.
	RequestsPerMinute int `env:"REQUESTS_PER_MINUTE" envDefault:"60" help:"a whole number: knowledge requests a minute per person"`
}

// Validate names the variable that is wrong and what it may be.
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

// Parts are what the resolvers work with besides their settings.
type Parts struct {
	Client   *ent.Client
	WithTx   auth.WithTx
	Accounts *auth.Accounts
	Logger   *slog.Logger
	// Subscriptions carries what the Subscription fields tell.
	Subscriptions Subscriptions
	// Realtime tells a person's browser how to connect.
	Realtime func(ctx context.Context, userID int) (*Realtime, error)
	// Times are how long WebSockets and event streams wait; its zero is what they should.
	Times StreamTimes
	// Introspection lets clients read the schema.
	Introspection bool
	// Playground is the path of the page that whoever opens /graphql in a browser is led to; empty if there is none.
	Playground string
	// MaxStreams is how many WebSockets and event streams there may be at a time; 0 is DefaultMaxStreams.
	MaxStreams int
}

// Resolver resolves the root fields, each concept in a file of its own.
type Resolver struct {
	Parts
	connections    *connections
	requests       *auth.Limiter[int] // by user
	administrators []string           // their addresses as accounts have them
}

func newResolver(s Settings, p Parts) (*Resolver, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if p.Client == nil || p.WithTx == nil || p.Accounts == nil || p.Logger == nil || p.Subscriptions == nil ||
		p.Realtime == nil {
		return nil, errors.New("graph: Parts needs all its fields")
	}
	requests, err := auth.NewLimiter[int](s.RequestsPerMinute)
	if err != nil {
		return nil, err
	}
	r := &Resolver{Parts: p, connections: newConnections(p.Accounts, p.MaxStreams), requests: requests}
	for _, address := range s.Administrators {
		address, err := rule.Email("ADMIN_EMAILS", address)
		if err != nil {
			return nil, err
		}
		r.administrators = append(r.administrators, address)
	}
	return r, nil
}
