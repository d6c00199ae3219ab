package graph

import (
	"net/http"

	"entgo.io/contrib/entgql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2/ast"

	"lorebridge/ent"
	"lorebridge/ent/knowledgerequest"
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

// NewHandler returns the handler of POST /graphql.
func NewHandler(s Settings, p Parts) (http.Handler, error) {
	resolver, err := newResolver(s, p)
	if err != nil {
		return nil, err
	}
	server := handler.New(NewExecutableSchema(config(resolver)))
	server.AddTransport(httpTransport{log: p.Logger, timeout: DefaultTimeout})
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
	server.Use(extension.FixedComplexityLimit(maxComplexity))
	server.Use(sessionAlone{})
	return server, nil
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
	weights.Knowledge.Content = text
	weights.KnowledgeRequest.ResponseContent = text
	weights.UserConnection.TotalCount = count
	weights.KnowledgeConnection.TotalCount = count
	weights.KnowledgeRequestConnection.TotalCount = count
	weights.NotificationConnection.TotalCount = count
	weights.NotificationConnection.UnreadCount = count
	return c
}
