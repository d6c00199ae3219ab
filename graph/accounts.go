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

func (r *Resolver) me(ctx context.Context) (*ent.User, error) {
	viewer, err := auth.FromContext(ctx)
	if errors.Is(err, auth.ErrUnauthenticated) {
		return nil, nil //nolint:nilnil // nobody is signed in, and the schema says null
	}
	if err != nil {
		return nil, err
	}
	return r.Client.User.Query().Where(user.ID(viewer.UserID)).Only(ctx)
}

func (r *Resolver) viewer(ctx context.Context) (*Viewer, error) {
	account, err := r.me(ctx)
	if err != nil || account == nil {
		return nil, err
	}
	return viewerOf(account), nil
}

// viewerOf is what the owner of an account sees of it.
func viewerOf(account *ent.User) *Viewer { return &Viewer{Email: account.Email, User: account} }

// email shows an address to its owner alone: wherever the account stands in the answer.
func (r *Resolver) email(ctx context.Context, u *ent.User) (*string, error) {
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

func (r *Resolver) signUp(ctx context.Context, input SignUpInput) (*SignUpPayload, error) {
	if err := deliverable(ctx, input.Session); err != nil {
		return nil, err
	}
	session, err := r.Accounts.SignUp(ctx, r.WithTx, auth.NewAccount{
		Name: input.Name, Email: input.Email, Password: input.Password,
	})
	if err != nil {
		return nil, err
	}
	token, err := handOver(ctx, session, input.Session)
	return &SignUpPayload{Viewer: viewerOf(session.User), User: session.User, Token: token, ExpiresAt: session.ExpiresAt}, err
}

func (r *Resolver) signIn(ctx context.Context, input SignInInput) (*SignInPayload, error) {
	if err := deliverable(ctx, input.Session); err != nil {
		return nil, err
	}
	session, err := r.Accounts.SignIn(ctx, r.WithTx, input.Email, input.Password)
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

func (r *Resolver) signOut(ctx context.Context) (*SignOutPayload, error) {
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
	if err := r.Accounts.SignOut(ctx, r.WithTx, viewer); err != nil {
		return nil, err
	}
	return &SignOutPayload{SignedOut: true}, nil
}

func (r *Resolver) realtime(ctx context.Context) (*Realtime, error) {
	viewer, err := auth.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	return r.Parts.Realtime(ctx, viewer.UserID)
}
