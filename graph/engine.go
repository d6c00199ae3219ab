package graph

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// The limits of the caches, which all clients share. A parsed document takes about fifty times the memory of its text.
const (
	cachedDocuments  = 200
	maxCachedParsed  = 8 << 10 // bytes of its text
	cachedHashes     = 1000
	maxCachedPersist = 16 << 10 // bytes
)

// engine runs operations for every transport. It decides which may run, because gqlgen's executor coerces variables by
// Go's rules. The executor runs them. Extensions that change parameters or operations belong in before and after: the
// executor's Use has no effect on them.
type engine struct {
	*executor.Executor
	schema    *ast.Schema
	rules     *rules.Rules
	documents graphql.Cache[*ast.QueryDocument]
	recover   graphql.RecoverFunc
	before    []graphql.OperationParameterMutator // run in this order before the document is read
	after     []graphql.OperationContextMutator   // and these once its variables are coerced
}

func newEngine(schema graphql.ExecutableSchema, log *slog.Logger, introspection bool) (*engine, error) {
	e := &engine{
		Executor: executor.New(schema),
		schema:   schema.Schema(),
		rules:    documentRules(),
		documents: selected[*ast.QueryDocument]{
			lru.New[*ast.QueryDocument](cachedDocuments),
			func(query string, _ *ast.QueryDocument) bool { return len(query) <= maxCachedParsed },
		},
		recover: recoverer(log),
	}
	e.SetErrorPresenter(presenter(log))
	e.SetRecoverFunc(e.recover)
	e.AroundResponses(keepBack)
	e.before = []graphql.OperationParameterMutator{
		repeatLimit{},
		extension.AutomaticPersistedQuery{Cache: selected[string]{
			lru.New[string](cachedHashes),
			func(_, query string) bool { return len(query) <= maxCachedPersist },
		}},
	}
	complexity := &extension.ComplexityLimit{Func: func(_ context.Context, operation *graphql.OperationContext) int {
		if operation.Operation.Operation == ast.Subscription {
			return maxSubscriptionComplexity
		}
		return maxComplexity
	}}
	if err := complexity.Validate(schema); err != nil { // and remembers the schema
		return nil, err
	}
	e.after = []graphql.OperationContextMutator{
		extentLimit{introspection: introspection}, complexity, stillSignedIn{}, sessionAlone{}, oneSubscription{},
	}
	if introspection {
		e.after = append(e.after, extension.Introspection{})
	}
	return e, nil
}

// CreateOperationContext makes an operation of a request, or returns why it must not run. The arguments of an operation
// that it returns without an error fit their types.
func (e *engine) CreateOperationContext(ctx context.Context, params *graphql.RawParams) (*graphql.OperationContext, gqlerror.List) {
	operation := &graphql.OperationContext{
		DisableIntrospection:   true,
		RecoverFunc:            e.recover,
		ResolverMiddleware:     func(ctx context.Context, next graphql.Resolver) (any, error) { return next(ctx) },
		RootResolverMiddleware: func(ctx context.Context, next graphql.RootResolver) graphql.Marshaler { return next(ctx) },
		Stats:                  graphql.Stats{Read: params.ReadTime, OperationStart: graphql.GetStartTime(ctx)},
	}
	ctx = graphql.WithOperationContext(ctx, operation)
	for _, step := range e.before {
		if err := step.MutateOperationParameters(ctx, params); err != nil {
			return operation, gqlerror.List{err}
		}
	}
	operation.RawQuery, operation.OperationName = params.Query, params.OperationName
	operation.Extensions, operation.Headers = params.Extensions, params.Headers

	var errs gqlerror.List
	if operation.Doc, errs = e.document(ctx, params.Query); len(errs) > 0 {
		return operation, errs
	}
	var err *gqlerror.Error
	if operation.Operation, err = choose(operation.Doc.Operations, params.OperationName); err != nil {
		return operation, gqlerror.List{err}
	}
	if operation.Variables, errs = coerceVariables(e.schema, operation.Operation, params.Variables); len(errs) > 0 {
		return operation, errs
	}
	if err := nullArgument(operation); err != nil {
		return operation, gqlerror.List{err}
	}
	for _, step := range e.after {
		if err := step.MutateOperationContext(ctx, operation); err != nil {
			return operation, gqlerror.List{err}
		}
	}
	return operation, nil
}

// document returns the parsed and validated document, which may be cached.
func (e *engine) document(ctx context.Context, text string) (*ast.QueryDocument, gqlerror.List) {
	if doc, ok := e.documents.Get(ctx, text); ok {
		return doc, nil
	}
	if half := halfSurrogate(text); half != "" {
		return nil, gqlerror.List{badInput("query",
			"a string of the document has "+half+", half of a surrogate pair, which is no character: send whole characters")}
	}
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, maxTokens)
	if err != nil {
		presented, ok := errors.AsType[*gqlerror.Error](err)
		if !ok {
			presented = gqlerror.Wrap(err)
		}
		errcode.Set(presented, errcode.ParseFailed)
		return nil, gqlerror.List{presented}
	}
	if len(doc.Operations) == 0 {
		return nil, gqlerror.List{failure(codeValidationFailed, "the document has no operation")}
	}
	if errs := validator.ValidateWithRules(e.schema, doc, e.rules); len(errs) > 0 {
		for _, err := range errs {
			if err.Extensions["code"] == nil {
				errcode.Set(err, codeValidationFailed)
			}
		}
		return nil, errs
	}
	if len(doc.Operations) > 1 {
		separate(e.schema, doc)
	}
	e.documents.Add(ctx, text, doc)
	return doc, nil
}

// documentRules returns the rules of the specification, without suggestions of names that the client did not send.
func documentRules() *rules.Rules {
	r := rules.NewDefaultRules()
	for _, swapped := range []struct {
		without string
		rule    core.Rule
	}{
		{rules.FieldsOnCorrectTypeRule.Name, rules.FieldsOnCorrectTypeRuleWithoutSuggestions},
		{rules.ScalarLeafsRule.Name, rules.ScalarLeafsRuleWithoutSuggestions},
		{rules.ValuesOfCorrectTypeRule.Name, literalsRule}, // gqlparser's takes an object for any scalar, and any number for an Int
	} {
		r.RemoveRule(swapped.without)
		r.AddRule(swapped.rule.Name, swapped.rule.RuleFunc)
	}
	return r
}

// separate keeps the operations of a document from using each other's defaults. The validator stores the definition of
// the last operation at each use of a variable, also in fragments that operations share. If the variable is absent,
// gqlparser takes the default of that definition. Without a definition it takes the operation's variables, which have
// their own defaults already.
func separate(schema *ast.Schema, doc *ast.QueryDocument) {
	events := &core.Events{}
	events.OnValue(func(_ *core.Walker, value *ast.Value) { value.VariableDefinition = nil })
	core.Walk(schema, doc, events)
}

// choose returns the operation of that name, or the only operation if there is no name. An empty name counts as none.
func choose(operations ast.OperationList, name string) (*ast.OperationDefinition, *gqlerror.Error) {
	var names []string
	for _, operation := range operations {
		if operation.Name == name || name == "" && len(operations) == 1 {
			return operation, nil
		}
		names = append(names, operation.Name)
	}
	const shown = 10
	list := strings.Join(names[:min(len(names), shown)], ", ")
	switch {
	case name == "":
		return nil, badInput("operationName", "the document has several operations: name one of them in operationName: "+list)
	case list == "":
		return nil, badInput("operationName", "there is no operation "+quote(name)+": the only one has no name, so leave operationName out")
	}
	return nil, badInput("operationName", "there is no operation "+quote(name)+": the document has "+list)
}
