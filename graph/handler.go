package graph

import (
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"lorebridge/ent"
	"lorebridge/ent/knowledgerequest"
	"lorebridge/ent/storedsubscription"
)

// Handler is the handler of /graphql. It must be wrapped by auth.Middleware, which finds out who is asking and rejects
// pages of other origins. It may be called concurrently.
type Handler struct {
	// Executor runs operations that did not come to the handler, with the same limits and errors.
	Executor    graphql.GraphExecutor
	transports  []graphql.Transport
	connections *connections
	log         *slog.Logger
}

// NewHandler returns the handler of /graphql.
func NewHandler(s Settings, d Deps) (*Handler, error) {
	resolver, err := newResolver(s, d)
	if err != nil {
		return nil, err
	}
	server, err := newEngine(NewExecutableSchema(config(resolver)), d.Logger, d.Introspection)
	if err != nil {
		return nil, err
	}
	post := httpTransport{log: d.Logger, timeout: DefaultTimeout, subscriptions: d.Subscriptions}
	open := newConnections(d.Accounts, d.MaxStreams)
	times := d.Times.withDefaults()
	return &Handler{
		Executor: server,
		transports: []graphql.Transport{
			webSockets{http: post, connections: open, times: times},
			visits{playground: d.Playground},
			eventStreams{http: post, connections: open, times: times},
			post,
		},
		connections: open,
		log:         d.Logger,
	}, nil
}

// Close ends all WebSockets and event streams, and returns when nothing of them is left. http.Server.Shutdown would
// leave them or wait for them. From then on new ones are rejected. Other requests go on.
func (h *Handler) Close() { h.connections.stop() }

// ServeHTTP gives the request to the first transport that supports it; the last one supports every request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if reason := recover(); reason != nil {
			h.log.ErrorContext(r.Context(), "a request panicked", slog.Any("reason", reason), slog.String("stack", string(debug.Stack())))
			httpTransport{log: h.log}.reject(w, typeJSON, http.StatusInternalServerError, failure(codeInternal, "internal error"))
		}
	}()
	w.Header().Set("Cache-Control", "private, no-store")
	w.Header().Add("Vary", "Accept")
	r = r.WithContext(graphql.StartOperationTrace(r.Context()))
	for _, transport := range h.transports {
		if transport.Supports(r) {
			transport.Do(w, r, h.Executor)
			return
		}
	}
}

// servedSchema returns the schema with only those directives that work on every transport. gqlparser adds some that no
// transport supports, such as @defer. @broadcastable is for the bridge, which reads it from the schema.
func servedSchema() *ast.Schema {
	served := *parsedSchema
	served.Directives = make(map[string]*ast.DirectiveDefinition)
	for _, name := range []string{"skip", "include", "deprecated", "specifiedBy", "oneOf"} {
		served.Directives[name] = parsedSchema.Directives[name]
	}
	return &served
}

// config binds the resolvers, and sets the costs of what costs more than a field. A list costs its page, a search and a
// count the rows that they read, and a long text its size.
func config(r *Resolver) Config {
	const (
		textWeight   = 20
		countWeight  = 5 // times the page, because it is a field of the list
		searchWeight = 600
	)
	list := func(child int, first, last *int, search *string) int {
		cost := pageCost(child, first, last)
		if search != nil {
			cost += searchWeight
		}
		return cost
	}
	text := func(child int) int { return child + textWeight }
	count := func(child int) int { return child + countWeight }
	c := Config{Resolvers: r, Schema: servedSchema()}
	weights := &c.Complexity
	weights.Query.Users = func(child int, search *string, first *int, _ *Cursor, last *int, _ *Cursor, _ *UserOrder) int {
		return list(child, first, last, search)
	}
	weights.Query.Knowledge = func(child int, search *string, _ *ent.KnowledgeWhereInput, first *int, _ *Cursor, last *int,
		_ *Cursor, _ *KnowledgeOrder,
	) int {
		return list(child, first, last, search)
	}
	weights.Query.KnowledgeRequests = func(child int, _ RequestBox, _ *knowledgerequest.Status,
		_ *ent.KnowledgeRequestWhereInput, first *int, _ *Cursor, last *int, _ *Cursor, _ *KnowledgeRequestOrder,
	) int {
		return list(child, first, last, nil)
	}
	weights.Query.Notifications = func(child int, _ bool, first *int, _ *Cursor, last *int, _ *Cursor, _ *NotificationOrder) int {
		return list(child, first, last, nil)
	}
	weights.Query.StoredSubscriptions = func(child int, _ *storedsubscription.State, _ *string, first *int, _ *Cursor, last *int, _ *Cursor,
		_ *StoredSubscriptionOrder,
	) int {
		return list(child, first, last, nil)
	}
	weights.Knowledge.Content = text
	weights.KnowledgeRequest.ResponseContent = text
	weights.UserConnection.TotalCount = count
	weights.KnowledgeConnection.TotalCount = count
	weights.KnowledgeRequestConnection.TotalCount = count
	weights.NotificationConnection.TotalCount = count
	weights.StoredSubscriptionConnection.TotalCount = count
	weights.NotificationConnection.UnreadCount = count
	return c
}
