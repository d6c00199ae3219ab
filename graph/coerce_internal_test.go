package graph

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"lorebridge/rule"
)

// What literals and variables mean is what they mean to graphql-js: e2e/coercion-table.js wrote the table.
func TestValuesMeanWhatTheyMeanToTheReference(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/coercion.json")
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		Schema string
		Cases  []struct {
			Type          string
			JSON, Literal *string
			Value         any
			Absent        bool
			Rejected      bool `json:"refused"`
		}
	}
	if err := json.Unmarshal(text, &table); err != nil {
		t.Fatal(err)
	}
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: table.Schema})
	if len(table.Cases) < 3000 {
		t.Errorf("the table has only %d cases", len(table.Cases))
	}
	for _, c := range table.Cases {
		query := "query($v: " + c.Type + ") { ok }"
		given := map[string]any{}
		what := "no value"
		switch {
		case c.Literal != nil:
			what = *c.Literal
			query = "query($v: " + c.Type + " = " + what + ") { ok }"
		case c.JSON != nil:
			what = *c.JSON
			if given, err = rule.Object("variables", []byte(`{"v":`+what+`}`)); err != nil {
				t.Fatal(err)
			}
		}
		doc, err := parser.ParseQuery(&ast.Source{Input: query})
		if err != nil {
			t.Fatal(err)
		}
		if errs := validator.ValidateWithRules(schema, doc, rules.NewRules(literalsRule)); len(errs) > 0 {
			if !c.Rejected {
				t.Errorf("%s for %s is rejected: %v, want %v", what, c.Type, errs, c.Value)
			}
			continue
		}
		coerced, errs := coerceVariables(schema, doc.Operations[0], given)
		if rejected := len(errs) > 0; rejected || c.Rejected {
			if rejected != c.Rejected {
				t.Errorf("%s for %s is %v %v, want it rejected: %v", what, c.Type, coerced["v"], errs, c.Rejected)
			}
			continue
		}
		if _, there := coerced["v"]; there == c.Absent {
			t.Errorf("%s for %s is absent: %v", what, c.Type, !there)
		}
		if diff := cmp.Diff(c.Value, throughJSON(t, coerced["v"])); diff != "" {
			t.Errorf("%s for %s: %s", what, c.Type, diff)
		}
		// As a subscription's variables that were kept as they are, and in the database.
		for _, kept := range []any{coerced["v"], throughJSON(t, coerced["v"])} {
			if c.Absent {
				break
			}
			again, errs := coerceVariables(schema, doc.Operations[0], map[string]any{"v": kept})
			if diff := cmp.Diff(coerced, again); len(errs) > 0 || diff != "" {
				t.Errorf("%s for %s, once more: %v %s", what, c.Type, errs, diff)
			}
		}
	}
}

func throughJSON(t *testing.T, value any) (back any) {
	t.Helper()
	text, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if err != nil {
		t.Fatal(err)
	}
	return back
}

// The reference cannot show this difference: by the specification 4.0 is an Int, because it is 4, and no ID.
func TestAFloatIsNoID(t *testing.T) {
	t.Parallel()
	for digits, want := range map[json.Number]string{"4": "", "4.0": "rejected", "4e0": "rejected", "40e-1": "rejected"} {
		_, wrong := scalarOf("ID", digits)
		if (wrong != "") != (want != "") {
			t.Errorf("%s as an ID: %q", digits, wrong)
		}
		if n, wrong := scalarOf("Int", digits); n != int64(4) || wrong != "" {
			t.Errorf("%s as an Int: %v, %q", digits, n, wrong)
		}
	}
}

func TestEveryScalarOfOursHasARule(t *testing.T) {
	t.Parallel()
	known := map[string]bool{"Int": true, "Float": true, "String": true, "Boolean": true}
	for name, def := range parsedSchema.Types {
		if def.Kind == ast.Scalar && !known[name] && readers[name] == nil {
			t.Errorf("the scalar %s has no reader: any string would pass", name)
		}
	}
}
