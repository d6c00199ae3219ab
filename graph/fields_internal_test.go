package graph

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// executing is a context in which an operation runs.
func executing(t *testing.T) (context.Context, *graphql.OperationContext) {
	t.Helper()
	operation := &graphql.OperationContext{
		RecoverFunc: func(context.Context, any) error { return errors.New("a panic of the test") },
	}
	ctx := graphql.WithResponseContext(t.Context(), graphql.DefaultErrorPresenter, operation.RecoverFunc)
	return graphql.WithOperationContext(ctx, operation), operation
}

func marshaled(m graphql.Marshaler) string {
	var out bytes.Buffer
	m.MarshalGQL(&out)
	return out.String()
}

func TestAnItemThatPanicsIsNullAndTheOthersAreThere(t *testing.T) {
	ctx, _ := executing(t)
	list := marshalList(ctx, 3, 0, false, func(ctx context.Context, i int) graphql.Marshaler {
		if at := graphql.GetFieldContext(ctx).Index; *at != i {
			t.Errorf("item %d has the index %d", i, *at)
		}
		if i == 1 {
			panic("of the test")
		}
		return graphql.MarshalInt(i)
	})
	if got := marshaled(list); got != "[0,null,2]" {
		t.Errorf("got %s, want [0,null,2]", got)
	}
	if errs := graphql.GetErrors(ctx); len(errs) != 1 ||
		!strings.Contains(errs[0].Message, "a panic of the test") || errs[0].Path.String() != "[1]" {
		t.Errorf("got errors %v, want one of the second item", errs)
	}
	if got := marshaled(marshalList(ctx, 0, 0, false, nil)); got != "[]" {
		t.Errorf("an empty list is %s", got)
	}
}

func TestFieldsAreResolvedInTheirOrderAndThoseThatMayNotBeNullCount(t *testing.T) {
	ctx, operation := executing(t)
	var fields []graphql.CollectedField
	for _, alias := range []string{"a", "b", "c"} {
		fields = append(fields, graphql.CollectedField{Field: &ast.Field{Alias: alias, Name: alias}})
	}
	set := newFieldSet(fields)
	var order []int
	for i, tt := range []struct {
		nonNull  bool
		value    graphql.Marshaler
		invalids uint32
	}{
		{false, graphql.Null, 0}, // it may be null
		{true, graphql.Null, 1},
		{false, graphql.RequiredNull, 2}, // something in it may not
	} {
		set.resolve(ctx, operation, i, true, tt.nonNull, func(context.Context) graphql.Marshaler {
			order = append(order, i)
			return tt.value
		})
		if set.Invalids != tt.invalids {
			t.Errorf("after field %d %d are invalid, want %d", i, set.Invalids, tt.invalids)
		}
	}
	if !slices.Equal(order, []int{0, 1, 2}) {
		t.Errorf("resolved in the order %v", order)
	}
	set.Values[0] = graphql.MarshalString("x")
	set.resolve(ctx, operation, 1, true, true, func(context.Context) graphql.Marshaler { panic("of the test") })
	if got := marshaled(set); got != `{"a":"x","b":null,"c":null}` || set.Invalids != 3 {
		t.Errorf("got %s with %d invalid fields", got, set.Invalids)
	}
	if got := marshaled(newFieldSet(nil)); got != "{}" {
		t.Errorf("no fields are %s", got)
	}
}
