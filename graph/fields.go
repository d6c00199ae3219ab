package graph

import (
	"context"
	"io"

	"github.com/99designs/gqlgen/graphql"
)

// fieldSet is an object of an answer. Unlike graphql.FieldSet it resolves its fields one after another, in the order of
// the document. gqlgen starts a goroutine for each field whose method takes a context, and for each item of a list.
// Here nearly all of those return rows that a query has loaded already. So the goroutines would cost more than their
// work. There is no @defer.
//
// The fields of the root types stay concurrent: each of them reads the database. gqlgen.go puts fieldSet into the
// generated code.
type fieldSet struct {
	Values   []graphql.Marshaler
	Invalids uint32 // fields that may not be null and are

	fields []graphql.CollectedField
}

var _ graphql.Marshaler = (*fieldSet)(nil)

func newFieldSet(fields []graphql.CollectedField) *fieldSet {
	return &fieldSet{Values: make([]graphql.Marshaler, len(fields)), fields: fields}
}

// resolve resolves field i.
func (s *fieldSet) resolve(
	ctx context.Context, operation *graphql.OperationContext, i int, _, nonNull bool, resolve func(context.Context) graphql.Marshaler,
) {
	s.Values[i] = recovered(ctx, operation, resolve)
	invalid := graphql.RequiredNull
	if nonNull {
		invalid = graphql.Null
	}
	if s.Values[i] == invalid {
		s.Invalids++
	}
}

// Dispatch does nothing. Generated code calls it to wait for the fields, which are resolved already.
func (*fieldSet) Dispatch(context.Context) {}

// MarshalGQL writes the object. Names of fields need no escapes.
func (s *fieldSet) MarshalGQL(w io.Writer) {
	write := func(text string) { _, _ = io.WriteString(w, text) } // into the executor's buffer
	write("{")
	for i := range s.fields {
		if i > 0 {
			write(",")
		}
		write(`"`)
		write(s.fields[i].Alias)
		write(`":`)
		s.Values[i].MarshalGQL(w)
	}
	write("}")
}

// marshalList resolves the items of a list one after another. Its parameters are those of
// graphql.MarshalSliceConcurrently.
func marshalList(
	ctx context.Context, length int, _ int64, _ bool, marshal func(ctx context.Context, i int) graphql.Marshaler,
) graphql.Array {
	list := make(graphql.Array, length)
	for i := range list {
		ctx := graphql.WithFieldContext(ctx, &graphql.FieldContext{Index: &i})
		list[i] = recovered(ctx, graphql.GetOperationContext(ctx), func(ctx context.Context) graphql.Marshaler { return marshal(ctx, i) })
	}
	return list
}

// recovered returns the result of resolve, or null if it panics.
func recovered(
	ctx context.Context, operation *graphql.OperationContext, resolve func(context.Context) graphql.Marshaler,
) (result graphql.Marshaler) {
	defer func() {
		if reason := recover(); reason != nil {
			operation.Error(ctx, operation.Recover(ctx, reason))
			result = graphql.Null
		}
	}()
	return resolve(ctx)
}
