package realtime_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"lorebridge/auth"
)

// executions returns how many operations a change makes the server execute.
func (q *quietServer) executions(change func()) int {
	q.t.Helper()
	synctest.Wait()
	before := q.subscriptions.Stats().Executions
	change()
	synctest.Wait()
	return int(q.subscriptions.Stats().Executions - before)
}

func TestPoint22OneExecutionServesAllWhoSelectTheSame(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		subscribers int
		calls       []int
		change      func(*quietOptions)
	}{
		{2, []int{2}, func(*quietOptions) {}},
		{100, []int{100}, func(*quietOptions) {}},
		{250, []int{100, 100, 50}, elsewhere},
		{101, []int{100, 1}, func(*quietOptions) {}},
		{12, []int{10, 2}, encrypting}, // one call cannot encrypt for several channels, so there are batches
	} {
		synctest.Test(t, func(t *testing.T) {
			q := newQuietServer(t, test.change)
			people := q.people(10)
			channels := make([]string, test.subscribers)
			for i := range channels {
				channels[i] = q.subscribeAndJoin(people[i%len(people)], title)
			}
			q.newCalls()
			if n := q.executions(func() { q.publish(people[0], "compilers", "") }); n != 1 {
				t.Errorf("%d subscribers: %d executions", test.subscribers, n)
			}
			calls := q.newCalls()
			var sizes []int
			for _, c := range calls {
				sizes = append(sizes, max(len(c.events[0].Channels), len(c.events)))
			}
			slices.SortFunc(sizes, func(a, b int) int { return b - a })
			if !slices.Equal(sizes, test.calls) {
				t.Errorf("%d subscribers: calls for %v", test.subscribers, sizes)
			}
			for i, channel := range channels {
				if got := titles(t, opened(t, channel, sentTo(calls, channel))); !slices.Equal(got, []string{"compilers"}) {
					t.Errorf("%d of %d got %v", i, test.subscribers, got)
				}
			}
		})
	}
}

func TestPoint22GroupsAreSplitByWhatMattersAlone(t *testing.T) {
	t.Parallel()
	type request struct {
		document  string
		variables map[string]any
	}
	const plain = `subscription { knowledgePublished { id title } }`
	with := `subscription ($yes: Boolean!) { knowledgePublished { id title @include(if: $yes) } }`
	for name, test := range map[string]struct {
		a, b   request
		shared bool
	}{
		"the operation's name":     {request{plain, nil}, request{`subscription News { knowledgePublished { id title } }`, nil}, true},
		"blanks and comments":      {request{plain, nil}, request{"# mine\nsubscription\t{\n  knowledgePublished, { id # its id\n title } }\n", nil}, true},
		"other operations":         {request{plain, nil}, request{`subscription A { knowledgePublished { id title } } query B { me { id } }`, nil}, true},
		"other operations' fields": {request{plain, nil}, request{`subscription A { knowledgePublished { id title } } query B { me { ...F } } fragment F on User { email }`, nil}, true},
		"the same variables":       {request{with, map[string]any{"yes": true}}, request{with, map[string]any{"yes": true}}, true},
		"a variable left out":      {request{with, map[string]any{"yes": true}}, request{with, map[string]any{"yes": true, "not": "used"}}, true},
		"a variable":               {request{with, map[string]any{"yes": true}}, request{with, map[string]any{"yes": false}}, false},
		"a default":                {request{`subscription ($yes: Boolean = true) { knowledgePublished { id title @include(if: $yes) } }`, nil}, request{`subscription ($yes: Boolean = false) { knowledgePublished { id title @include(if: $yes) } }`, nil}, false},
		"an alias":                 {request{plain, nil}, request{`subscription { knowledgePublished { id t: title } }`, nil}, false},
		"an alias at the root":     {request{plain, nil}, request{`subscription { k: knowledgePublished { id title } }`, nil}, false},
		"the order of fields":      {request{plain, nil}, request{`subscription { knowledgePublished { title id } }`, nil}, false},
		"an argument":              {request{plain, nil}, request{`subscription { knowledgePublished { id title @skip(if: false) } }`, nil}, false},
		"the fields of a fragment": {request{`subscription { knowledgePublished { ...F } } fragment F on Knowledge { id }`, nil}, request{`subscription { knowledgePublished { ...F } } fragment F on Knowledge { title }`, nil}, false},
		"the same through one":     {request{`subscription { knowledgePublished { ...F } } fragment F on Knowledge { id }`, nil}, request{`subscription X { knowledgePublished { ...F } } fragment F on Knowledge { id }`, nil}, true},
		"a fragment in a fragment": {request{`subscription { knowledgePublished { ...F } } fragment F on Knowledge { owner { ...G } } fragment G on User { id }`, nil}, request{`subscription { knowledgePublished { ...F } } fragment F on Knowledge { owner { ...G } } fragment G on User { name }`, nil}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			q := newQuietServer(t)
			ada, bob := q.person("Ada"), q.person("Bob")
			for i, r := range []request{test.a, test.b} {
				p := []person{ada, bob}[i]
				body := map[string]any{"query": r.document, "variables": r.variables}
				if strings.Contains(r.document, "query B") {
					body["operationName"] = "A"
				}
				a := q.send(p, body)
				if a.channel() == "" {
					t.Fatalf("%s: %s", name, a.body)
				}
				q.join(p, a.channel(), "")
			}
			want := 2
			if test.shared {
				want = 1
			}
			if n := q.executions(func() { q.publish(ada, "compilers", "") }); n != want {
				t.Errorf("%s: %d executions, want %d", name, n, want)
			}
		})
	}
}

func TestPoint22APrivateSelectionIsRunForEachPerson(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada, bob := q.person("Ada"), q.person("Bob")
		ada2 := q.session(ada)
		const private = `subscription { knowledgePublished { title content owner { email } } }`
		hers, hersToo, his := q.subscribeAndJoin(ada, private), q.subscribeAndJoin(ada2, private), q.subscribeAndJoin(bob, private)
		q.newCalls()
		if n := q.executions(func() { q.publish(ada, "compilers", "the secret") }); n != 2 {
			t.Errorf("%d executions", n)
		}
		calls := q.newCalls()
		for channel, sees := range map[string]bool{hers: true, hersToo: true, his: false} {
			events := sentTo(calls, channel)
			if len(events) != 1 || strings.Contains(events[0].Data, "the secret") != sees || strings.Contains(events[0].Data, "ada@example.com") != sees {
				t.Errorf("sees it: %t, got %v", sees, events)
			}
		}
	})
}

// theSchema returns the schema in the .graphqls files at the root.
func theSchema(t *testing.T) *ast.Schema {
	t.Helper()
	paths, err := filepath.Glob("../*.graphqls")
	must(t, err)
	var sources []*ast.Source
	for _, path := range paths {
		text, err := os.ReadFile(path)
		must(t, err)
		sources = append(sources, &ast.Source{Name: path, Input: string(text)})
	}
	schema, err := gqlparser.LoadSchema(sources...)
	must(t, err)
	return schema
}

// selected returns the selection of a field, with the subfields that its type requires.
func selected(schema *ast.Schema, field *ast.FieldDefinition) string {
	switch schema.Types[field.Type.Name()].Kind {
	case ast.Object, ast.Interface, ast.Union:
		return field.Name + ` { __typename }`
	default:
		return field.Name
	}
}

// objects returns the types that have broadcastable fields, each with these fields in order.
func objects(schema *ast.Schema) map[string][]*ast.FieldDefinition {
	all := make(map[string][]*ast.FieldDefinition)
	for name, definition := range schema.Types {
		if definition.Kind == ast.Object && name != "Subscription" && slices.ContainsFunc(definition.Fields, isBroadcastable) {
			all[name] = definition.Fields
		}
	}
	return all
}

func isBroadcastable(field *ast.FieldDefinition) bool {
	return field.Directives.ForName("broadcastable") != nil
}

// A field that is marked broadcastable must have the same value for every viewer. This test checks each of them.
func TestPoint22WhatIsBroadcastableLooksTheSameToEverybody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		schema := theSchema(t)
		ada, bob, eve := q.person("Ada"), q.person("Bob"), q.person("Eve")
		item := q.publish(ada, "compilers", "the secret")
		// Bob may read the item, and Eve may not: her request has no answer yet.
		shared := q.execute(bob, `mutation ($id: ID!) { createKnowledgeRequest(input: {knowledgeId: $id, question: "Please?"}) { knowledgeRequest { id } } }`, map[string]any{"id": item})
		var asked struct {
			CreateKnowledgeRequest struct{ KnowledgeRequest struct{ ID string } }
		}
		shared.into(&asked)
		q.respond(ada, asked.CreateKnowledgeRequest.KnowledgeRequest.ID, "APPROVED")
		q.execute(eve, `mutation ($id: ID!) { createKnowledgeRequest(input: {knowledgeId: $id, question: "Me too?"}) { knowledgeRequest { id } } }`, map[string]any{"id": item}).into(&struct{}{})

		examples := map[string]string{"User": fmt.Sprint(ada.id), "Knowledge": item} // an object of each type that has such fields
		marked := objects(schema)
		if len(marked) != len(examples) {
			t.Errorf("the schema has %d types with broadcastable fields, and this test knows of %d: give an example of each", len(marked), len(examples))
		}
		for name, fields := range marked {
			for _, field := range fields {
				if !isBroadcastable(field) {
					continue
				}
				if len(field.Arguments) > 0 {
					t.Errorf("%s.%s has arguments, which this test does not know to give", name, field.Name)
				}
				document := fmt.Sprintf(`query ($id: ID!) { node(id: $id) { ... on %s { %s } } }`, name, selected(schema, field))
				viewers := map[string]person{"its owner": ada, "whom it was shared with": bob, "a stranger": eve, "the neutral one": {id: -1}}
				answers := make(map[string]string)
				for who, viewer := range viewers {
					a := q.execute(viewer, document, map[string]any{"id": examples[name]})
					if len(a.Errors) > 0 || strings.Contains(string(a.Data), "null") {
						t.Errorf("%s.%s: %s gets %s", name, field.Name, who, a.body)
					}
					answers[who] = a.body
				}
				for who, body := range answers {
					if body != answers["a stranger"] {
						t.Errorf("%s.%s: %s gets %s, a stranger %s", name, field.Name, who, body, answers["a stranger"])
					}
				}
			}
		}
	})
}

func TestPoint22OnlyWhatIsBroadcastableIsSharedHoweverItIsSelected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		schema := theSchema(t)
		ada, bob := q.person("Ada"), q.person("Bob")
		ways := map[string]string{
			"plainly":                  `subscription { knowledgePublished { %[2]s } }`,
			"inline":                   `subscription { knowledgePublished { __typename ... { ... on %[1]s { %[2]s } } } }`,
			"by a fragment":            `subscription { knowledgePublished { id ...F } } fragment F on %[1]s { %[2]s }`,
			"by a fragment's fragment": `subscription { knowledgePublished { ...F } } fragment F on %[1]s { title ...G } fragment G on %[1]s { %[2]s }`,
			"at the root":              `subscription { ...R } fragment R on Subscription { knowledgePublished { %[2]s } }`,
			"left out":                 `subscription { knowledgePublished { title ... on %[1]s @include(if: false) { %[2]s } } }`,
			"after having been shared": `subscription { knowledgePublished { ...F ... on %[1]s { ...F %[2]s } } } fragment F on %[1]s { title }`,
		}
		try := func(what, document string, shared bool) {
			t.Helper()
			hers, his := q.subscribe(ada, document), q.subscribe(bob, document)
			q.join(ada, hers, "")
			q.join(bob, his, "")
			want := 2
			if shared {
				want = 1
			}
			if n := q.executions(func() { q.publish(ada, "compilers", "the secret") }); n != want {
				t.Errorf("%s: %d executions, want %d", what, n, want)
			}
			for _, channel := range []string{hers, his} {
				must(t, q.subscriptions.End(q.t.Context(), q.idOf(channel), "enough"))
			}
		}
		for name, fields := range objects(schema) {
			for _, field := range fields {
				for way, form := range ways {
					selection := selected(schema, field)
					document := fmt.Sprintf(form, "Knowledge", selection)
					if name == "User" {
						document = fmt.Sprintf(form, "Knowledge", "owner { "+selection+" }")
						document = strings.ReplaceAll(document, "owner { "+selection+" }", fmt.Sprintf("owner { ... on User { %s } }", selection))
					}
					try(fmt.Sprintf("%s.%s %s", name, field.Name, way), document, isBroadcastable(field))
				}
			}
		}
		// The field of an interface is never marked, even if the field of each implementation is.
		try("an interface", `subscription { knowledgePublished { ... on Node { id } } }`, false)
		try("an interface's type", `subscription { knowledgePublished { ... on Node { ... on Knowledge { content } } } }`, false)
		for _, field := range schema.Subscription.Fields {
			if isBroadcastable(field) != (field.Name == "knowledgePublished") {
				t.Errorf("the test does not know that %s is broadcastable", field.Name)
			}
		}
	})
}

// A shared selection is executed as the neutral viewer, and not as the person who subscribed first.
func TestPoint22TheNeutralViewerSeesNothingPrivate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada, bob := q.person("Ada"), q.person("Bob")
		item := q.publish(ada, "compilers", "the secret")
		q.ask(bob, ada, "Why?")
		neutral := auth.NewContext(q.t.Context(), auth.Viewer{})
		for what, n := range map[string]func() (int, error){
			"requests":      func() (int, error) { return q.client.KnowledgeRequest.Query().Count(neutral) },
			"contents":      func() (int, error) { return q.client.KnowledgeContent.Query().Count(neutral) },
			"shares":        func() (int, error) { return q.client.KnowledgeShare.Query().Count(neutral) },
			"notifications": func() (int, error) { return q.client.Event.Query().Count(neutral) },
			"subscribers":   func() (int, error) { return q.client.StoredSubscription.Query().Count(neutral) },
			"sessions":      func() (int, error) { return q.client.Session.Query().Count(neutral) },
		} {
			if got, err := n(); got != 0 {
				t.Errorf("%d %s, %v", got, what, err)
			}
		}
		a := q.execute(person{id: -1}, `query ($id: ID!) { node(id: $id) { ... on Knowledge { content owner { email } } } }`, map[string]any{"id": item})
		if string(a.Data) != `{"node":{"content":null,"owner":{"email":null}}}` {
			t.Errorf("got %s", a.body)
		}
	})
}
