package graph_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"lorebridge/graph"
)

func TestARootFieldThatFailsTakesNoOtherWithIt(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	for _, test := range []struct{ operation, want string }{
		// Each list, and each field that fails for a reason of its own.
		{`{ me { name } users(first: 500) { totalCount } }`, `BAD_USER_INPUT:first {me:{name:"Owner"},users:null}`},
		{`{ knowledge(first: 500) { totalCount } me { name } }`, `BAD_USER_INPUT:first {knowledge:null,me:{name:"Owner"}}`},
		{
			`{ me { name } knowledgeRequests(box: SENT, last: 500) { totalCount } }`,
			`BAD_USER_INPUT:last {me:{name:"Owner"},knowledgeRequests:null}`,
		},
		{`{ me { name } notifications(first: 500) { totalCount } }`, `BAD_USER_INPUT:first {me:{name:"Owner"},notifications:null}`},
		{`{ viewer { user { name } } storedSubscriptions { totalCount } }`, `FORBIDDEN {viewer:{user:{name:"Owner"}},storedSubscriptions:null}`},
		{`{ a: node(id: $own) { id } b: node(id: $share) { id } }`, `NOT_FOUND {a:{id:$own},b:null}`},
		// What committed before a failure, and after it.
		{
			`mutation { made: createKnowledge(input: {title: "Bark", content: "rough"}) { knowledge { title } }
				failed: deleteKnowledge(input: {id: 4294999999}) { deletedId } }`,
			`NOT_FOUND {made:{knowledge:{title:"Bark"}},failed:null}`,
		},
		{
			`mutation { failed: updateKnowledge(input: {id: $own, title: "x"}) { knowledge { id } }
				made: createKnowledge(input: {title: "Moss", content: "soft"}) { knowledge { title } } }`,
			`FORBIDDEN {failed:null,made:{knowledge:{title:"Moss"}}}`,
		},
		{
			`mutation { again: respondToRequest(input: {requestId: $approved, status: DENIED}) { knowledgeRequest { id } }
				asked: createKnowledgeRequest(input: {knowledgeId: $item, question: "?"}) { alreadyExists }
				ended: endSubscription(input: {id: 30064771073}) { endedId }
				read: markNotificationsRead(input: {upTo: $asked}) { marked } }`,
			`ALREADY_ANSWERED OWN_KNOWLEDGE FORBIDDEN {again:null,asked:null,ended:null,read:{marked:3}}`,
		},
	} {
		if got := s.outcome(s.perform(s.owner, test.operation)); got != test.want {
			t.Errorf("%s\n gets %s\n want %s", test.operation, got, test.want)
		}
	}
	titles := s.ask(s.owner, `{ knowledge(search: "Bark") { totalCount } }`).get("knowledge", "totalCount")
	if titles != "1" {
		t.Errorf("%s items have the title that was answered, want 1", titles)
	}
}

func TestAnOrderWithoutADirectionGoesTheWayThatSuitsItsField(t *testing.T) {
	t.Parallel()
	h := build(t, func(p *plan) {
		p.Graph = graph.Settings{RequestsPerMinute: 10, Administrators: []string{"owner2@example.com"}}
	})
	s := h.set() // three people: the third is the owner
	for range 3 {
		h.ask(s.owner, `subscription { knowledgePublished { id } }`)
	}
	for i, id := range []string{"item", "own", "shared"} { // so that no order is like another
		h.mend(`UPDATE knowledge SET updated_at = ? WHERE id = ?`, fmt.Sprintf("2999-01-0%d 00:00:00+00:00", i+1), s.ids[id])
	}
	for _, test := range []struct {
		list, arguments string
		person          person
		fields          map[string]string // each with the direction that suits it
		without         string            // the field by which the list is ordered without an order
	}{
		{"users", "", s.owner, map[string]string{"CREATED_AT": "DESC", "NAME": "ASC"}, "NAME"},
		{"knowledge", "", s.owner, map[string]string{"CREATED_AT": "DESC", "UPDATED_AT": "DESC", "TITLE": "ASC"}, "CREATED_AT"},
		{"knowledgeRequests", "box: RECEIVED", s.owner, map[string]string{"CREATED_AT": "DESC"}, "CREATED_AT"},
		{"knowledgeRequests", "box: SENT", s.requester, map[string]string{"CREATED_AT": "DESC"}, "CREATED_AT"},
		{"notifications", "unreadOnly: false", s.owner, map[string]string{"CREATED_AT": "DESC"}, "CREATED_AT"},
		{"storedSubscriptions", "", s.owner, map[string]string{"CREATED_AT": "DESC"}, "CREATED_AT"},
	} {
		definition := schema().Types[schema().Query.Fields.ForName(test.list).Arguments.ForName("orderBy").Type.Name()]
		for _, value := range schema().Types[definition.Fields.ForName("field").Type.Name()].EnumValues {
			if test.fields[value.Name] == "" {
				t.Errorf("%s by %s is not in the table", test.list, value.Name)
			}
		}
		ids := func(order string) string {
			arguments := strings.TrimSpace(test.arguments + " " + order)
			if arguments != "" {
				arguments = "(" + arguments + ")"
			}
			a := h.ask(test.person, `{ `+test.list+arguments+` { edges { node { id } } } }`)
			if a.code() != "" {
				t.Fatalf("%s%s is answered %s", test.list, arguments, a.body)
			}
			return string(a.Data)
		}
		other := map[string]string{"ASC": "DESC", "DESC": "ASC"}
		for field, suits := range test.fields {
			want := ids(`orderBy: {field: ` + field + `, direction: ` + suits + `}`)
			if turned := ids(`orderBy: {field: ` + field + `, direction: ` + other[suits] + `}`); turned == want {
				t.Errorf("%s by %s is the same in both directions: %s", test.list, field, want)
			}
			for _, order := range []string{`orderBy: {field: ` + field + `}`, `orderBy: {field: ` + field + `, direction: null}`} {
				if got := ids(order); got != want {
					t.Errorf("%s(%s)\n gets %s\n want %s", test.list, order, got, want)
				}
			}
		}
		want := ids(`orderBy: {field: ` + test.without + `}`)
		for _, order := range []string{``, `orderBy: null`} {
			if got := ids(order); got != want {
				t.Errorf("%s(%s)\n gets %s\n want %s", test.list, order, got, want)
			}
		}
	}
}

func TestTheEdgeOfANewThingIsItsPlaceInTheList(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	for _, test := range []struct{ operation, root, edge, list string }{
		{
			`mutation { createKnowledge(input: {title: "Bark", content: "rough"}) { knowledgeEdge { cursor node { id } } } }`,
			"createKnowledge", "knowledgeEdge", `knowledge`,
		},
		{
			`mutation { createKnowledgeRequest(input: {ownerId: $stranger, question: "How?"}) { knowledgeRequestEdge { cursor node { id } } } }`,
			"createKnowledgeRequest", "knowledgeRequestEdge", `knowledgeRequests`,
		},
	} {
		made := s.perform(s.owner, test.operation)
		cursor, id := made.get(test.root, test.edge, "cursor"), made.get(test.root, test.edge, "node", "id")
		arguments := map[string]string{"knowledge": "first: 1", "knowledgeRequests": "box: SENT, first: 1"}[test.list]
		want := fmt.Sprintf(`{%q:{"edges":[{"cursor":%q,"node":{"id":%q}}]}}`, test.list, cursor, id)
		if got := string(s.ask(s.owner, `{ `+test.list+`(`+arguments+`) { edges { cursor node { id } } } }`).Data); got != want {
			t.Errorf("the list has %s, want %s", got, want)
		}
		after := s.ask(s.owner, `{ `+test.list+`(`+arguments+`, after: "`+cursor+`") { edges { node { id } } } }`)
		if strings.Contains(after.body, `"`+id+`"`) || after.code() != "" {
			t.Errorf("after the edge comes %s", after.body)
		}
	}
}

func TestExactlyOneWayToMarkIsAskedForBeforeAnythingRuns(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	id := s.ids["asked"]
	before := s.rows()
	const made = `made: createKnowledge(input: {title: "Bark", content: "rough"}) { knowledge { id } } `
	for _, literal := range []string{
		`{}`, `{ids: null}`, `{upTo: null}`, `{ids: null, upTo: null}`, `{ids: [$asked], upTo: $asked}`, `{ids: [], upTo: $asked}`,
		`{ids: [$asked], upTo: null}`, `{ids: null, upTo: $asked}`,
	} {
		a := s.perform(s.owner, `mutation { `+made+`markNotificationsRead(input: `+literal+`) { marked } }`)
		if len(a.Data) > 0 || a.code() == "" {
			t.Errorf("%s is answered %d %s", literal, a.status, a.body)
		}
	}
	for name, variables := range map[string]map[string]any{
		"none":                    {"v": map[string]any{}},
		"both":                    {"v": map[string]any{"ids": []int{id}, "upTo": id}},
		"one and null":            {"v": map[string]any{"ids": []int{id}, "upTo": nil}},
		"null and one":            {"v": map[string]any{"ids": nil, "upTo": id}},
		"null alone":              {"v": map[string]any{"upTo": nil}},
		"a field without a name":  {"v": map[string]any{"": nil}},
		"no such field beside":    {"v": map[string]any{"upTo": id, "all": true}},
		"null for the whole":      {"v": nil},
		"no value for a required": {},
	} {
		a := s.ask(s.owner, `mutation($v: MarkNotificationsReadInput!) { `+made+`markNotificationsRead(input: $v) { marked } }`, variables)
		if len(a.Data) > 0 || a.code() == "" {
			t.Errorf("%s is answered %d %s", name, a.status, a.body)
		}
	}
	for declared, input := range map[string]string{
		`$u: ID`:            `{upTo: $u}`,            // may be null
		`$u: ID!`:           `{upTo: $u}`,            // is absent
		`$u: ID!, $i: ID!`:  `{upTo: $u, ids: [$i]}`, // two, of which none has a value
		`$i: [ID!]`:         `{ids: $i}`,
		`$u: ID = "1"`:      `{upTo: $u}`, // the default does not make it non-null
		`$u: ID, $i: [ID!]`: `{upTo: $u, ids: $i}`,
	} {
		a := s.ask(s.owner, `mutation(`+declared+`) { `+made+`markNotificationsRead(input: `+input+`) { marked } }`)
		if len(a.Data) > 0 || a.code() == "" {
			t.Errorf("(%s) %s is answered %d %s", declared, input, a.status, a.body)
		}
	}
	if s.rows() != before {
		t.Error("something has run")
	}
	for name, a := range map[string]answer{
		"a literal": s.perform(s.owner, `mutation { markNotificationsRead(input: {ids: [$asked]}) { marked } }`),
		"a variable": s.ask(s.owner, `mutation($v: MarkNotificationsReadInput!) { markNotificationsRead(input: $v) { marked } }`,
			map[string]any{"v": map[string]any{"upTo": id}}),
		"a variable within": s.ask(s.owner, `mutation($i: [ID!]!) { markNotificationsRead(input: {ids: $i}) { marked } }`,
			map[string]any{"i": []int{id}}),
	} {
		if a.code() != "" {
			t.Errorf("%s is answered %s", name, a.body)
		}
	}
}

func TestAStoredSubscriptionIsANodeForAdministratorsAlone(t *testing.T) {
	t.Parallel()
	h := build(t, func(p *plan) {
		p.Graph = graph.Settings{RequestsPerMinute: 10, Administrators: []string{"admin0@example.com"}}
	})
	admin, ada, bob := h.person("Admin"), h.person("Ada"), h.person("Bob")
	h.ask(ada, `subscription { knowledgePublished { id } }`)
	id, err := h.client.StoredSubscription.Query().OnlyID(h.system())
	must(t, err)
	const selection = ` { __typename id ... on StoredSubscription { field state user { name email } } } }`
	want := `{"node":{"__typename":"StoredSubscription","id":"` + strconv.Itoa(id) +
		`","field":"knowledgePublished","state":"PENDING","user":{"name":"Ada","email":null}}}`
	if got := h.ask(admin, fmt.Sprintf(`{ node(id: %d)`, id)+selection); string(got.Data) != want {
		t.Errorf("the administrator gets %s, want %s", got.body, want)
	}
	missing := fmt.Sprintf(`{ node(id: %d)`, id+1) + selection
	h.ask(admin, missing).rejected("NOT_FOUND")
	// To anybody else, its own person among them, it is like one that does not exist.
	for _, p := range []person{ada, bob} {
		there, gone := h.ask(p, fmt.Sprintf(`{ node(id: %d)`, id)+selection), h.ask(p, missing)
		there.rejected("NOT_FOUND")
		if there.body != gone.body || there.status != gone.status {
			t.Errorf("%s sees the difference of %d %s and %d %s", p.name, there.status, there.body, gone.status, gone.body)
		}
	}
	h.ask(nobody, missing).rejected("UNAUTHENTICATED")
}
