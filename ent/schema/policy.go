package schema

import (
	"context"

	"lorebridge/auth"
	"lorebridge/ent/privacy"
	"lorebridge/rule"
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
