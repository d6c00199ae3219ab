package bridge

import (
	"context"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// HeaderChannel is the header of an answer that names the channel of a subscription.
const HeaderChannel = "X-Subscription-ID"

// Transport returns a transport for gqlgen's Server.AddTransport. A subscription that arrives by next, such as
// transport.POST, is registered, and its answer names its channel. All else is next's.
func (b *Bridge) Transport(next graphql.Transport) graphql.Transport { return carrier{next, b} }

type carrier struct {
	graphql.Transport
	bridge *Bridge
}

var _ graphql.Transport = carrier{}

func (c carrier) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	c.Transport.Do(w, r, registrar{exec, c.bridge, w})
}

// registrar is an executor that registers subscriptions in place of running them.
type registrar struct {
	graphql.GraphExecutor
	bridge *Bridge
	w      http.ResponseWriter
}

func (r registrar) DispatchOperation(ctx context.Context, oc *graphql.OperationContext) (graphql.ResponseHandler, context.Context) {
	if oc.Operation == nil || oc.Operation.Operation != ast.Subscription {
		return r.GraphExecutor.DispatchOperation(ctx, oc)
	}
	response, channel := r.bridge.Register(ctx, r.GraphExecutor, oc)
	if channel != "" {
		r.w.Header().Set(HeaderChannel, channel)
	}
	return graphql.OneShot(response), ctx
}
