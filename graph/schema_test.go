package graph_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql/introspection"
	"github.com/vektah/gqlparser/v2/ast"

	"lorebridge/graph"
)

// schema is the one that clients are shown, with the directives of the server's own.
func schema() *ast.Schema { return graph.NewExecutableSchema(graph.Config{}).Schema() }

// own are the types that stand in the .graphqls files, by their names.
func own(kinds ...ast.DefinitionKind) map[string]*ast.Definition {
	types := make(map[string]*ast.Definition)
	for name, definition := range schema().Types {
		if !definition.BuiltIn && slices.Contains(kinds, definition.Kind) {
			types[name] = definition
		}
	}
	return types
}

func TestEveryRootFieldIsNullable(t *testing.T) {
	t.Parallel()
	for _, root := range []*ast.Definition{schema().Query, schema().Mutation, schema().Subscription} {
		for _, field := range root.Fields {
			if field.Type.NonNull && !strings.HasPrefix(field.Name, "__") {
				t.Errorf("%s.%s is %s: if it fails, it takes its neighbors with it", root.Name, field.Name, field.Type)
			}
		}
	}
}

func TestEveryListIsOfNonNullEdgesAndNodes(t *testing.T) {
	t.Parallel()
	lists := 0
	for name, connection := range own(ast.Object) {
		listed, is := strings.CutSuffix(name, "Connection")
		if !is {
			continue
		}
		lists++
		for at, field := range map[string]*ast.FieldDefinition{
			"[" + listed + "Edge!]!": connection.Fields.ForName("edges"),
			"PageInfo!":              connection.Fields.ForName("pageInfo"),
			listed + "!":             schema().Types[listed+"Edge"].Fields.ForName("node"),
			"Cursor!":                schema().Types[listed+"Edge"].Fields.ForName("cursor"),
		} {
			if got := field.Type.String(); got != at {
				t.Errorf("%s: %s is %s, want %s", name, field.Name, got, at)
			}
		}
		if !slices.Contains(schema().Types[listed].Interfaces, "Node") {
			t.Errorf("%s is listed and is no Node", listed)
		}
	}
	if lists != 5 {
		t.Errorf("the schema has %d lists, want 5", lists)
	}
}

func TestEveryMutationHasAPayloadAndAnInputOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, field := range schema().Mutation.Fields {
		name := strings.ToUpper(field.Name[:1]) + field.Name[1:]
		if got := field.Type.String(); got != name+"Payload" {
			t.Errorf("%s gives %s", field.Name, got)
		}
		for _, argument := range field.Arguments {
			if deprecated := argument.Directives.ForName("deprecated") != nil; !deprecated && argument.Name != "input" {
				t.Errorf("%s takes %s, want input", field.Name, argument.Name)
			}
			if argument.Name == "input" && argument.Type.Name() != name+"Input" {
				t.Errorf("%s takes %s", field.Name, argument.Type)
			}
		}
	}
}

func TestIdsAreSpelledOneWay(t *testing.T) {
	t.Parallel()
	for name, definition := range own(ast.Object, ast.InputObject, ast.Interface) {
		for _, field := range definition.Fields {
			if strings.Contains(field.Name, "ID") {
				t.Errorf("%s.%s: want Id", name, field.Name)
			}
			for _, argument := range field.Arguments {
				if strings.Contains(argument.Name, "ID") {
					t.Errorf("%s.%s(%s:): want Id", name, field.Name, argument.Name)
				}
			}
		}
	}
}

func TestEverythingInTheSchemaIsDescribed(t *testing.T) {
	t.Parallel()
	described := func(what, description string) {
		if description == "" {
			t.Errorf("%s has no description", what)
		}
	}
	described("the schema", schema().Description)
	for name, definition := range own(ast.Object, ast.InputObject, ast.Interface, ast.Enum, ast.Scalar, ast.Union) {
		described(name, definition.Description)
		for _, value := range definition.EnumValues {
			described(name+"."+value.Name, value.Description)
		}
		for _, field := range definition.Fields {
			if strings.HasPrefix(field.Name, "__") {
				continue
			}
			described(name+"."+field.Name, field.Description)
			for _, argument := range field.Arguments {
				described(name+"."+field.Name+"("+argument.Name+":)", argument.Description)
			}
		}
	}
}

// introspected is what a client is shown of the schema, as far as the tests ask for it.
type introspected struct {
	Schema struct {
		Description string
		Directives  []struct{ Name string }
		Types       []struct {
			Name           string
			SpecifiedByURL *string
			IsOneOf        *bool
			Fields         []struct {
				Name              string
				IsDeprecated      bool
				DeprecationReason *string
				Args              []struct {
					Name              string
					IsDeprecated      bool
					DeprecationReason *string
				}
			}
		}
	} `json:"__schema"`
}

func TestIntrospectionShowsWhatToolsGoBy(t *testing.T) {
	t.Parallel()
	h := build(t, func(p *plan) { p.Web.Playground = "on" })
	a := h.ask(nobody, `{ __schema { description directives { name } types { name specifiedByURL isOneOf fields(includeDeprecated: true) {
		name isDeprecated deprecationReason args(includeDeprecated: true) { name isDeprecated deprecationReason } } } } }`)
	var shown introspected
	a.into(&shown)
	if !strings.Contains(shown.Schema.Description, "@deprecated") {
		t.Error("the description of the schema does not explain how a field is removed")
	}
	var directives, specified, oneOf, deprecated []string
	for _, directive := range shown.Schema.Directives {
		directives = append(directives, directive.Name)
	}
	for _, definition := range shown.Schema.Types {
		if definition.SpecifiedByURL != nil {
			specified = append(specified, definition.Name)
		}
		if definition.IsOneOf != nil && *definition.IsOneOf {
			oneOf = append(oneOf, definition.Name)
		}
		for _, field := range definition.Fields {
			if field.IsDeprecated && field.DeprecationReason != nil {
				deprecated = append(deprecated, definition.Name+"."+field.Name)
			}
			for _, argument := range field.Args {
				if argument.IsDeprecated && argument.DeprecationReason != nil {
					deprecated = append(deprecated, definition.Name+"."+field.Name+"."+argument.Name)
				}
			}
		}
	}
	for _, list := range []struct {
		what      string
		got, want []string
	}{
		{"directives", directives, []string{"deprecated", "include", "oneOf", "skip", "specifiedBy"}},
		{"scalars with a specification", specified, []string{"Cursor", "Time"}},
		{"inputs of exactly one field", oneOf, []string{"MarkNotificationsReadInput"}},
		{"deprecated", deprecated, []string{"Mutation.deleteKnowledge.id", "User.email"}},
	} {
		if !slices.Equal(list.got, list.want) {
			t.Errorf("%s: introspection shows %v, want %v", list.what, list.got, list.want)
		}
	}
	full, err := json.Marshal(h.ask(nobody, introspection.Query).Data)
	must(t, err)
	if strings.Contains(string(full), "broadcastable") {
		t.Error("introspection shows @broadcastable, which is between the schema and the bridge")
	}
	h.ask(nobody, `{ me { id @broadcastable } }`).rejected("GRAPHQL_VALIDATION_FAILED")
}
