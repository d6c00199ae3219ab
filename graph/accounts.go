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
		return nil, nil //nolint:nilnil // nobody is signed in, and the schema says null
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

// viewerOf is what the owner of an account sees of it.
func viewerOf(account *ent.User) *Viewer { return &Viewer{Email: account.Email, User: account} }

// email shows an address to its owner alone: wherever the account stands in the answer.
func (a *accounts) email(ctx context.Context, u *ent.User) (*string, error) {
	if u.ID != viewerID(ctx) {
		return nil, nil //nolint:nilnil // hidden, and the schema says null
	}
	return &u.Email, nil
}

// viewerID is who reads the answer of the operation: whom it signs in, for signing in stands alone in its document,
// or else who sent it. It is 0 for nobody.
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

// handOver gives a session to its person, after its transaction: the token for the answer, or the cookie, never both.
func handOver(ctx context.Context, session auth.Session, kind SessionKind) (token *string, err error) {
	if kind == SessionKindToken {
		return &session.Token, nil
	}
	return nil, auth.GiveCookie(ctx, session)
}

type cookielessKey struct{}

// withoutCookies marks the operations of a connection whose headers are long gone: none can give a cookie, or take it.
func withoutCookies(ctx context.Context) context.Context {
	return context.WithValue(ctx, cookielessKey{}, true)
}

func cookieless(ctx context.Context) bool { return ctx.Value(cookielessKey{}) != nil }

// deliverable refuses a session that could not be handed over, before it begins.
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
