package graph

import (
	"context"
	"fmt"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"

	"lorebridge/rule"
)

const (
	maxTokens     = 2000   // of one document
	maxComplexity = 10_000 // fields, those of a list times its page
	// A subscription runs for each event, so it may cost less. Texts cost 20.
	maxSubscriptionComplexity = 200
	maxDepth                  = 10      // fields within fields; introspection is exempt
	maxSelections             = 5000    // fields and fragments, with all fragments spread
	maxRepeats                = 100     // of one name in a long document
	longDocument              = 1 << 10 // bytes

	defaultPage = 20
	maxPage     = 100
)

// pageCost returns the cost of a list: that of an item times the rows that are read. If first is given, last does not
// change how many those are. A size out of bounds is rejected later, with a better message.
func pageCost(child int, first, last *int) int {
	size := defaultPage
	switch {
	case first != nil:
		size = *first
	case last != nil:
		size = *last
	}
	return 1 + max(1, min(size, maxPage))*child
}

// search returns the text to search for, or an empty string if there is none.
func search(s *string) (string, error) {
	if s == nil || strings.TrimSpace(*s) == "" {
		return "", nil
	}
	return rule.Line("search", *s, rule.MaxTitle)
}

// extentLimit rejects operations whose fields are nested too deeply, or that have too many fields with all fragments
// spread. It must run before gqlgen's complexity limit, which spreads each fragment anew: a few lines of fragments that
// use each other twice would keep it busy forever. It also rejects introspection if that is off, because gqlgen's error
// would become INTERNAL.
type extentLimit struct{ introspection bool }

var _ graphql.OperationContextMutator = extentLimit{}

func (l extentLimit) MutateOperationContext(_ context.Context, operation *graphql.OperationContext) *gqlerror.Error {
	fragments := make(map[*ast.FragmentDefinition]extent)
	switch e := extentOf(operation.Operation.SelectionSet, fragments); {
	case e.depth > maxDepth:
		return failure(codeComplexity, fmt.Sprintf("fields are nested %d deep, allowed are %d: ask for less at once", e.depth, maxDepth))
	case e.selections > maxSelections:
		return failure(codeComplexity, fmt.Sprintf("the operation selects over %d fields: ask for less at once", maxSelections))
	case e.introspects && !l.introspection:
		return failure(codeValidationFailed, "introspection is off on this server: docs/schema.graphql in its sources has the schema")
	}
	return nil
}

// extent is how far a selection set reaches with its fragments spread.
type extent struct {
	depth, selections int
	introspects       bool // it asks for the schema
}

// extentOf measures each fragment once. Validation has made sure that no fragment contains itself. It stops counting
// selections a little above the limit.
func extentOf(set ast.SelectionSet, fragments map[*ast.FragmentDefinition]extent) extent {
	var total extent
	for _, selection := range set {
		var inner extent
		switch s := selection.(type) {
		case *ast.Field:
			inner = extentOf(s.SelectionSet, fragments)
			inner.depth++
			if strings.HasPrefix(s.Name, "__") {
				inner.depth = 0 // introspection; gqlparser has a rule of its own for it
				inner.introspects = s.Name != "__typename"
			}
		case *ast.InlineFragment:
			inner = extentOf(s.SelectionSet, fragments)
		case *ast.FragmentSpread:
			known, ok := fragments[s.Definition]
			if !ok {
				known = extentOf(s.Definition.SelectionSet, fragments)
				fragments[s.Definition] = known
			}
			inner = known
		}
		total.depth = max(total.depth, inner.depth)
		total.selections = min(total.selections+inner.selections+1, maxSelections+1)
		total.introspects = total.introspects || inner.introspects
	}
	return total
}

// sessionAlone rejects signUp, signIn and signOut beside other mutations, because all fields of an operation have the
// same viewer.
type sessionAlone struct{}

var _ graphql.OperationContextMutator = sessionAlone{}

func (sessionAlone) MutateOperationContext(_ context.Context, operation *graphql.OperationContext) *gqlerror.Error {
	if operation.Operation.Operation != ast.Mutation {
		return nil
	}
	fields := graphql.CollectFields(operation, operation.Operation.SelectionSet, []string{"Mutation"})
	for _, field := range fields {
		switch field.Name {
		case "signUp", "signIn", "signOut":
			if len(fields) > 1 {
				return badInput(field.Name, field.Name+" must be the only field of its mutation: send the others by themselves")
			}
		}
	}
	return nil
}

// oneSubscription rejects subscriptions to no field or to several. Validation lets two fields of one name and a skipped
// field pass, and the executor would return INTERNAL.
type oneSubscription struct{}

var _ graphql.OperationContextMutator = oneSubscription{}

func (oneSubscription) MutateOperationContext(_ context.Context, operation *graphql.OperationContext) *gqlerror.Error {
	if operation.Operation.Operation != ast.Subscription {
		return nil
	}
	if n := len(graphql.CollectFields(operation, operation.Operation.SelectionSet, []string{"Subscription"})); n != 1 {
		return failure(codeValidationFailed, fmt.Sprintf("the subscription has %d fields: it must have one", n))
	}
	return nil
}

// repeatLimit rejects long documents that repeat one name very often, before validation. The rule that fields of one
// name must fit together compares each of them with each other one.
type repeatLimit struct{}

var _ graphql.OperationParameterMutator = repeatLimit{}

func (repeatLimit) MutateOperationParameters(_ context.Context, request *graphql.RawParams) *gqlerror.Error {
	if len(request.Query) <= longDocument {
		return nil
	}
	document := lexer.New(&ast.Source{Input: request.Query})
	seen := make(map[string]int)
	for range maxTokens {
		token, err := document.ReadToken()
		if err != nil {
			return nil //nolint:nilerr // the parser returns what is wrong
		}
		if token.Kind == lexer.EOF {
			return nil
		}
		if token.Kind != lexer.Name {
			continue
		}
		seen[token.Value]++
		if seen[token.Value] > maxRepeats {
			return failure(codeComplexity, fmt.Sprintf("the document has the name %.40s over %d times: ask for less at once", token.Value, maxRepeats))
		}
	}
	return nil
}

// selected adds to a cache only the entries that keep accepts, because the cache limits entries and not bytes.
type selected[T any] struct {
	graphql.Cache[T]
	keep func(key string, value T) bool
}

func (c selected[T]) Add(ctx context.Context, key string, value T) {
	if c.keep(key, value) {
		c.Cache.Add(ctx, key, value)
	}
}
