package graph

import (
	"context"
	"errors"

	"github.com/99designs/gqlgen/graphql"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/rule"
	"lorebridge/ent/user"
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

// email shows an address to its owner alone. Whoever signs up or in is not the viewer yet, and sees it all the same:
// the account is in their own answer.
func (r *Resolver) email(ctx context.Context, u *ent.User) (*string, error) {
	if holder := graphql.GetFieldContext(ctx).Parent; holder.Object == "SessionPayload" {
		return &u.Email, nil
	}
	viewer, err := auth.FromContext(ctx)
	if err != nil || viewer.UserID != u.ID {
		return nil, nil //nolint:nilnil,nilerr // hidden, and the schema says null
	}
	return &u.Email, nil
}

func (r *Resolver) signUp(ctx context.Context, input SignUpInput) (*SessionPayload, error) {
	if err := deliverable(ctx, input.Session); err != nil {
		return nil, err
	}
	session, err := r.Accounts.SignUp(ctx, r.WithTx, auth.NewAccount{
		Name: input.Name, Email: input.Email, Password: input.Password,
	})
	return begun(ctx, session, input.Session, err)
}

func (r *Resolver) signIn(ctx context.Context, input SignInInput) (*SessionPayload, error) {
	if err := deliverable(ctx, input.Session); err != nil {
		return nil, err
	}
	session, err := r.Accounts.SignIn(ctx, r.WithTx, input.Email, input.Password)
	return begun(ctx, session, input.Session, err)
}

// begun hands a session over, after its transaction: in the cookie or in the answer, never in both.
func begun(ctx context.Context, session auth.Session, kind SessionKind, err error) (*SessionPayload, error) {
	if err != nil {
		return nil, err
	}
	payload := &SessionPayload{User: session.User, ExpiresAt: session.ExpiresAt}
	if kind == SessionKindToken {
		payload.Token = &session.Token
		return payload, nil
	}
	return payload, auth.GiveCookie(ctx, session)
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
