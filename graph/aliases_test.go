package graph_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/go-cmp/cmp"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"lorebridge/ent"
	"lorebridge/graph"
)

// plain are documents without an alias, which read every field of every list, edge and node, and how many queries
// each takes. Mutations among them change nothing the second time.
var plain = []struct {
	operation string
	queries   int
}{
	{`{ users(first: 2) { totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor node { id name email createdAt } } } }`, 2},
	{`{ users(first: 2) { edges { node { name } } } }`, 1},
	{`{ users(first: 0) { totalCount } }`, 1},
	{`{ users { __typename } }`, 0},
	{`{ users(orderBy: {field: CREATED_AT}) { __typename edges { cursor } } }`, 1},
	{`{ users(last: 1) { pageInfo { hasNextPage } } }`, 1},
	{`{ knowledge(first: 2) { totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
		edges { cursor node { id title content createdAt updatedAt owner { id name email createdAt } } } } }`, 4},
	{`{ knowledge(last: 2, orderBy: {field: TITLE}) { edges { node { __typename } } } }`, 1},
	{`{ knowledge(orderBy: {field: UPDATED_AT}) { edges { node { owner { __typename } content } } } }`, 3},
	{`{ knowledgeRequests(box: RECEIVED, first: 2) { totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor node {
		id question status responseContent createdAt respondedAt requester { id name email createdAt } owner { id name }
		knowledge { id title content createdAt updatedAt owner { id name } } } } } }`, 7},
	{`{ knowledgeRequests(box: SENT) { edges { node { knowledge { content } } } } }`, 1}, // the owner has sent none
	{`{ notifications(first: 2) { totalCount unreadCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
		edges { cursor node { id kind createdAt readAt request { id question status requester { name } knowledge { title owner { name } } } } } } }`, 7},
	{`{ storedSubscriptions { totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor node { id user { id name } state topic field
		channel createdAt authorizedAt lastDeliveredAt lastError expiresAt closedAt closedReason } } } }`, 4},
	{`{ node(id: $owner) { id __typename ... on User { name email createdAt } } }`, 1},
	{`{ node(id: $shared) { id ... on Node { id } ... on Knowledge { title content createdAt updatedAt owner { id name } } ... on User { name } } }`, 3},
	{`{ node(id: $approved) { ... on KnowledgeRequest { question status responseContent createdAt respondedAt requester { name } owner { name } knowledge { title content } } } }`, 5},
	{`{ node(id: $asked) { ... on Notification { kind createdAt readAt request { id question owner { name } } } } }`, 3},
	{`{ node(id: $stored) { ... on StoredSubscription { user { id name } state topic field channel createdAt authorizedAt lastDeliveredAt lastError
		expiresAt closedAt closedReason } } }`, 5},
	{`{ me { id name createdAt } viewer { email user { id name } } realtime { key cluster host port tls authEndpoint channel noticeChannel } }`, 2},
	{`mutation { markNotificationsRead(input: {ids: [$asked1]}) { marked unreadCount } }`, 1},
}

// Each field has the value that it has in the plain document, under any aliases, in any fragments, and however often it
// is selected. It takes no additional query.
func TestAliasesAndFragmentsChangeNoValue(t *testing.T) {
	t.Parallel()
	var queries atomic.Int64
	h := build(t, func(p *plan) {
		p.Graph.Administrators = []string{"owner2@example.com"}
		p.client = func(client *ent.Client) {
			client.Intercept(ent.InterceptFunc(func(next ent.Querier) ent.Querier {
				return ent.QuerierFunc(func(ctx context.Context, q ent.Query) (ent.Value, error) {
					if _, ok := q.(*ent.SessionQuery); !ok && graphql.GetFieldContext(ctx) != nil { // not who is asking, and not the relay
						queries.Add(1)
					}
					return next.Query(ctx, q)
				})
			}))
		}
	})
	s := h.set()
	must(t, h.client.StoredSubscription.Create().SetChannel("private-1").SetUserID(s.owner.id).SetSessionID(1).SetTopic("KNOWLEDGE_PUBLISHED").
		SetField("knowledgePublished").SetDocument("").SetCursor(0).SetAuthorizedAt(time.Now().UTC()).SetLastDeliveredAt(time.Now().UTC()).
		SetLastError("none").SetClosedAt(time.Now().UTC()).SetClosedReason("over").SetExpiresAt(time.Now().UTC()).Exec(h.system()))
	stored, err := h.client.StoredSubscription.Query().OnlyID(h.system())
	must(t, err)
	s.ids["stored"] = stored
	s.perform(s.owner, `mutation { markNotificationsRead(input: {ids: [$asked1]}) { marked } }`).into(&struct{}{})

	schema := graph.NewExecutableSchema(graph.Config{}).Schema()
	seen := make(map[string]bool)
	for _, document := range plain {
		queries.Store(0)
		asked := named.ReplaceAllStringFunc(document.operation, func(name string) string { return strconv.Itoa(s.ids[name[1:]]) })
		var want map[string]any
		s.ask(s.owner, asked).into(&want)
		if n := int(queries.Load()); n != document.queries {
			t.Errorf("%s takes %d queries, want %d", title(document.operation), n, document.queries)
		}
		parsed, problems := gqlparser.LoadQueryWithRules(schema, asked, nil)
		if problems != nil {
			t.Fatalf("%s: %v", document.operation, problems)
		}
		markSeen(seen, parsed.Operations[0].SelectionSet)
		for seed := range uint64(24) {
			r := &rewriter{random: rand.New(rand.NewPCG(seed, 0))}
			operation := string(parsed.Operations[0].Operation)
			selections, shape := r.rewrite(flat(parsed.Operations[0].SelectionSet, ""), strings.ToUpper(operation[:1])+operation[1:])
			text := operation + "($yes: Boolean = true, $no: Boolean = false) { ...@include(if: $yes) { ...@skip(if: $no) {" + selections + "} } }" + r.fragments.String()
			queries.Store(0)
			answer := s.ask(s.owner, text, map[string]any{"yes": true})
			if len(answer.Errors) > 0 {
				t.Fatalf("%s\nbecomes %s\n%s", document.operation, text, answer.body)
			}
			var got map[string]any
			answer.into(&got)
			if diff := cmp.Diff(any(want), shape.decode(got)); diff != "" {
				t.Fatalf("%s\nbecomes %s\n(-plain +rewritten):\n%s", document.operation, text, diff)
			}
			if n := int(queries.Load()); n > 2*document.queries {
				t.Errorf("%s takes %d queries, and %d rewritten as %s", title(document.operation), document.queries, n, text)
			}
		}
	}
	for _, definition := range schema.Types {
		if definition.BuiltIn || definition.Kind != ast.Object || slices.Contains([]string{"Mutation", "Subscription"}, definition.Name) ||
			strings.HasSuffix(definition.Name, "Payload") {
			continue
		}
		for _, field := range definition.Fields {
			if name := definition.Name + "." + field.Name; !seen[name] && !strings.HasPrefix(field.Name, "__") {
				t.Errorf("no document reads %s: add one", name)
			}
		}
	}
}

// entry is a field of a selection set, within the fragment on a type if it is in one.
type entry struct {
	field *ast.Field
	on    string
}

func flat(set ast.SelectionSet, on string) (entries []entry) {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			entries = append(entries, entry{s, on})
		case *ast.InlineFragment:
			entries = append(entries, flat(s.SelectionSet, s.TypeCondition)...)
		}
	}
	return entries
}

// markSeen notes which fields of which types are read.
func markSeen(seen map[string]bool, set ast.SelectionSet) {
	for _, e := range flat(set, "") {
		seen[e.field.ObjectDefinition.Name+"."+e.field.Name] = true
		markSeen(seen, e.field.SelectionSet)
	}
}

// rewriter writes a selection in another way. Each field stands under aliases, once or twice. Its selection is in one
// place or in two, alone or in fragments of every kind, under directives that change nothing, and beside skipped
// fields.
type rewriter struct {
	random    *rand.Rand
	names     int
	fragments strings.Builder
}

func (r *rewriter) name(prefix string) string {
	r.names++
	return prefix + strconv.Itoa(r.names)
}

// rewrite returns what selects the entries of an object of this type, and how its answer is read.
func (r *rewriter) rewrite(entries []entry, typeName string) (string, shape) {
	var selections []string
	var s shape
	for _, e := range entries {
		below := flat(e.field.SelectionSet, "")
		r.random.Shuffle(len(below), func(i, j int) { below[i], below[j] = below[j], below[i] })
		parts := [][]entry{below}
		if cut := len(below) / 2; (cut > 0 || len(below) == 0) && r.random.IntN(2) == 0 {
			parts = [][]entry{below[:cut], below[cut:]}
		}
		key := member{key: e.field.Alias}
		alias := r.name("a")
		merged := r.random.IntN(3) == 0 // one field for GraphQL, in two places
		for _, part := range parts {
			if !merged {
				alias = r.name("a")
			}
			field := alias + ": " + e.field.Name + arguments(e.field)
			p := parted{alias: alias}
			if r.random.IntN(8) == 0 {
				field += []string{" @include(if: $yes)", " @skip(if: $no)"}[r.random.IntN(2)]
			}
			if len(part) > 0 {
				var sub string
				sub, p.sub = r.rewrite(part, e.field.Definition.Type.Name())
				field += " {" + sub + "}"
			}
			key.parts = append(key.parts, p)
			selections = append(selections, r.wrapped(field, e.on, typeName))
		}
		s = append(s, key)
	}
	if r.random.IntN(4) == 0 {
		selections = append(selections, r.name("skipped")+": __typename @skip(if: $yes)")
	}
	r.random.Shuffle(len(selections), func(i, j int) { selections[i], selections[j] = selections[j], selections[i] })
	return strings.Join(selections, " "), s
}

// wrapped puts a field into a fragment, or not.
func (r *rewriter) wrapped(field, on, typeName string) string {
	kind := r.random.IntN(6)
	if on == "" && kind > 2 {
		return field
	}
	if on == "" {
		on = typeName
	}
	switch kind {
	case 0:
		fragment := r.name("f")
		fmt.Fprintf(&r.fragments, " fragment %s on %s { %s }", fragment, on, field)
		return "..." + fragment
	case 1:
		return "... on " + on + " { ... { " + field + " } }"
	default:
		return "... on " + on + " { " + field + " }"
	}
}

func arguments(field *ast.Field) string {
	if len(field.Arguments) == 0 {
		return ""
	}
	var all []string
	for _, argument := range field.Arguments {
		all = append(all, argument.Name+": "+argument.Value.String())
	}
	return "(" + strings.Join(all, ", ") + ")"
}

// shape is how the answer to a rewritten selection becomes that to the plain one.
type shape []member

type member struct {
	key   string
	parts []parted
}

type parted struct {
	alias string
	sub   shape
}

func (s shape) decode(value any) any {
	switch v := value.(type) {
	case []any:
		all := make([]any, len(v))
		for i := range v {
			all[i] = s.decode(v[i])
		}
		return all
	case map[string]any:
		if s == nil {
			return v
		}
		object := make(map[string]any)
		for _, m := range s {
			for _, p := range m.parts {
				got, ok := v[p.alias]
				if !ok {
					continue // of another type
				}
				if before, twice := object[m.key]; twice {
					object[m.key] = united(before, p.sub.decode(got))
				} else {
					object[m.key] = p.sub.decode(got)
				}
			}
		}
		return object
	default:
		return value
	}
}

// united puts together what two parts have read of one value.
func united(a, b any) any {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok {
			return "an object and none"
		}
		for key, value := range b {
			if before, twice := a[key]; twice {
				value = united(before, value)
			}
			a[key] = value
		}
		return a
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return "lists of different lengths"
		}
		for i := range a {
			a[i] = united(a[i], b[i])
		}
		return a
	}
	if a != b {
		return fmt.Sprintf("%v and %v", a, b)
	}
	return a
}
