package auth

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"lorebridge/ent"
	"lorebridge/ent/user"
	"lorebridge/rule"
)

// errCredentials is the same for an unknown address and a wrong password.
const errCredentials = unauthenticated("this e-mail address and password do not fit together")

// Deps holds the dependencies of Accounts.
type Deps struct {
	Client *ent.Client
	Logger *slog.Logger
	// Sweep is the interval at which Run compares the sessions with something open against the table. Zero is 2
	// seconds.
	Sweep time.Duration
}

// Accounts keeps people's accounts and sessions. It may be used concurrently.
type Accounts struct {
	client    *ent.Client
	log       *slog.Logger
	sweep     time.Duration
	listeners []Listener
	requests  *requests
	sessions  *sessions
	passwords *passwords
	perClient *Limiter[string]
	perPair   *Limiter[pair]
	signUps   *Limiter[string]
}

// pair is an account and the address from which somebody tries to sign in to it.
type pair struct{ email, address string }

// NewAccounts returns accounts that read and write through the client, except in methods that take a WithTx. Run must
// run, or the ends of sessions are not noticed. NewAccounts adds hooks to the client, so nobody else may use the
// client before it returns.
func NewAccounts(c Config, d Deps) (*Accounts, error) {
	if d.Client == nil || d.Logger == nil {
		return nil, errors.New("auth: Deps needs a Client and a Logger")
	}
	a := &Accounts{
		client: d.Client, log: d.Logger, sweep: cmp.Or(d.Sweep, sweepInterval), passwords: newPasswords(),
		requests: &requests{open: make(map[*request]struct{})},
	}
	a.Listen(a.requests)
	var err error
	if a.sessions, err = newSessions(); err != nil {
		return nil, err
	}
	a.sessions.watch(d.Client)
	if a.perClient, err = NewLimiter[string](c.SignInsPerAddress); err != nil {
		return nil, err
	}
	if a.perPair, err = NewLimiter[pair](c.SignInsPerAccount); err != nil {
		return nil, err
	}
	if a.signUps, err = NewLimiter[string](c.SignUpsPerAddress); err != nil {
		return nil, err
	}
	return a, nil
}

// NewAccount is the input of SignUp.
type NewAccount struct{ Name, Email, Password string }

// WithTx runs fn in a transaction, as outbox.Log.WithTx does. After an error fn may still be running, so the caller
// must not read what fn writes.
type WithTx func(ctx context.Context, fn func(ctx context.Context, tx *ent.Client) error) error

// SignUp creates an account and its first session in one transaction. It returns a *rule.InputError if the address is
// taken or a text breaks a rule, and a *RateLimitError after too many accounts from one client address.
func (a *Accounts) SignUp(ctx context.Context, withTx WithTx, n NewAccount) (Session, error) {
	if err := a.signUps.Allow(ClientFrom(ctx).Key()); err != nil {
		return Session{}, err
	}
	hash, err := a.passwords.hash(ctx, n.Password)
	if err != nil {
		return Session{}, err
	}
	var s Session
	if err := withTx(ctx, func(ctx context.Context, tx *ent.Client) error {
		id, err := tx.User.Create().SetName(n.Name).SetEmail(n.Email).SetPasswordHash(hash).
			OnConflictColumns(user.FieldEmail).DoNothing().ID(AsSystem(ctx))
		if errors.Is(err, sql.ErrNoRows) {
			return rule.Inputf("email", "is taken: sign in, or give another one")
		}
		if err != nil {
			return err
		}
		account, err := tx.User.Get(AsSystem(ctx), id)
		if err != nil {
			return err
		}
		s, err = a.begin(ctx, tx, account)
		return err
	}); err != nil {
		return Session{}, err
	}
	return s, nil
}

// SignIn begins a session. Wrong credentials return an error that wraps ErrUnauthenticated, after the same work
// whether the address or the password is wrong. Too many attempts return a *RateLimitError.
func (a *Accounts) SignIn(ctx context.Context, withTx WithTx, email, password string) (Session, error) {
	email, invalid := rule.Email("email", email)
	address := ClientFrom(ctx).Key()
	if err := a.perClient.Allow(address); err != nil {
		return Session{}, err
	}
	if err := a.perPair.Allow(pair{email, address}); err != nil {
		return Session{}, err
	}
	if invalid != nil {
		return Session{}, invalid
	}
	account, err := a.client.User.Query().Where(user.Email(email)).Only(AsSystem(ctx))
	if err != nil && !ent.IsNotFound(err) {
		return Session{}, fmt.Errorf("read an account: %w", err)
	}
	hash := ""
	if account != nil {
		hash = account.PasswordHash
	}
	match, err := a.passwords.matches(ctx, password, hash)
	if err != nil {
		return Session{}, err
	}
	if !match {
		return Session{}, errCredentials
	}
	var s Session
	if err := withTx(ctx, func(ctx context.Context, tx *ent.Client) (err error) {
		s, err = a.begin(ctx, tx, account)
		return err
	}); err != nil {
		return Session{}, err
	}
	return s, nil
}
