package schema

import (
	"context"
	"errors"

	"lorebridge/auth"
	gen "lorebridge/ent"
	"lorebridge/ent/privacy"
	"lorebridge/ent/rule"
)

// signedIn refuses whoever is not signed in. Every policy begins with it, and what no later rule allows is denied.
func signedIn() privacy.QueryMutationRule {
	return privacy.ContextQueryMutationRule(func(ctx context.Context) error {
		if _, err := auth.FromContext(ctx); err != nil {
			return err
		}
		return privacy.Skip
	})
}

// forbidden is the end of a mutation policy: nobody but the server itself does this.
func forbidden() privacy.QueryMutationRule {
	return privacy.ContextQueryMutationRule(func(context.Context) error { return rule.ErrForbidden })
}

// viewerID is the id of who is asking, or 0, which is nobody's: for rules behind signedIn.
func viewerID(ctx context.Context) int {
	viewer, err := auth.FromContext(ctx)
	if err != nil {
		return 0
	}
	return viewer.UserID
}

// refuseAs tells a NotFoundError of ent apart from other errors: which rule made the row unreachable is found by why.
func refuseAs(err error, why func() error) error {
	if !gen.IsNotFound(err) {
		return err
	}
	if reason := why(); reason != nil {
		return reason
	}
	return errors.Join(rule.ErrNotFound, err)
}
