package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"lorebridge/auth"
	"lorebridge/ent"
)

// Settings say how much one person may do. (Config is gqlgen's.)
type Settings struct {
	// RequestsPerMinute is how many knowledge requests a person may make a minute.
	RequestsPerMinute int `env:"REQUESTS_PER_MINUTE" envDefault:"60" help:"a whole number: knowledge requests a minute per person"`
}

// Validate names the variable that is wrong and what it may be.
func (s Settings) Validate() error {
	if s.RequestsPerMinute < 1 {
		return fmt.Errorf("REQUESTS_PER_MINUTE is %d: it must be at least 1", s.RequestsPerMinute)
	}
	return nil
}

// Parts are what the resolvers work with besides their settings.
type Parts struct {
	Client   *ent.Client
	WithTx   auth.WithTx
	Accounts *auth.Accounts
	Logger   *slog.Logger
	// Realtime tells a person's browser how to connect.
	Realtime func(ctx context.Context, userID int) (*Realtime, error)
	// SessionEnded is called after a session has been signed out.
	SessionEnded func(sessionID int)
	// Introspection lets clients read the schema.
	Introspection bool
}

// Resolver resolves the root fields, each concept in a file of its own.
type Resolver struct {
	Parts
	requests *auth.Limiter[int] // by user
}

func newResolver(s Settings, p Parts) (*Resolver, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if p.Client == nil || p.WithTx == nil || p.Accounts == nil || p.Logger == nil || p.Realtime == nil || p.SessionEnded == nil {
		return nil, errors.New("graph: Parts needs all its fields")
	}
	requests, err := auth.NewLimiter[int](s.RequestsPerMinute)
	if err != nil {
		return nil, err
	}
	return &Resolver{Parts: p, requests: requests}, nil
}
