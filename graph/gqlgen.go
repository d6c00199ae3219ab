//go:build ignore

// Program gqlgen generates the executor of the schema, and then has it resolve the fields of objects one after another.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"os"
	"regexp"

	"github.com/99designs/gqlgen/api"
	"github.com/99designs/gqlgen/codegen/config"
)

func main() {
	c, err := config.LoadConfigFromDefaultLocations()
	if err != nil {
		log.Fatalf("read gqlgen.yml: %v", err)
	}
	if err := api.Generate(c); err != nil {
		log.Fatalf("generate the executor: %v", err)
	}
	if err := rewrite(c.Exec.Filename); err != nil {
		log.Fatalf("rewrite %s: %v", c.Exec.Filename, err)
	}
}

// Where gqlgen starts goroutines or prepares for @defer, and what of ours stands there instead: see fields.go.
var replacements = []struct{ before, after string }{
	{"graphql.MarshalSliceConcurrently(", "marshalList("},
	{"graphql.NewFieldSet(fields)", "newFieldSet(fields)"},
	{"deferred := graphql.NewDeferredGroup(ctx)", "var deferred graphql.DeferredGroup"},
	{"out.ResolveConcurrently(ec.OperationContext, &deferred, i,", "out.resolve(ctx, ec.OperationContext, i,"},
}

// ofRoots is in the functions of the root types alone. Their fields stay concurrent.
var ofRoots = []byte("graphql.WithRootFieldContext(")

// plain is the function of a field that may not be null and is a value in a Go struct. It can neither fail nor panic
// nor be null. So it needs no context of its own, which is only for errors and for fields below.
var plain = regexp.MustCompile(`(?m)^(func \(ec \*executionContext\) _\w+\(ctx context\.Context, field graphql\.CollectedField, ` +
	`obj \S+\)) \(ret graphql\.Marshaler\) \{
	return graphql\.ResolveField\(
		ctx,
		ec\.OperationContext,
		field,
		func\(ctx context\.Context, field graphql\.CollectedField\) \(\*graphql\.FieldContext, error\) \{
			return \S+\(ctx, field\)
		\},
		func\(ctx context\.Context\) \(any, error\) \{
			return (obj\.\w+), nil
		\},
		nil,
		func\(ctx context\.Context, selections ast\.SelectionSet, v (?:string|int|bool|time\.Time|Cursor|\w+\.(?:Status|Kind|State))\) graphql\.Marshaler \{
			return (ec\.marshalN\S+)\(ctx, selections, v\)
		\},
		true,
		true,
	\)
\}`)

func rewrite(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !plain.Match(text) {
		return errors.New("there is no plain field: gqlgen writes something else now")
	}
	text = plain.ReplaceAll(text, []byte("$1 graphql.Marshaler {\n\treturn $3(ctx, field.Selections, $2)\n}"))
	counts := make([]int, len(replacements))
	var out bytes.Buffer
	starts := append(regexp.MustCompile(`(?m)^func `).FindAllIndex(text, -1), []int{len(text)})
	out.Write(text[:starts[0][0]])
	for i, start := range starts[:len(starts)-1] {
		function := text[start[0]:starts[i+1][0]]
		if !bytes.Contains(function, ofRoots) {
			for j, r := range replacements {
				counts[j] += bytes.Count(function, []byte(r.before))
				function = bytes.ReplaceAll(function, []byte(r.before), []byte(r.after))
			}
		}
		out.Write(function)
	}
	var errs []error
	for i, r := range replacements {
		if counts[i] == 0 {
			errs = append(errs, fmt.Errorf("there is no %q: gqlgen writes something else now", r.before))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}
