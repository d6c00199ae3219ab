package graph

import (
	"context"
	"errors"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"lorebridge/auth"
)

// streamed runs operations for connections. There an answer can have many responses, and its context must end even if
// nobody waits for that.
type streamed struct {
	graphql.GraphExecutor
	// timeout is how long a query or a mutation may take.
	timeout time.Duration
	// failed handles the error with which a subscription ended. If it returns a response, that is sent.
	failed func(ctx context.Context, err *gqlerror.Error) *graphql.Response
}

// DispatchOperation implements graphql.GraphExecutor. The context that it returns ends when the handler has returned
// nil, after the last response.
func (s streamed) DispatchOperation(ctx context.Context, operation *graphql.OperationContext) (graphql.ResponseHandler, context.Context) {
	var cancel context.CancelFunc
	why := make(chan error, 1)
	subscribes := operation.Operation.Operation == ast.Subscription
	if subscribes {
		ctx, cancel = context.WithCancel(context.WithValue(ctx, endKey{}, why))
	} else {
		ctx, cancel = context.WithTimeout(ctx, s.timeout)
	}
	responses, ctx := s.GraphExecutor.DispatchOperation(ctx, operation)
	answered := false
	return func(ctx context.Context) *graphql.Response {
		response := responses(ctx)
		if response == nil && !answered {
			response = s.last(ctx, subscribes, why)
			answered = true
		}
		if response == nil {
			cancel()
			return nil
		}
		answered = answered || !subscribes
		return response
	}, ctx
}

// last returns the response that follows the last one of the executor, or nil.
func (s streamed) last(ctx context.Context, subscribes bool, why <-chan error) *graphql.Response {
	var err error
	switch {
	case !subscribes && errors.Is(ctx.Err(), context.DeadlineExceeded): // before anything was resolved
		err = context.DeadlineExceeded
	case !subscribes && sessionEnded(ctx):
		err = auth.ErrSessionEnded
	case ctx.Err() != nil: // nobody listens any more
		return nil
	default:
		select {
		case err = <-why:
		default:
			return nil
		}
	}
	response := s.DispatchError(ctx, gqlerror.List{gqlerror.Wrap(err)})
	if !subscribes {
		return response
	}
	return s.failed(ctx, response.Errors[0])
}

type endKey struct{}

// EndStream gives a stream the error that it ends with. It is called before the channel of the subscription field is
// closed.
func EndStream(ctx context.Context, err error) {
	if why, ok := ctx.Value(endKey{}).(chan error); ok {
		select {
		case why <- err:
		default: // it has ended already
		}
	}
}
