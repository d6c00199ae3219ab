package graph

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// maxProblems is how many faults of the variables an answer has at most.
const maxProblems = 10

// coerceVariables is CoerceVariableValues of the specification (section 6.1.2) with the input coercion of each type
// (section 3). It returns the values of the operation's variables without those that are absent, or what is wrong with
// each. If it gets its own result, it returns it unchanged. It neither keeps nor changes given, whose numbers may be
// json.Number, int64 or float64.
func coerceVariables(schema *ast.Schema, operation *ast.OperationDefinition, given map[string]any) (map[string]any, gqlerror.List) {
	c := coercion{schema: schema}
	coerced := make(map[string]any, len(operation.VariableDefinitions))
	for _, d := range operation.VariableDefinitions {
		c.variable, c.path = d, append(c.path[:0], d.Variable)
		value, there := given[d.Variable]
		switch {
		case there:
			coerced[d.Variable] = c.value(d.Type, value)
		case d.DefaultValue != nil:
			coerced[d.Variable] = fromLiteral(schema, d.Type, d.DefaultValue)
		case d.Type.NonNull:
			c.problem("a value of type %q is required, and there is none", d.Type)
		}
	}
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	return coerced, nil
}

type coercion struct {
	schema   *ast.Schema
	variable *ast.VariableDefinition
	path     []string // to the value: names of the variable and of fields, and places in lists
	problems gqlerror.List
}

// problem adds a fault at the path, up to maxProblems.
func (c *coercion) problem(format string, args ...any) {
	if len(c.problems) == maxProblems {
		return
	}
	var place strings.Builder
	var field []string
	for _, step := range c.path {
		if step[0] == '[' {
			place.WriteString(step)
			continue
		}
		field = append(field, step)
		if place.Len() > 0 {
			place.WriteByte('.')
		}
		place.WriteString(step)
	}
	err := badInput(fieldName(field), fmt.Sprintf("the variable $%.200s: ", place.String())+fmt.Sprintf(format, args...))
	if at := c.variable.Position; at != nil {
		err.Locations = []gqlerror.Location{{Line: at.Line, Column: at.Column}}
	}
	c.problems = append(c.problems, err)
}

// fieldName returns what extensions.field calls a value. It leaves out an argument named input, as resolvers do in
// their errors.
func fieldName(path []string) string {
	return strings.TrimPrefix(strings.Join(path, "."), "input.")
}

// at calls do for a value one step further down. The name of a field may be empty, because clients choose it.
func (c *coercion) at(step string, do func()) {
	c.path = append(c.path, cmp.Or(step, `""`))
	do()
	c.path = c.path[:len(c.path)-1]
}

// value returns the coerced value for a type. After a problem the result means nothing.
func (c *coercion) value(t *ast.Type, value any) any {
	switch {
	case value == nil:
		if t.NonNull {
			c.problem("null is not of the type %q: give a value", t)
		}
		return nil
	case t.Elem != nil:
		return c.list(t, value)
	}
	switch def := c.schema.Types[t.NamedType]; def.Kind {
	case ast.InputObject:
		return c.object(def, value)
	case ast.Enum:
		return c.enum(def, value)
	default:
		coerced, wrong := scalarOf(def.Name, value)
		if wrong != "" {
			c.problem("%s", wrong)
		}
		return coerced
	}
}

func (c *coercion) list(t *ast.Type, value any) any {
	items, ok := value.([]any)
	if !ok {
		return []any{c.value(t.Elem, value)}
	}
	coerced := make([]any, len(items))
	for i, item := range items {
		c.at("["+strconv.Itoa(i)+"]", func() { coerced[i] = c.value(t.Elem, item) })
	}
	return coerced
}

func (c *coercion) object(def *ast.Definition, value any) any {
	fields, ok := value.(map[string]any)
	if !ok {
		c.problem("%s is not of the type %q: give an object", kindOf(value), def.Name)
		return nil
	}
	coerced := make(map[string]any, len(def.Fields))
	known := 0
	for _, field := range def.Fields {
		value, there := fields[field.Name]
		if there {
			known++
		}
		switch {
		case there:
			c.at(field.Name, func() { coerced[field.Name] = c.value(field.Type, value) })
		case field.DefaultValue != nil:
			coerced[field.Name] = fromLiteral(c.schema, field.Type, field.DefaultValue)
		case field.Type.NonNull:
			c.at(field.Name, func() { c.problem("a value of type %q is required, and there is none", field.Type) })
		}
	}
	if known < len(fields) {
		c.unknown(def, fields)
	}
	if def.Directives.ForName("oneOf") != nil {
		c.oneOf(def, fields)
	}
	return coerced
}

func (c *coercion) unknown(def *ast.Definition, fields map[string]any) {
	var names []string
	for name := range fields {
		if def.Fields.ForName(name) == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		c.at(shorten(name), func() { c.problem("the type %q has no such field", def.Name) })
	}
}

func (c *coercion) oneOf(def *ast.Definition, fields map[string]any) {
	if len(fields) != 1 {
		c.problem("an object of the type %q must have exactly one field, and has %d", def.Name, len(fields))
		return
	}
	for name, value := range fields {
		if value == nil {
			c.at(shorten(name), func() { c.problem("null is no value for the only field of the type %q", def.Name) })
		}
	}
}

func (c *coercion) enum(def *ast.Definition, value any) any {
	name, ok := value.(string)
	switch {
	case !ok:
		c.problem("%s is not of the type %q: give one of %s", kindOf(value), def.Name, valuesOf(def))
	case def.EnumValues.ForName(name) == nil:
		c.problem("%s is not a value of %q: give one of %s", quote(name), def.Name, valuesOf(def))
	}
	return name
}

func valuesOf(def *ast.Definition) string {
	var names []string
	for _, value := range def.EnumValues {
		names = append(names, value.Name)
	}
	return strings.Join(names, ", ")
}

// scalarOf returns the coerced value for a scalar, or what is wrong with it.
func scalarOf(scalar string, value any) (coerced any, wrong string) {
	switch scalar {
	case "Int":
		if n, ok := wholeNumber(value); ok && n >= math.MinInt32 && n <= math.MaxInt32 {
			return n, ""
		}
	case "Float":
		if f, ok := number(value); ok {
			return f, ""
		}
	case "String":
		if s, ok := value.(string); ok {
			return s, ""
		}
	case "Boolean":
		if b, ok := value.(bool); ok {
			return b, ""
		}
	case "ID":
		if s, ok := idText(value); ok {
			return s, unreadable(scalar, s)
		}
	default:
		if s, ok := value.(string); ok {
			return s, unreadable(scalar, s)
		}
	}
	return nil, mismatch(scalar, kindOf(value))
}

// mismatch returns the text that what is not of a scalar, and what the scalar allows.
func mismatch(scalar, what string) string {
	allowed := map[string]string{
		"Int": "a whole number of 32 bits", "Float": "a number", "Boolean": "true or false", "ID": "a string or a whole number",
	}
	return fmt.Sprintf("%s is not of the type %q: give %s", what, scalar, cmp.Or(allowed[scalar], "a string"))
}

// unreadable returns why a scalar of ours cannot have this value, or an empty string.
func unreadable(scalar, text string) string {
	if read := readers[scalar]; read != nil {
		if err := read(text); err != nil {
			return err.Error()
		}
	}
	return ""
}

// wholeNumber returns the value of a whole number. Its form does not matter: 5, 5.0 and 5e0 are the same number in
// JSON.
func wholeNumber(value any) (int64, bool) {
	if digits, ok := value.(json.Number); ok {
		if n, err := digits.Int64(); err == nil {
			return n, true
		}
	}
	if n, ok := value.(int64); ok {
		return n, true
	}
	f, ok := number(value)
	return int64(f), ok && f == math.Trunc(f) && math.Abs(f) <= maxID
}

func number(value any) (float64, bool) {
	switch value := value.(type) {
	case json.Number:
		f, err := value.Float64()
		return f, err == nil
	case int64:
		return float64(value), true
	case float64:
		return value, true
	}
	return 0, false
}

// idText returns the text of an id, which may be a string or a whole number. 4.0 is an Int, but no ID: section 3.5.5.
func idText(value any) (string, bool) {
	switch value := value.(type) {
	case string:
		return value, true
	case json.Number:
		return value.String(), !strings.ContainsAny(value.String(), ".eE")
	case int64, float64: // not from a client: JSON made it of a stored variable
		n, ok := wholeNumber(value)
		return strconv.FormatInt(n, 10), ok
	}
	return "", false
}

// kindOf returns what a value is in the words of JSON. It does not repeat the value, which may be a password.
func kindOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	if _, ok := wholeNumber(value); ok {
		return "this whole number"
	}
	return "a number that is not whole, or too large,"
}

// quote returns a text of a client in quotes, or its beginning.
func quote(text string) string { return strconv.Quote(shorten(text)) }

// shorten returns a text for a client, or its beginning.
func shorten(text string) string {
	const longest = 40 // bytes
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + "…"
}

// nullArgument finds the one fault of arguments that depends on the values of variables: a variable is null in a place
// that may not be null. Validation allows such a variable if one of the two has a default (CoerceArgumentValues,
// section 6.4.1). nullArgument looks at all selected fields before anything runs.
func nullArgument(operation *graphql.OperationContext) *gqlerror.Error {
	for _, d := range operation.Operation.VariableDefinitions {
		if value, there := operation.Variables[d.Variable]; there && value == nil {
			search := nullSearch{operation: operation, seen: make(map[*ast.FragmentDefinition]bool)}
			search.selections(operation.Operation.SelectionSet)
			return search.found
		}
	}
	return nil
}

type nullSearch struct {
	operation *graphql.OperationContext
	seen      map[*ast.FragmentDefinition]bool
	found     *gqlerror.Error
}

func (s *nullSearch) selections(set ast.SelectionSet) {
	for _, selection := range set {
		switch selection := selection.(type) {
		case *ast.Field:
			if s.included(selection.Directives) {
				s.arguments(selection.Arguments)
				s.selections(selection.SelectionSet)
			}
		case *ast.InlineFragment:
			if s.included(selection.Directives) {
				s.selections(selection.SelectionSet)
			}
		case *ast.FragmentSpread:
			if s.included(selection.Directives) && !s.seen[selection.Definition] {
				s.seen[selection.Definition] = true
				s.selections(selection.Definition.SelectionSet)
			}
		}
	}
}

// included checks the arguments of directives, and reports whether the directives keep the selection.
func (s *nullSearch) included(directives ast.DirectiveList) bool {
	for _, directive := range directives {
		s.arguments(directive.Arguments)
		if condition := directive.Arguments.ForName("if"); condition != nil {
			value, _ := condition.Value.Value(s.operation.Variables)
			if value == (directive.Name == "skip") {
				return false
			}
		}
	}
	return true
}

func (s *nullSearch) arguments(arguments ast.ArgumentList) {
	for _, argument := range arguments {
		s.value(argument.Value, []string{argument.Name})
	}
}

func (s *nullSearch) value(v *ast.Value, path []string) {
	if v.Kind == ast.Variable && v.ExpectedType != nil && v.ExpectedType.NonNull && s.found == nil {
		if value, there := s.operation.Variables[v.Raw]; there && value == nil {
			s.found = badInput(fieldName(path), fmt.Sprintf("the variable $%s is null for %s, whose type %q has no null: give a value, or leave it out",
				v.Raw, strings.Join(path, "."), v.ExpectedType))
			s.found.Locations = []gqlerror.Location{{Line: v.Position.Line, Column: v.Position.Column}}
		}
	}
	for _, child := range v.Children {
		inner := path
		if child.Name != "" {
			inner = append(slices.Clip(path), child.Name)
		}
		s.value(child.Value, inner)
	}
}
