package schema

import (
	"context"

	"lorebridge/auth"
	"lorebridge/ent/privacy"
	"lorebridge/rule"
)

// signedIn rejects requests without a viewer. Every policy begins with it, and denies everything that no later rule
// allows.
func signedIn() privacy.QueryMutationRule {
	return privacy.ContextQueryMutationRule(func(ctx context.Context) error {
		if _, err := auth.FromContext(ctx); err != nil {
			return err
		}
		return privacy.Skip
	})
}

// forbidden ends a mutation policy: only the server itself may do this.
func forbidden() privacy.QueryMutationRule {
	return privacy.ContextQueryMutationRule(func(context.Context) error { return rule.ErrForbidden })
}

// viewerID returns the id of the viewer, or 0, which no person has. It is for rules behind signedIn.
func viewerID(ctx context.Context) int {
	viewer, err := auth.FromContext(ctx)
	if err != nil {
		return 0
	}
	return viewer.UserID
}
