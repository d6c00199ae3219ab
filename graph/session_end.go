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

// sessionEnded says that the session of the request or the connection of ctx has ended, and with it ctx.
func sessionEnded(ctx context.Context) bool {
	return errors.Is(context.Cause(ctx), auth.ErrSessionEnded)
}

// stillSignedIn refuses an operation whose session has ended since its request began: its body may have taken long to
// arrive. And it refuses one whose session could not be read: nobody knows who is asking.
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

// keepBack answers nothing that a query found out while its session ended. What a mutation has done is answered.
func keepBack(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	response := next(ctx)
	if response == nil || !sessionEnded(ctx) || !graphql.HasOperationContext(ctx) || graphql.GetOperationContext(ctx).Operation == nil ||
		graphql.GetOperationContext(ctx).Operation.Operation != ast.Query {
		return response
	}
	return &graphql.Response{Errors: gqlerror.List{failure(codeUnauthenticated, auth.ErrSessionEnded.Error())}}
}
