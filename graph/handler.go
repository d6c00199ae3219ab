package graph

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"

	"entgo.io/contrib/entgql"
	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2/ast"

	"lorebridge/ent"
	"lorebridge/ent/knowledgerequest"
	"lorebridge/ent/subscriber"
)

// What is kept for the next time, by anybody: a parsed document takes some fifty times the memory of its text.
const (
	cachedDocuments  = 200
	maxCachedParsed  = 8 << 10 // bytes of its text
	cachedHashes     = 1000
	maxCachedPersist = 16 << 10 // bytes
)

// cursor is a place in a list, as ent writes it.
type cursor = entgql.Cursor[int]

// Handler is the handler of /graphql. It must stand behind auth.Middleware, which finds out who is asking and refuses pages of other
// origins.
type Handler struct {
	// Executor runs operations besides those that the handler is asked for, with the same limits and errors.
	Executor    graphql.GraphExecutor
	transports  []graphql.Transport
	connections *connections
	log         *slog.Logger
}

// NewHandler returns the handler of /graphql.
func NewHandler(s Settings, p Parts) (*Handler, error) {
	resolver, err := newResolver(s, p)
	if err != nil {
		return nil, err
	}
	server := executor.New(NewExecutableSchema(config(resolver)))
	server.SetQueryCache(selected[*ast.QueryDocument]{
		lru.New[*ast.QueryDocument](cachedDocuments),
		func(query string, _ *ast.QueryDocument) bool { return len(query) <= maxCachedParsed },
	})
	server.SetParserTokenLimit(maxTokens)
	server.SetDisableSuggestion(true)
	server.SetErrorPresenter(presenter(p.Logger))
	server.SetRecoverFunc(recoverer(p.Logger))
	if p.Introspection {
		server.Use(extension.Introspection{})
	}
	server.Use(repeatLimit{})
	server.Use(extension.AutomaticPersistedQuery{Cache: selected[string]{
		lru.New[string](cachedHashes),
		func(_, query string) bool { return len(query) <= maxCachedPersist },
	}})
	server.Use(extentLimit{introspection: p.Introspection})
	server.Use(&extension.ComplexityLimit{Func: func(_ context.Context, operation *graphql.OperationContext) int {
		if operation.Operation.Operation == ast.Subscription {
			return maxSubscriptionComplexity
		}
		return maxComplexity
	}})
	server.Use(stillSignedIn{})
	server.Use(sessionAlone{})
	server.Use(oneSubscription{})
	post := httpTransport{log: p.Logger, timeout: DefaultTimeout, subscriptions: p.Subscriptions}
	times := p.Times.withDefaults()
	return &Handler{
		Executor: server,
		transports: []graphql.Transport{
			webSockets{http: post, connections: resolver.connections, times: times},
			eventStreams{http: post, connections: resolver.connections, times: times},
			post,
		},
		connections: resolver.connections,
		log:         p.Logger,
	}, nil
}

// Close ends all WebSockets and event streams, which http.Server.Shutdown would leave or wait for, and returns when nothing of them is
// left. From then on there are no new ones. Other requests go on.
func (h *Handler) Close() { h.connections.stop() }

// ServeHTTP gives the request to the first transport that supports it; the last one supports every request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if reason := recover(); reason != nil {
			h.log.ErrorContext(r.Context(), "a request panicked", slog.Any("reason", reason), slog.String("stack", string(debug.Stack())))
			httpTransport{log: h.log}.refuse(w, typeJSON, http.StatusInternalServerError, failure(codeInternal, "internal error"))
		}
	}()
	r = r.WithContext(graphql.StartOperationTrace(r.Context()))
	for _, transport := range h.transports {
		if transport.Supports(r) {
			transport.Do(w, r, h.Executor)
			return
		}
	}
}

// config binds the resolvers, and weighs what costs more than a field: a list by its page, a search and a count by the
// rows they look through, a long text by its size.
func config(r *Resolver) Config {
	const (
		textWeight   = 20
		countWeight  = 5 // times the page, for it stands within the list
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
	c := Config{Resolvers: r}
	weights := &c.Complexity
	weights.Query.Users = func(child int, search *string, first *int, _ *cursor, last *int, _ *cursor, _ *ent.UserOrder) int {
		return list(child, first, last, search)
	}
	weights.Query.Knowledge = func(child int, search *string, _ *ent.KnowledgeWhereInput, first *int, _ *cursor, last *int,
		_ *cursor, _ *ent.KnowledgeOrder,
	) int {
		return list(child, first, last, search)
	}
	weights.Query.KnowledgeRequests = func(child int, _ RequestBox, _ *knowledgerequest.Status,
		_ *ent.KnowledgeRequestWhereInput, first *int, _ *cursor, last *int, _ *cursor, _ *ent.KnowledgeRequestOrder,
	) int {
		return list(child, first, last, nil)
	}
	weights.Query.Notifications = func(child int, _ bool, first *int, _ *cursor, last *int, _ *cursor, _ *ent.NotificationOrder) int {
		return list(child, first, last, nil)
	}
	weights.Query.StoredSubscriptions = func(child int, _ *subscriber.State, _ *string, first *int, _ *cursor, last *int, _ *cursor,
		_ *ent.StoredSubscriptionOrder,
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
