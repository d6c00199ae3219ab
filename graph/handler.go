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

const (
	cachedDocuments = 1000
	cachedHashes    = 1000
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
	server.SetQueryCache(smallOnly[*ast.QueryDocument]{
		lru.New[*ast.QueryDocument](cachedDocuments),
		func(query string, _ *ast.QueryDocument) int { return len(query) },
	})
	server.SetParserTokenLimit(maxTokens)
	server.SetDisableSuggestion(true)
	server.SetErrorPresenter(presenter(p.Logger))
	server.SetRecoverFunc(recoverer(p.Logger))
	if p.Introspection {
		server.Use(extension.Introspection{})
	}
	server.Use(extension.AutomaticPersistedQuery{Cache: smallOnly[string]{
		lru.New[string](cachedHashes),
		func(_, query string) int { return len(query) },
	}})
	server.Use(extentLimit{introspection: p.Introspection})
	server.Use(extension.FixedComplexityLimit(maxComplexity))
	return server, nil
}

// config binds the resolvers, and weighs each list by its page.
func config(r *Resolver) Config {
	c := Config{Resolvers: r}
	weights := &c.Complexity.Query
	weights.Users = func(child int, _ *string, first *int, _ *cursor, last *int, _ *cursor, _ *ent.UserOrder) int {
		return pageCost(child, first, last)
	}
	weights.Knowledge = func(child int, _ *string, _ *ent.KnowledgeWhereInput, first *int, _ *cursor, last *int, _ *cursor,
		_ *ent.KnowledgeOrder,
	) int {
		return pageCost(child, first, last)
	}
	weights.KnowledgeRequests = func(child int, _ RequestBox, _ *knowledgerequest.Status, _ *ent.KnowledgeRequestWhereInput,
		first *int, _ *cursor, last *int, _ *cursor, _ *ent.KnowledgeRequestOrder,
	) int {
		return pageCost(child, first, last)
	}
	weights.Notifications = func(child int, _ bool, first *int, _ *cursor, last *int, _ *cursor, _ *ent.NotificationOrder) int {
		return pageCost(child, first, last)
	}
	return c
}
