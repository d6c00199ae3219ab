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

func rewrite(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
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
