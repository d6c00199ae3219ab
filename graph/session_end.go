package graph

import (
	"context"
	"errors"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"lorebridge/auth"
	"lorebridge/rule"
)

// sessionEnded reports whether ctx has ended because the session of its request or connection did.
func sessionEnded(ctx context.Context) bool {
	return errors.Is(context.Cause(ctx), auth.ErrSessionEnded)
}

// stillSignedIn rejects an operation whose session has ended since its request began, because the body may have taken
// long to arrive. It also rejects an operation whose session could not be read, because its viewer is unknown.
type stillSignedIn struct{}

var _ graphql.OperationContextMutator = stillSignedIn{}

func (stillSignedIn) MutateOperationContext(ctx context.Context, _ *graphql.OperationContext) *gqlerror.Error {
	if sessionEnded(ctx) {
		return failure(codeUnauthenticated, auth.ErrSessionEnded.Error())
	}
	_, err := auth.FromContext(ctx)
	if unavailable, ok := errors.AsType[*rule.UnavailableError](err); ok {
		rejection := failure(codeUnavailable, unavailable.Message())
		rejection.Extensions["retryAfter"] = unavailable.Seconds()
		return rejection
	}
	return nil
}

// keepBack replaces the response of a query whose session ended meanwhile by an error. The response of a mutation is
// kept, because the mutation has run.
func keepBack(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	response := next(ctx)
	if response == nil || !sessionEnded(ctx) || !graphql.HasOperationContext(ctx) || graphql.GetOperationContext(ctx).Operation == nil ||
		graphql.GetOperationContext(ctx).Operation.Operation != ast.Query {
		return response
	}
	return &graphql.Response{Errors: gqlerror.List{failure(codeUnauthenticated, auth.ErrSessionEnded.Error())}}
}
