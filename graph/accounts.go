package graph

import (
	"context"
	"errors"

	"github.com/99designs/gqlgen/graphql"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/user"
	"lorebridge/rule"
)

// accounts resolves the fields of people: who they are, and how they sign up, in and out.
type accounts struct {
	client   *ent.Client
	withTx   auth.WithTx
	sessions *auth.Accounts
	connect  func(ctx context.Context, userID int) (*Realtime, error)
}

func (a *accounts) me(ctx context.Context) (*ent.User, error) {
	viewer, err := auth.FromContext(ctx)
	if errors.Is(err, auth.ErrUnauthenticated) {
		return nil, nil //nolint:nilnil // nobody is signed in, and the schema has null for it
	}
	if err != nil {
		return nil, err
	}
	return a.client.User.Query().Where(user.ID(viewer.UserID)).Only(ctx)
}

func (a *accounts) viewer(ctx context.Context) (*Viewer, error) {
	account, err := a.me(ctx)
	if err != nil || account == nil {
		return nil, err
	}
	return viewerOf(account), nil
}

// viewerOf returns what the owner of an account sees of it.
func viewerOf(account *ent.User) *Viewer { return &Viewer{Email: account.Email, User: account} }

// email returns an address only to its owner, wherever the account is in the answer.
func (a *accounts) email(ctx context.Context, u *ent.User) (*string, error) {
	if u.ID != viewerID(ctx) {
		return nil, nil //nolint:nilnil // hidden, and the schema has null for it
	}
	return &u.Email, nil
}

// viewerID returns the id of the person who reads the answer of the operation, or 0 for nobody. It is the person whom
// the operation signs in, because such an operation has no other field, and otherwise its sender.
func viewerID(ctx context.Context) int {
	root := graphql.GetFieldContext(ctx)
	for root.Parent != nil && root.Parent.Field.Field != nil {
		root = root.Parent
	}
	switch payload := root.Result.(type) {
	case *SignUpPayload:
		return payload.User.ID
	case *SignInPayload:
		return payload.User.ID
	}
	viewer, err := auth.FromContext(ctx)
	if err != nil {
		return 0
	}
	return viewer.UserID
}

func (a *accounts) signUp(ctx context.Context, input SignUpInput) (*SignUpPayload, error) {
	if err := deliverable(ctx, input.Session); err != nil {
		return nil, err
	}
	session, err := a.sessions.SignUp(ctx, a.withTx, auth.NewAccount{
		Name: input.Name, Email: input.Email, Password: input.Password,
	})
	if err != nil {
		return nil, err
	}
	token, err := handOver(ctx, session, input.Session)
	return &SignUpPayload{Viewer: viewerOf(session.User), User: session.User, Token: token, ExpiresAt: session.ExpiresAt}, err
}

func (a *accounts) signIn(ctx context.Context, input SignInInput) (*SignInPayload, error) {
	if err := deliverable(ctx, input.Session); err != nil {
		return nil, err
	}
	session, err := a.sessions.SignIn(ctx, a.withTx, input.Email, input.Password)
	if err != nil {
		return nil, err
	}
	token, err := handOver(ctx, session, input.Session)
	return &SignInPayload{Viewer: viewerOf(session.User), User: session.User, Token: token, ExpiresAt: session.ExpiresAt}, err
}

// handOver gives a session to its person after the commit. It returns the token for the answer or sets the cookie,
// never both.
func handOver(ctx context.Context, session auth.Session, kind SessionKind) (token *string, err error) {
	if kind == SessionKindToken {
		return &session.Token, nil
	}
	return nil, auth.GiveCookie(ctx, session)
}

type cookielessKey struct{}

// withoutCookies marks the operations of a connection whose headers were sent already. They can set no cookie and clear
// none.
func withoutCookies(ctx context.Context) context.Context {
	return context.WithValue(ctx, cookielessKey{}, true)
}

func cookieless(ctx context.Context) bool { return ctx.Value(cookielessKey{}) != nil }

// deliverable returns an error for a session that handOver could not give to its person. It runs before the session
// begins.
func deliverable(ctx context.Context, kind SessionKind) error {
	if kind == SessionKindCookie && cookieless(ctx) {
		return rule.Inputf("session", "a WebSocket cannot carry a cookie: send this by POST, or ask for TOKEN")
	}
	return nil
}

func (a *accounts) signOut(ctx context.Context) (*SignOutPayload, error) {
	if cookieless(ctx) {
		return nil, rule.Inputf("signOut", "a WebSocket cannot take the cookie, and ends with its session: send this by POST")
	}
	if err := auth.TakeCookie(ctx); err != nil {
		return nil, err
	}
	viewer, err := auth.FromContext(ctx)
	if errors.Is(err, auth.ErrUnauthenticated) {
		return &SignOutPayload{SignedOut: false}, nil
	}
	if err != nil {
		return nil, err
	}
	if err := a.sessions.SignOut(ctx, a.withTx, viewer); err != nil {
		return nil, err
	}
	return &SignOutPayload{SignedOut: true}, nil
}

func (a *accounts) realtime(ctx context.Context) (*Realtime, error) {
	viewer, err := auth.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	return a.connect(ctx, viewer.UserID)
}

func (a *accounts) users(ctx context.Context, text *string, b bounds, order *UserOrder) (*UserConnection, error) {
	b, err := b.checked()
	if err != nil {
		return nil, err
	}
	query := a.client.User.Query()
	switch text, err := search(text); {
	case err != nil:
		return nil, err
	case text != "":
		query.Where(user.NameKeyContains(rule.Fold(text)))
	}
	by := userOrders[UserOrderFieldName]
	if order != nil {
		by = userOrders[order.Field].towards(order.Direction)
	}
	return connect(ctx, query, b, by)
}
