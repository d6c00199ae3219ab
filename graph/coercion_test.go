package graph_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// misfits are values that a type does not have: as JSON of a variable, and as literals.
var misfits = []struct {
	typed, use      string // the variable's type, and the mutation that uses it as $v
	json, literally []string
}{
	{
		"KnowledgeResponse!", `respondToRequest(input: {requestId: $pending, status: $v}) { knowledgeRequest { id } }`,
		[]string{`"approved"`, `"XX"`, `""`, `" APPROVED"`, `"PENDING"`, `1`, `true`, `null`, `["APPROVED","DENIED"]`, `{}`},
		[]string{`approved`, `XX`, `"APPROVED"`, `"""APPROVED"""`, `PENDING`, `1`, `true`, `null`, `[APPROVED]`, `{}`},
	},
	{
		"ID!", `deleteKnowledge(input: {id: $v}) { deletedId }`,
		[]string{
			`"01"`, `"+1"`, `" 1"`, `"1 "`, `"1.0"`, `"1e3"`, `""`, `"0"`, `"-1"`, `"abc"`, `"9007199254740992"`, `"99999999999999999999"`, `"0x1"`, `"1_0"`, `"١"`,
			`0`, `-1`, `-0`, `1.0`, `1.5`, `1e3`, `9007199254740992`, `true`, `null`, `[]`, `["1"]`, `{}`,
		},
		[]string{
			`"01"`, `"+1"`, `" 1"`, `"1.0"`, `""`, `"""abc"""`, `0`, `-1`, `-0`, `1.0`, `1e3`, `9007199254740992`, `99999999999999999999`, `true`, `null`, `A`, `[1]`, `{}`,
		},
	},
	{
		"String!", `updateKnowledge(input: {id: $item, title: $v}) { knowledge { id } }`,
		[]string{`12`, `1.5`, `true`, `null`, `["a"]`, `{"a":1}`, `1e300`},
		[]string{`12`, `1.5`, `true`, `a`, `["a"]`, `{}`, `{a: 1}`},
	},
	{
		"[ID!]!", `markNotificationsRead(input: {ids: $v}) { marked }`,
		[]string{`[null]`, `[[1]]`, `["x"]`, `["1",{}]`, `null`, `true`, `{"0":1}`},
		[]string{`[null]`, `[[1]]`, `["x"]`, `[1.5]`, `null`, `true`, `{}`},
	},
	{
		"MarkNotificationsReadInput!", `markNotificationsRead(input: $v) { marked }`,
		[]string{
			`{}`, `{"ids":["1"],"upTo":"1"}`, `{"ids":["1"],"upTo":null}`, `{"ids":null}`, `{"upTo":null}`, `{"IDS":["1"]}`, `{"upTo":"1","__typename":"X"}`, `[]`, `"x"`, `null`,
		},
		[]string{`{}`, `{ids: [1], upTo: 1}`, `{ids: [1], upTo: null}`, `{ids: null}`, `{upTo: null}`, `{IDS: [1]}`, `[]`, `"x"`, `null`},
	},
	{
		"UpdateKnowledgeInput!", `updateKnowledge(input: $v) { knowledge { id } }`,
		[]string{`{}`, `{"title":"a"}`, `{"id":null}`, `{"id":"1","owner":"2"}`, `{"id":"1","Title":"x"}`, `{"id":"1","title":5}`, `{"id":"1","content":["x"]}`, `[{"id":"1"},{"id":"2"}]`},
		[]string{`{}`, `{title: "a"}`, `{id: null}`, `{id: 1, owner: 2}`, `{id: 1, title: 5}`, `{id: 1, id: 2}`, `[{id: 1}]`},
	},
}

func TestNothingRunsWhereAValueDoesNotFitItsType(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	before := s.rows()
	for _, misfit := range misfits {
		use := s.fill(misfit.use)
		send := func(query, variables string) {
			t.Helper()
			request, err := json.Marshal(map[string]string{"query": query})
			must(t, err)
			body := strings.TrimSuffix(string(request), "}") + `,"variables":` + variables + `}`
			for accept, status := range map[string]int{"application/json": 200, "application/graphql-response+json": 400} {
				a := s.post(s.owner, body, "Accept", accept)
				if code := a.code(); a.status != status || a.Data != nil || code != "BAD_USER_INPUT" && code != "GRAPHQL_VALIDATION_FAILED" {
					t.Errorf("%s with %s is answered as %s: %d %.300s", query, variables, accept, a.status, a.body)
				}
			}
		}
		const first = `a: createKnowledge(input: {title: "side effect", content: ""}) { knowledge { id } } `
		for _, value := range misfit.json {
			send(`mutation($v: `+misfit.typed+`) { `+first+use+` }`, `{"v":`+value+`}`)
		}
		send(`mutation($v: `+misfit.typed+`) { `+first+use+` }`, `{}`)
		send(`mutation($v: `+misfit.typed+`) { `+first+use+` }`, `{"V":1}`)
		for _, literal := range misfit.literally {
			send(`mutation { `+first+strings.ReplaceAll(use, "$v", literal)+` }`, `{}`)
			if literal != "null" { // of a type that has none, no default can be null either
				send(`mutation($v: `+misfit.typed+` = `+literal+`) { `+first+use+` }`, `{}`)
			}
		}
	}
	if s.rows() != before {
		t.Error("something is written")
	}
	socket := s.socket(s.owner)
	for _, misfit := range misfits {
		payload, err := json.Marshal(map[string]any{
			"query":     `mutation($v: ` + misfit.typed + `) { a: createKnowledge(input: {title: "x", content: ""}) { knowledge { id } } ` + s.fill(misfit.use) + ` }`,
			"variables": map[string]any{"v": json.RawMessage(misfit.json[0])},
		})
		must(t, err)
		socket.send(`{"type":"subscribe","id":"1","payload":` + string(payload) + `}`)
		if f := socket.want("error", "1"); f.code(t) != "BAD_USER_INPUT" {
			t.Errorf("%s over a WebSocket: %s", payload, f.Payload)
		}
	}
	if s.rows() != before {
		t.Error("something is written over a WebSocket")
	}
}

// fill puts ids in place of the scene's names, and leaves variables.
func (s *scene) fill(operation string) string {
	return named.ReplaceAllStringFunc(operation, func(name string) string {
		if id, ok := s.ids[name[1:]]; ok {
			return strconv.Itoa(id)
		}
		return name
	})
}

func TestValuesThatFitAreTaken(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	for _, test := range []struct{ query, variables, want string }{
		{`query($f: Int) { users(first: $f) { edges { cursor } } }`, `{"f":1}`, ""},
		{`query($f: Int) { users(first: $f) { edges { cursor } } }`, `{"f":1.0}`, ""},
		{`query($f: Int) { users(first: $f) { edges { cursor } } }`, `{"f":1e1}`, ""},
		{`query($f: Int) { users(first: $f) { edges { cursor } } }`, `{"f":null}`, ""},
		{`query($f: Int) { users(first: $f) { edges { cursor } } }`, `{}`, ""},
		{`query($f: Int = 2) { users(first: $f) { edges { cursor } } }`, `{}`, ""},
		{`query($f: Int = 2) { users(first: $f) { edges { cursor } } }`, `{"f":101}`, "BAD_USER_INPUT:first"}, // a rule of the list's
		{`query($i: ID!) { node(id: $i) { id } }`, `{"i":` + strconv.Itoa(s.ids["item"]) + `}`, ""},
		{`query($i: ID!) { node(id: $i) { id } }`, `{"i":"` + strconv.Itoa(s.ids["item"]) + `"}`, ""},
		{`mutation($i: [ID!]!) { markNotificationsRead(input: {ids: $i}) { marked } }`, `{"i":"` + strconv.Itoa(s.ids["asked"]) + `"}`, ""},
		{`mutation { markNotificationsRead(input: {ids: ` + strconv.Itoa(s.ids["asked"]) + `}) { marked } }`, `{}`, ""},
		{`mutation($i: MarkNotificationsReadInput!) { markNotificationsRead(input: $i) { marked } }`, `{"i":{"ids":[]}}`, ""},
		{`query($o: KnowledgeOrder) { knowledge(orderBy: $o) { totalCount } }`, `{"o":{"field":"TITLE"}}`, ""},
		{`query($o: KnowledgeOrder = {field: TITLE}) { knowledge(orderBy: $o) { totalCount } }`, `{}`, ""},
		{`query($u: Boolean) { notifications(unreadOnly: $u) { totalCount } }`, `{}`, ""},
		{`query($u: Boolean) { notifications(unreadOnly: $u) { totalCount } }`, `{"u":null}`, "BAD_USER_INPUT:unreadOnly"},
		{`query($u: Boolean = true) { notifications(unreadOnly: $u) { totalCount } }`, `{"u":null}`, "BAD_USER_INPUT:unreadOnly"},
		{`query($u: Boolean = true) { ...a } fragment a on Query { notifications(unreadOnly: $u) { totalCount } }`, `{"u":null}`, "BAD_USER_INPUT:unreadOnly"},
		{`query($u: Boolean = true) { me { id } ... @skip(if: true) { notifications(unreadOnly: $u) { totalCount } } }`, `{"u":null}`, ""},
		{`query($u: Boolean = true) { me { id } ... @include(if: false) { notifications(unreadOnly: $u) { totalCount } } }`, `{"u":null}`, ""},
		{`query($u: Boolean = true) { me { id name @skip(if: $u) } }`, `{"u":null}`, "BAD_USER_INPUT:if"},
		{`query($i: ID = "1") { node(id: $i) { id } }`, `{"i":null}`, "BAD_USER_INPUT:id"},
		{`query($i: ID = "1") { knowledge(where: {ownerId: $i}) { totalCount } }`, `{"i":null}`, ""},
		{`mutation($i: ID = "1") { markNotificationsRead(input: {ids: [$i]}) { marked } }`, `{"i":null}`, "BAD_USER_INPUT:ids"},
	} {
		request, err := json.Marshal(map[string]string{"query": test.query})
		must(t, err)
		a := s.post(s.owner, strings.TrimSuffix(string(request), "}")+`,"variables":`+test.variables+`}`)
		if test.want != "" {
			a.rejected(test.want)
		} else if a.code() != "" || a.Data == nil {
			t.Errorf("%s with %s is answered %d %.300s", test.query, test.variables, a.status, a.body)
		}
	}
}

// Two operations can share a fragment, and have defaults of their own for its variable.
func TestAnOperationHasItsOwnDefaults(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	document := fmt.Sprintf(`query a($o: ID) { ...list } query b($o: ID = "%d") { ...list } query c($o: ID = "%d") { ...list }
		fragment list on Query { knowledge(where: {ownerId: $o}) { totalCount } }`, s.stranger.id, s.owner.id)
	for range 2 { // read, and out of the cache
		for name, want := range map[string]string{"a": "3", "b": "1", "c": "2"} {
			body, err := json.Marshal(map[string]string{"query": document, "operationName": name})
			must(t, err)
			if got := s.post(s.owner, string(body)).get("knowledge", "totalCount"); got != want {
				t.Errorf("%s counts %s, want %s", name, got, want)
			}
		}
	}
}

func TestTheOperationIsNamedWhereThereAreSeveral(t *testing.T) {
	t.Parallel()
	h := build(t)
	ada := h.person("Ada")
	const two, one, unnamed = `query A { me { id } } query B { me { name } }`, `query A { me { id } }`, `{ me { id } }`
	for _, test := range []struct{ query, name, want string }{
		{two, ``, "A, B"},
		{two, `,"operationName":null`, "A, B"},
		{two, `,"operationName":""`, "A, B"},
		{two, `,"operationName":"C"`, "A, B"},
		{two, `,"operationName":"a"`, "A, B"},
		{two, `,"operationName":"B"`, ""},
		{two, `,"operationname":"B"`, "A, B"},
		{one, `,"operationName":"B"`, "has A"},
		{one, `,"operationName":"A"`, ""},
		{one, `,"operationName":null`, ""},
		{one, `,"operationName":""`, ""},
		{unnamed, `,"operationName":"A"`, "no name"},
		{unnamed, `,"operationName":""`, ""},
	} {
		a := h.post(ada, `{"query":"`+test.query+`"`+test.name+`}`)
		if test.want == "" {
			a.into(&struct{}{})
			continue
		}
		a.rejected("BAD_USER_INPUT:operationName")
		if message := a.Errors[0].Message; !strings.Contains(message, test.want) || a.Data != nil {
			t.Errorf("%s%s is answered %q, want %q in it", test.query, test.name, message, test.want)
		}
	}
	// If names are missing or not unique, the error is one of validation.
	h.post(ada, `{"query":"{ me { id } } query A { me { id } }"}`).rejected("GRAPHQL_VALIDATION_FAILED")
	h.post(ada, `{"query":"query A { me { id } } query A { me { id } }","operationName":"A"}`).rejected("GRAPHQL_VALIDATION_FAILED")
}

// What the server cannot hold or compare is no Time, and what it did not write is no cursor.
func TestMomentsAndPlacesAreReadExactly(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	count := func(comparison, moment string) answer {
		return s.ask(s.owner, fmt.Sprintf(`{ knowledge(where: {%s: %q}) { totalCount } }`, comparison, moment))
	}
	for _, moment := range []string{
		"", "now", "2026-11-23", "2026-11-23T10:00Z", "2026-11-23T10:00:00", "2026-11-23 10:00:00Z", "2026-11-23T10:00:60Z", "2026-11-23T24:00:00Z",
		"2026-11-23T1:00:00Z", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-11-23T10:00:00,5Z", "2026-11-23T10:00:00.Z", "2026-11-23T10:00:00.1234567891Z",
		"2026-11-23T10:00:00.1234567891+01:00", "2026-11-23T10:00:00+24:00", "2026-11-23T10:00:00+01:60", "2026-11-23T10:00:00+0100", "2026-11-23T10:00:00+01",
		"+2026-11-23T10:00:00Z", "-0001-01-01T00:00:00Z", "0000-12-31T23:59:59Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "10000-01-01T00:00:00Z",
		" 2026-11-23T10:00:00Z", "2026-11-23T10:00:00ZZ", "1764000000",
	} {
		count("createdAtGTE", moment).rejected("BAD_USER_INPUT:where.createdAtGTE")
	}
	for _, moment := range []string{
		"0001-01-01T00:00:00Z", "0999-06-01T00:00:00Z", "2000-02-29t12:00:00.123456789z", "2000-01-01T00:00:00-00:00", "1999-12-31T23:59:59.999999999+23:59",
	} {
		if got := count("createdAtGTE", moment).get("knowledge", "totalCount"); got != "3" {
			t.Errorf("%s items are newer than %s", got, moment)
		}
		if got := count("createdAtLT", moment).get("knowledge", "totalCount"); got != "0" {
			t.Errorf("%s items are older than %s", got, moment)
		}
	}
	if got := count("createdAtLT", "9999-12-31T23:59:59.999999999Z").get("knowledge", "totalCount"); got != "3" {
		t.Errorf("%s items are older than the last moment", got)
	}
	// Rows have milliseconds: a finer moment lies between two of them, and an offset changes nothing.
	s.mend(`UPDATE knowledge SET created_at = '2026-11-23 10:00:00.12+00:00' WHERE id = ?`, s.ids["item"])
	s.mend(`UPDATE knowledge SET created_at = '2026-11-23 10:00:01+00:00' WHERE id <> ?`, s.ids["item"])
	for moment, want := range map[string]string{
		"2026-11-23T10:00:00.12Z": "3", "2026-11-23T10:00:00.1200001Z": "2", "2026-11-23T10:00:00.119999Z": "3", "2026-11-23T12:00:01+02:00": "2",
		"2026-11-23T10:00:01.000000001Z": "0", "2026-11-23T10:00:00.999999999Z": "2",
	} {
		if got := count("createdAtGTE", moment).get("knowledge", "totalCount"); got != want {
			t.Errorf("since %s there are %s, want %s", moment, got, want)
		}
	}

	place := s.ask(s.owner, `{ knowledge(first: 1) { pageInfo { endCursor } } }`).get("knowledge", "pageInfo", "endCursor")
	after := func(place string) answer {
		return s.ask(s.owner, `query($c: Cursor) { knowledge(after: $c) { totalCount } }`, map[string]any{"c": place})
	}
	after(place).into(&struct{}{})
	for _, other := range []string{place + "=", place + "AAAA", place + "\n", "\n" + place, place[:8] + "\r\n" + place[8:], " " + place, strings.ToLower(place), place[:len(place)-2]} {
		after(other).rejected("BAD_USER_INPUT:c")
	}
}
