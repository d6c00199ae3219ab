package graph

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator/core"
)

// literalsRule is "Values of Correct Type" of the specification (section 5.6.1), for literals of every type, scalars
// of ours among them.
var literalsRule = core.Rule{Name: "ValuesOfCorrectType", RuleFunc: func(events *core.Events, addError core.AddErrFunc) {
	checked := make(map[*ast.Value]bool) // fragments are walked more than once
	check := func(walker *core.Walker, t *ast.Type, v *ast.Value, path ...string) {
		if t == nil || v == nil || checked[v] {
			return
		}
		checked[v] = true
		literals{schema: walker.Schema, add: addError}.value(t, v, path)
	}
	arguments := func(walker *core.Walker, arguments ast.ArgumentList) {
		for _, argument := range arguments {
			check(walker, argument.Value.ExpectedType, argument.Value, argument.Name)
		}
	}
	events.OnField(func(walker *core.Walker, field *ast.Field) { arguments(walker, field.Arguments) })
	events.OnDirective(func(walker *core.Walker, directive *ast.Directive) { arguments(walker, directive.Arguments) })
	events.OnOperation(func(walker *core.Walker, operation *ast.OperationDefinition) {
		for _, d := range operation.VariableDefinitions {
			check(walker, d.Type, d.DefaultValue, d.Variable)
		}
	})
}}

// literals checks one literal. Another rule checks the variables in it.
type literals struct {
	schema *ast.Schema
	add    core.AddErrFunc
}

func (l literals) problem(v *ast.Value, format string, args ...any) {
	l.add(core.Message("%s", fmt.Sprintf(format, args...)), core.At(v.Position))
}

func (l literals) value(t *ast.Type, v *ast.Value, path []string) {
	switch {
	case v.Kind == ast.Variable:
	case v.Kind == ast.NullValue:
		if t.NonNull {
			l.problem(v, "null is not of the type %q: give a value", t)
		}
	case t.Elem != nil && v.Kind == ast.ListValue:
		for _, item := range v.Children {
			l.value(t.Elem, item.Value, path)
		}
	case t.Elem != nil:
		l.value(t.Elem, v, path)
	default:
		l.named(t, v, path)
	}
}

func (l literals) named(t *ast.Type, v *ast.Value, path []string) {
	def := l.schema.Types[t.NamedType]
	if def == nil { // another rule's
		return
	}
	switch def.Kind {
	case ast.InputObject:
		l.object(def, v, path)
	case ast.Enum:
		if v.Kind != ast.EnumValue || def.EnumValues.ForName(v.Raw) == nil {
			l.problem(v, "%s is not a value of %q: give one of %s", shown(v), def.Name, valuesOf(def))
		}
	case ast.Scalar:
		l.scalar(def.Name, v, path)
	default: // no type of input
	}
}

func (l literals) object(def *ast.Definition, v *ast.Value, path []string) {
	if v.Kind != ast.ObjectValue {
		l.problem(v, "%s is not of the type %q: give an object", shown(v), def.Name)
		return
	}
	for _, field := range def.Fields {
		if field.Type.NonNull && field.DefaultValue == nil && v.Children.ForName(field.Name) == nil {
			l.problem(v, "the field %q of %q, of type %q, is required, and is not there", field.Name, def.Name, field.Type)
		}
	}
	for _, child := range v.Children {
		field := def.Fields.ForName(child.Name)
		if field == nil {
			l.add(core.Message("the type %q has no field %q", def.Name, child.Name), core.At(child.Position))
			continue
		}
		l.value(field.Type, child.Value, append(slices.Clip(path), child.Name))
	}
	if def.Directives.ForName("oneOf") != nil && (len(v.Children) != 1 || v.Children[0].Value.Kind == ast.NullValue) {
		l.problem(v, "an object of the type %q must have exactly one field, which is not null", def.Name)
	}
}

func (l literals) scalar(name string, v *ast.Value, path []string) {
	var fits bool
	switch name {
	case "Int":
		_, err := strconv.ParseInt(v.Raw, 10, 32)
		fits = v.Kind == ast.IntValue && err == nil
	case "Float":
		_, err := strconv.ParseFloat(v.Raw, 64)
		if fits = (v.Kind == ast.IntValue || v.Kind == ast.FloatValue) && err == nil; fits {
			v.Kind = ast.FloatValue // gqlparser reads any other number as one of 64 bits
		}
	case "Boolean":
		fits = v.Kind == ast.BooleanValue
	case "ID":
		fits = isText(v) || v.Kind == ast.IntValue
	default:
		fits = isText(v)
	}
	if !fits {
		l.problem(v, "%s", mismatch(name, shown(v)))
		return
	}
	if wrong := unreadable(name, v.Raw); wrong != "" {
		l.add(core.Message("%s", wrong), core.At(v.Position), func(err *gqlerror.Error) {
			err.Extensions = map[string]any{"code": codeBadUserInput, "field": fieldName(path)}
		})
	}
}

func isText(v *ast.Value) bool { return v.Kind == ast.StringValue || v.Kind == ast.BlockValue }

// shown returns a literal for a message. It leaves out texts, because one may be a password.
func shown(v *ast.Value) string {
	switch {
	case isText(v):
		return "a string"
	case v.Kind == ast.ListValue:
		return "a list"
	case v.Kind == ast.ObjectValue:
		return "an object"
	}
	return shorten(v.Raw)
}

// fromLiteral returns the value of a default: a validated literal without variables. coerceVariables returns the same
// for this value in JSON.
func fromLiteral(schema *ast.Schema, t *ast.Type, v *ast.Value) any {
	switch {
	case v.Kind == ast.NullValue:
		return nil
	case t.Elem != nil && v.Kind == ast.ListValue:
		items := make([]any, len(v.Children))
		for i, item := range v.Children {
			items[i] = fromLiteral(schema, t.Elem, item.Value)
		}
		return items
	case t.Elem != nil:
		return []any{fromLiteral(schema, t.Elem, v)}
	}
	switch def := schema.Types[t.NamedType]; {
	case def.Kind == ast.InputObject:
		object := make(map[string]any, len(def.Fields))
		for _, field := range def.Fields {
			if child := v.Children.ForName(field.Name); child != nil {
				object[field.Name] = fromLiteral(schema, field.Type, child)
			} else if field.DefaultValue != nil {
				object[field.Name] = fromLiteral(schema, field.Type, field.DefaultValue)
			}
		}
		return object
	case def.Name == "Int":
		n, _ := strconv.ParseInt(v.Raw, 10, 32) // validated
		return n
	case def.Name == "Float":
		f, _ := strconv.ParseFloat(v.Raw, 64) // validated
		return f
	case def.Name == "Boolean":
		return v.Raw == "true"
	}
	return v.Raw
}
