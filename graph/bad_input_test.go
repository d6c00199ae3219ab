package graph_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

// input is one operation and what is wrong with it: the code, and the field where there is one.
type input struct{ name, operation, want string }

// Everything a client can write wrongly in an operation. Nothing is written, nothing is INTERNAL.
var badInputs = []input{
	// What the schema does not have.
	{"no such field", `{ me { passwordHash } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"no such root field", `mutation { dropAll }`, "GRAPHQL_VALIDATION_FAILED"},
	{"no such argument", `{ me(id: 1) { id } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"no such input field", `mutation { createKnowledge(input: {title: "a", content: "b", ownerID: 1}) { knowledge { id } } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"no such filter", `{ knowledge(where: {titleContains: "a"}) { totalCount } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"no such type", `{ node(id: 1) { ... on Session { id } } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"no such fragment", `{ me { ...nobody } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"no such directive", `{ me { id @secret } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"no such variable", `{ node(id: $ID) { id } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"no such enum value", `{ knowledgeRequests(box: ALL) { totalCount } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"no selection", `{ me }`, "GRAPHQL_VALIDATION_FAILED"},
	{"a selection of a scalar", `{ me { id { id } } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"a fragment that nobody uses", `{ me { id } } fragment a on User { id }`, "GRAPHQL_VALIDATION_FAILED"},
	{"a fragment within itself", `{ me { ...a } } fragment a on User { ...a }`, "GRAPHQL_VALIDATION_FAILED"},
	{"two answers of one name", `{ a: node(id: 1) { id } a: node(id: 2) { id } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"two operations without names", `{ me { id } } { me { id } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"a fragment alone", `fragment a on User { id }`, "GRAPHQL_VALIDATION_FAILED"},
	{"only a comment", `# me`, "GRAPHQL_VALIDATION_FAILED"},
	{"a type definition", `type A { a: Int }`, "GRAPHQL_PARSE_FAILED"},
	{"no closing brace", `{ me { id }`, "GRAPHQL_PARSE_FAILED"},
	{"nothing selected", `{}`, "GRAPHQL_PARSE_FAILED"},
	{"a NUL", "{ me { id \x00 } }", "GRAPHQL_PARSE_FAILED"},
	{"a string without an end", `{ users(search: "a) { totalCount } }`, "GRAPHQL_PARSE_FAILED"},

	// Types.
	{"a number for a title", `mutation { createKnowledge(input: {title: 1, content: "b"}) { knowledge { id } } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"null for a title", `mutation { createKnowledge(input: {title: null, content: "b"}) { knowledge { id } } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"no title", `mutation { createKnowledge(input: {content: "b"}) { knowledge { id } } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"no input", `mutation { createKnowledge { knowledge { id } } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"a list for an input", `mutation { createKnowledge(input: [1]) { knowledge { id } } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"a string for an enum", `{ knowledgeRequests(box: "SENT") { totalCount } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"pending for an answer", `mutation { respondToRequest(input: {requestId: $pending, status: PENDING}) { knowledgeRequest { id } } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"a float for a page", `{ users(first: 1.5) { totalCount } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"a page beyond 32 bits", `{ users(first: 99999999999999999999) { totalCount } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"a boolean for an id", `{ node(id: true) { id } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"no box", `{ knowledgeRequests { totalCount } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"a moment that is none", `{ knowledge(where: {createdAtGTE: "yesterday"}) { totalCount } }`, "BAD_USER_INPUT:where.createdAtGTE"},
	{"a moment that is a number", `{ knowledge(where: {createdAtLT: 5}) { totalCount } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"a day that is none", `{ knowledge(where: {updatedAtGTE: "2026-02-30T00:00:00Z"}) { totalCount } }`, "BAD_USER_INPUT:where.updatedAtGTE"},

	// Ids.
	{"an id of letters", `{ node(id: "abc") { id } }`, "BAD_USER_INPUT:id"},
	{"an empty id", `{ node(id: "") { id } }`, "BAD_USER_INPUT:id"},
	{"a blank id", `{ node(id: " 1") { id } }`, "BAD_USER_INPUT:id"},
	{"zero", `{ node(id: 0) { id } }`, "BAD_USER_INPUT:id"},
	{"a negative id", `{ node(id: -1) { id } }`, "BAD_USER_INPUT:id"},
	{"a fractional id", `{ node(id: "1.0") { id } }`, "BAD_USER_INPUT:id"},
	{"an id in another base", `{ node(id: "0x1") { id } }`, "BAD_USER_INPUT:id"},
	{"the largest id", `{ node(id: "9007199254740991") { id } }`, "NOT_FOUND"},
	{"an id beyond JavaScript's numbers", `{ node(id: "9007199254740992") { id } }`, "BAD_USER_INPUT:id"},
	{"an id beyond 64 bits", `{ node(id: "99999999999999999999") { id } }`, "BAD_USER_INPUT:id"},
	{"an id beyond everything", `{ node(id: 9` + strings.Repeat("9", 400) + `) { id } }`, "BAD_USER_INPUT:id"},
	{"an id in other digits", `{ node(id: "١") { id } }`, "BAD_USER_INPUT:id"},
	{"an id between the ranges", `{ node(id: "4294967295") { id } }`, "NOT_FOUND"},
	{"an id of a range that nobody has", `{ node(id: "77309411329") { id } }`, "NOT_FOUND"},
	{"a bad id to update", `mutation { updateKnowledge(input: {id: "x"}) { knowledge { id } } }`, "BAD_USER_INPUT:id"},
	{"a bad id to delete", `mutation { deleteKnowledge(input: {id: -5}) { deletedId } }`, "BAD_USER_INPUT:id"},
	{"a bad id to ask for", `mutation { createKnowledgeRequest(input: {knowledgeId: "x", question: "?"}) { alreadyExists } }`, "BAD_USER_INPUT:knowledgeId"},
	{"a bad id to ask", `mutation { createKnowledgeRequest(input: {ownerId: "x", question: "?"}) { alreadyExists } }`, "BAD_USER_INPUT:ownerId"},
	{"a bad id to answer", `mutation { respondToRequest(input: {requestId: "x", status: DENIED}) { knowledgeRequest { id } } }`, "BAD_USER_INPUT:requestId"},
	{"a bad id to mark", `mutation { markNotificationsRead(input: {ids: [$asked, "x"]}) { marked } }`, "BAD_USER_INPUT:ids"},
	{"a bad id to mark up to", `mutation { markNotificationsRead(input: {upTo: "-"}) { marked } }`, "BAD_USER_INPUT:upTo"},
	{"a bad id to filter by", `{ knowledge(where: {ownerId: "x"}) { totalCount } }`, "BAD_USER_INPUT:where.ownerId"},
	{"an id that does not exist, to answer", `mutation { respondToRequest(input: {requestId: 12884999999, status: DENIED}) { knowledgeRequest { id } } }`, "NOT_FOUND"},
	{"another's, to delete", `mutation { deleteKnowledge(input: {id: $own}) { deletedId } }`, "FORBIDDEN"},

	// Pages.
	{"a page of 101", `{ knowledge(first: 101) { totalCount } }`, "BAD_USER_INPUT:first"},
	{"a page of minus one", `{ notifications(first: -1) { totalCount } }`, "BAD_USER_INPUT:first"},
	{"a last page of 101", `{ users(last: 101) { totalCount } }`, "BAD_USER_INPUT:last"},
	{"a huge page", `{ users(first: 2147483647) { edges { node { id } } } }`, "BAD_USER_INPUT:first"},
	{"a cursor of nothing", `{ users(after: "") { totalCount } }`, "BAD_USER_INPUT:after"},
	{"a cursor that is no base64", `{ knowledge(before: "!") { totalCount } }`, "BAD_USER_INPUT:before"},
	{"a cursor of anything", `{ notifications(after: "bm90aGluZyBhdCBhbGw") { totalCount } }`, "BAD_USER_INPUT:after"},
	{"a cursor without a value", `{ users(after: "gaFpAQ") { totalCount } }`, "BAD_USER_INPUT:after"},
	{"a cursor of a map", `{ users(after: "gqFpAaF2gaFhAQ") { totalCount } }`, "BAD_USER_INPUT:after"},
	{"a cursor of a list", `{ knowledge(after: "gqFpAaF2kQE") { totalCount } }`, "BAD_USER_INPUT:after"},
	{"a cursor of a number beyond 63 bits", `{ knowledge(after: "gqFpAaF2z///////////") { totalCount } }`, "BAD_USER_INPUT:after"},
	{"a cursor of a boolean", `{ knowledge(after: "gqFpAaF2ww") { totalCount } }`, "BAD_USER_INPUT:after"},
	{"a cursor that is a number", `{ users(after: 5) { totalCount } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"a cursor with broken UTF-8", `{ users(after: "gqFpAaF2of8") { totalCount } }`, "BAD_USER_INPUT:after"},

	// Combinations.
	{"neither item nor person", `mutation { createKnowledgeRequest(input: {question: "?"}) { alreadyExists } }`, "BAD_USER_INPUT:input"},
	{"item and person", `mutation { createKnowledgeRequest(input: {knowledgeId: $own, ownerId: $stranger, question: "?"}) { alreadyExists } }`, "BAD_USER_INPUT:input"},
	{"a request for an item that is a person", `mutation { createKnowledgeRequest(input: {knowledgeId: $stranger, question: "?"}) { alreadyExists } }`, "NOT_FOUND"},
	{"neither ids nor upTo", `mutation { markNotificationsRead(input: {}) { marked } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"an answer to what is answered", `mutation { respondToRequest(input: {requestId: $approved, status: APPROVED}) { knowledgeRequest { id } } }`, "ALREADY_ANSWERED"},
	{"the schema", `{ __schema { types { name } } }`, "GRAPHQL_VALIDATION_FAILED"},
	{"a type", `{ me { id } ... { ...a } } fragment a on Query { __type(name: "User") { name } }`, "GRAPHQL_VALIDATION_FAILED"},
}

func TestEachBadInputHasItsCode(t *testing.T) {
	t.Parallel()
	h := build(t)
	s := h.set()
	before := h.rows()
	for _, bad := range badInputs {
		a := s.perform(s.owner, bad.operation)
		got := make(map[string]bool)
		for _, e := range a.Errors { // validation may find several faults
			code := e.Extensions.Code
			if e.Extensions.Field != "" {
				code += ":" + e.Extensions.Field
			}
			got[code] = true
		}
		if a.status != 200 || len(got) != 1 || !got[bad.want] {
			t.Errorf("%s is answered %d %.400s, want %s", bad.name, a.status, a.body, bad.want)
		}
		if h.rows() != before {
			t.Fatalf("%s: something is written", bad.name)
		}
	}
}

// The same wrong types in variables, which are checked at another place than what stands in the document.
func TestVariablesOfWrongTypesAreRejected(t *testing.T) {
	t.Parallel()
	h := build(t)
	s := h.set()
	before := h.rows()
	for _, test := range []struct{ operation, variables, want string }{
		{`query($v: ID!) { node(id: $v) { id } }`, `{}`, "BAD_USER_INPUT:v"},
		{`query($v: ID!) { node(id: $v) { id } }`, `{"v": null}`, "BAD_USER_INPUT:v"},
		{`query($v: ID!) { node(id: $v) { id } }`, `{"v": true}`, "BAD_USER_INPUT:v"},
		{`query($v: ID!) { node(id: $v) { id } }`, `{"v": ["1"]}`, "BAD_USER_INPUT:v"},
		{`query($v: ID!) { node(id: $v) { id } }`, `{"v": {"id": 1}}`, "BAD_USER_INPUT:v"},
		{`query($v: ID!) { node(id: $v) { id } }`, `{"v": 1.5}`, "BAD_USER_INPUT:v"},
		{`query($v: ID!) { node(id: $v) { id } }`, `{"v": 1e99}`, "BAD_USER_INPUT:v"},
		{`query($v: ID!) { node(id: $v) { id } }`, `{"v": -0}`, "BAD_USER_INPUT:v"},
		{`query($v: ID!) { node(id: $v) { id } }`, `{"v": 99999999999999999999999}`, "BAD_USER_INPUT:v"},
		{`query($v: ID!) { node(id: $v) { id } }`, `{"v": 1e300}`, "BAD_USER_INPUT:v"},
		{`query($v: ID!) { node(id: $v) { id } }`, `{"v": 9007199254740992}`, "BAD_USER_INPUT:v"},
		{`query($v: Int) { users(first: $v) { totalCount } }`, `{"v": 99999999999999999999999}`, "BAD_USER_INPUT:v"},
		{`query($v: Int) { users(first: $v) { totalCount } }`, `{"v": 1.5}`, "BAD_USER_INPUT:v"},
		{`query($v: Int) { users(first: $v) { totalCount } }`, `{"v": "x"}`, "BAD_USER_INPUT:v"},
		{`query($v: Int) { users(first: $v) { totalCount } }`, `{"v": 3000000000}`, "BAD_USER_INPUT:v"},
		{`query($v: RequestBox!) { knowledgeRequests(box: $v) { totalCount } }`, `{"v": "ALL"}`, "BAD_USER_INPUT:v"},
		{`query($v: RequestBox!) { knowledgeRequests(box: $v) { totalCount } }`, `{"v": "sent"}`, "BAD_USER_INPUT:v"},
		{`query($v: RequestBox!) { knowledgeRequests(box: $v) { totalCount } }`, `{"v": 1}`, "BAD_USER_INPUT:v"},
		{`query($v: KnowledgeOrder) { knowledge(orderBy: $v) { totalCount } }`, `{"v": {"field": "title"}}`, "BAD_USER_INPUT:v.field"},
		{`query($v: KnowledgeOrder) { knowledge(orderBy: $v) { totalCount } }`, `{"v": {"field": "CONTENT"}}`, "BAD_USER_INPUT:v.field"},
		{`query($v: KnowledgeOrder) { knowledge(orderBy: $v) { totalCount } }`, `{"v": {}}`, "BAD_USER_INPUT:v.field"},
		{`query($v: KnowledgeWhereInput) { knowledge(where: $v) { totalCount } }`, `{"v": {"titleContains": "a"}}`, "BAD_USER_INPUT:v.titleContains"},
		{`query($v: KnowledgeWhereInput) { knowledge(where: $v) { totalCount } }`, `{"v": {"ownerId": {}}}`, "BAD_USER_INPUT:v.ownerId"},
		{`query($v: KnowledgeWhereInput) { knowledge(where: $v) { totalCount } }`, `{"v": {"createdAtGTE": {"a": 1}}}`, "BAD_USER_INPUT:v.createdAtGTE"},
		{`query($v: KnowledgeWhereInput) { knowledge(where: $v) { totalCount } }`, `{"v": 5}`, "BAD_USER_INPUT:v"},
		{`query($v: Cursor) { users(after: $v) { totalCount } }`, `{"v": {"a": 1}}`, "BAD_USER_INPUT:v"},
		{`query($v: Cursor) { users(after: $v) { totalCount } }`, `{"v": ["x"]}`, "BAD_USER_INPUT:v"},
		{`query($v: String) { users(search: $v) { totalCount } }`, `{"v": 5}`, "BAD_USER_INPUT:v"},
		{`query($v: String) { users(search: $v) { totalCount } }`, `{"v": ["a"]}`, "BAD_USER_INPUT:v"},
		{`query($v: Boolean!) { notifications(unreadOnly: $v) { totalCount } }`, `{"v": "true"}`, "BAD_USER_INPUT:v"},
		{`mutation($v: [ID!]!) { markNotificationsRead(input: {ids: $v}) { marked } }`, `{"v": [null]}`, "BAD_USER_INPUT:v"},
		{`mutation($v: [ID!]!) { markNotificationsRead(input: {ids: $v}) { marked } }`, `{"v": [[1]]}`, "BAD_USER_INPUT:v"},
		{`mutation($v: MarkNotificationsReadInput!) { markNotificationsRead(input: $v) { marked } }`, `{"v": null}`, "BAD_USER_INPUT:v"},
		{`mutation($v: CreateKnowledgeInput!) { createKnowledge(input: $v) { knowledge { id } } }`, `{"v": {"title": "a", "content": "b", "ownerID": 1}}`, "BAD_USER_INPUT:v.ownerID"},
		{`mutation($v: CreateKnowledgeInput!) { createKnowledge(input: $v) { knowledge { id } } }`, `{"v": {"title": "a", "content": 5}}`, "BAD_USER_INPUT:v.content"},
		{`mutation($v: CreateKnowledgeInput!) { createKnowledge(input: $v) { knowledge { id } } }`, `{"v": [{"title": "a", "content": "b"}]}`, "BAD_USER_INPUT:v"},
		{
			`mutation($v: RespondToRequestInput!) { respondToRequest(input: $v) { knowledgeRequest { id } } }`,
			`{"v": {"requestId": 1, "status": "PENDING"}}`, "BAD_USER_INPUT:v.status",
		},
		{
			`mutation($v: RespondToRequestInput!) { respondToRequest(input: $v) { knowledgeRequest { id } } }`,
			`{"v": {"requestId": 1, "status": "approved"}}`, "BAD_USER_INPUT:v.status",
		},
		{`query($v: Nothing) { users(search: $v) { totalCount } }`, `{"v": 5}`, "GRAPHQL_VALIDATION_FAILED"},
		{`query($v: User) { me { id } }`, `{"v": 5}`, "GRAPHQL_VALIDATION_FAILED"},
	} {
		query, err := json.Marshal(test.operation)
		must(t, err)
		a := h.post(s.owner, `{"query":`+string(query)+`,"variables":`+test.variables+`}`)
		if len(a.Errors) == 0 || a.status != 200 {
			t.Errorf("%s with %s is answered %d %.300s", test.operation, test.variables, a.status, a.body)
			continue
		}
		got := a.code()
		if field := a.Errors[0].Extensions.Field; field != "" {
			got += ":" + field
		}
		if got != test.want {
			t.Errorf("%s with %s is answered %.300s, want %s", test.operation, test.variables, a.body, test.want)
		}
	}
	if h.rows() != before {
		t.Error("something is written")
	}
}

// texts are the places where a client writes text: how long it may be, and in what.
var texts = []struct {
	field, operation string
	characters       int // 0: bytes count
	bytes            int
	blank            bool // it may be empty
}{
	{"title", `mutation($text: String!) { createKnowledge(input: {title: $text, content: ""}) { knowledge { id } } }`, 200, 0, false},
	{"title", `mutation($text: String!) { updateKnowledge(input: {id: $item, title: $text}) { knowledge { id } } }`, 200, 0, false},
	{"content", `mutation($text: String!) { createKnowledge(input: {title: "x", content: $text}) { knowledge { id } } }`, 0, 64 << 10, true},
	{"content", `mutation($text: String!) { updateKnowledge(input: {id: $item, content: $text}) { knowledge { id } } }`, 0, 64 << 10, true},
	{"question", `mutation($text: String!) { createKnowledgeRequest(input: {ownerId: $stranger, question: $text}) { alreadyExists } }`, 2000, 0, false},
	{"question", `mutation($text: String!) { createKnowledgeRequest(input: {knowledgeId: $own, question: $text}) { alreadyExists } }`, 2000, 0, false},
	{"responseContent", `mutation($text: String!) { respondToRequest(input: {requestId: $pending, status: DENIED, responseContent: $text}) { knowledgeRequest { id } } }`, 0, 64 << 10, true},
	{"search", `query($text: String!) { users(search: $text) { totalCount } }`, 200, 0, true},
	{"search", `query($text: String!) { knowledge(search: $text) { totalCount } }`, 200, 0, true},
}

func TestTextsAreCheckedBeforeAnythingIsWritten(t *testing.T) {
	t.Parallel()
	h := build(t)
	s := h.set()
	for _, place := range texts {
		operation := named.ReplaceAllStringFunc(place.operation, func(name string) string {
			if id, ok := s.ids[name[1:]]; ok {
				return strconv.Itoa(id)
			}
			return name
		})
		send := func(text string) answer { return h.ask(s.owner, operation, map[string]any{"text": text}) }
		bad := map[string]string{
			"a NUL":             "a\x00b",
			"an escape":         "a\x1bb",
			"a carriage return": "a\r\nb",
			"a delete":          "a\x7fb",
			"a C1 control":      "a\u009fb",
			"a next line":       "a\u0085b",
		}
		if !place.blank {
			bad["nothing"], bad["blanks"], bad["wide blanks"] = "", " \n\t ", "\u2003\u00a0"
		}
		if place.characters > 0 {
			bad["a character too many"] = strings.Repeat("a", place.characters+1)
			bad["a wide character too many"] = " " + strings.Repeat("𝄞", place.characters+1)
		} else {
			bad["a byte too many"] = strings.Repeat("a", place.bytes+1)
			bad["a KiB too many"] = strings.Repeat("a", place.bytes+1024)
			bad["wide characters of a byte too many"] = strings.Repeat("𝄞", place.bytes/4) + "a"
		}
		before := h.rows()
		for name, text := range bad {
			if a := send(text); a.status != 200 || a.code() != "BAD_USER_INPUT" || a.Errors[0].Extensions.Field != place.field || len(a.body) > 500 {
				t.Errorf("%s with %s is answered %d %.300s\n to %s", place.field, name, a.status, a.body, title(operation))
			}
		}
		if h.rows() != before {
			t.Errorf("something is written by %s", title(operation))
		}

		good := []string{"a\tb\nc", "café 🍵 \u202e\ufeff", "a\ufffdb"}
		if place.characters > 0 {
			good = append(good, strings.Repeat("a", place.characters), " \n"+strings.Repeat("𝄞", place.characters)+"\t\u2003")
		} else {
			good = append(good, strings.Repeat("𝄞", place.bytes/4))
		}
		for _, text := range good {
			a := send(text)
			if a.code() == "ALREADY_ANSWERED" { // one request takes one answer
				s.ids["pending"] = s.request(s.stranger, "", "owner", "Another about "+strconv.Itoa(len(text)))
				a = h.ask(s.owner, strings.ReplaceAll(place.operation, "$pending", strconv.Itoa(s.ids["pending"])), map[string]any{"text": text})
			}
			if a.code() != "" && a.code() != "OWN_KNOWLEDGE" {
				t.Errorf("%s %.20q of %d bytes is answered %.300s", place.field, text, len(text), a.body)
			}
		}
	}
}

func TestHalfOfASurrogatePairIsRejected(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	before := s.rows()
	for _, half := range []string{`\ud800`, `\udc00`, `\ud800\ud800`, `\ude00\ud83d`, `\uD83D\\u{DE00}`} {
		body := `{"query":"mutation($t: String!) { createKnowledge(input: {title: $t, content: \"\"}) { knowledge { title } } }","variables":{"t":"a` + half + `b"}}`
		s.post(s.owner, body).rejected("BAD_USER_INPUT:variables.t")
		// The same escapes in the document itself.
		document := `mutation { createKnowledge(input: {title: "a` + strings.ReplaceAll(half, `\\`, `\`) + `b", content: ""}) { knowledge { title } } }`
		s.ask(s.owner, document).rejected("BAD_USER_INPUT:query")
	}
	for _, wrong := range []string{`\u{D800}`, `\u{DFFF}`, `\u{110000}`, `\u{}`, `\u{000000041}`, `\u{41`, `\x41`} {
		s.ask(s.owner, `mutation { createKnowledge(input: {title: "`+wrong+`", content: ""}) { knowledge { title } } }`).rejected("GRAPHQL_PARSE_FAILED")
	}
	if s.rows() != before {
		t.Error("something is written")
	}
	for literal, want := range map[string]string{
		`"\ud83d\ude00 \u{1F600} \uD83D\uDE00"`:    "😀 😀 😀",
		`"\\ud83d \u005cud83d"`:                    `\ud83d \ud83d`,
		`"""\ud83d \" \""" "\ude00" #"""`:          `\ud83d \" """ "\ude00" #`,
		`"""a"""" # \ud83d " """ \ud83d` + "\n":    `a"`,
		`"#" # "\ud83d` + "\r":                     "#",
		`"\u0041\t\u{41}\u{00000041}\u{10FFFF}\/"`: "A\tAA\U0010FFFF/",
	} {
		document := `mutation { createKnowledge(input: {title: "x", content: ` + literal + `}) { knowledge { content } } }`
		if got := s.ask(s.owner, document).get("createKnowledge", "knowledge", "content"); got != want {
			t.Errorf("%s is kept as %q, want %q", literal, got, want)
		}
	}
}

// A password is checked before it is hashed: hashing takes 19 MiB and a core.
func TestAccountsAreCheckedBeforeAnythingIsWritten(t *testing.T) {
	t.Parallel()
	h := build(t, func(p *plan) { p.Auth.SignUpsPerAddress = 1000 })
	before := h.rows()
	for _, test := range []struct{ name, email, password, want string }{
		{"Ada", "ada@example.com", "", "password"},
		{"Ada", "ada@example.com", "seven77", "password"},
		{"Ada", "ada@example.com", "𝄞𝄞𝄞𝄞𝄞𝄞𝄞", "password"},
		{"Ada", "ada@example.com", strings.Repeat("a", 201), "password"},
		{"Ada", "ada@example.com", "eight\x00aaaaa", "password"},
		{"", "ada@example.com", "long enough", "name"},
		{" \n", "ada@example.com", "long enough", "name"},
		{strings.Repeat("é", 101), "ada@example.com", "long enough", "name"},
		{"A\x00da", "ada@example.com", "long enough", "name"},
		{"Ada", "", "long enough", "email"},
		{"Ada", "ada", "long enough", "email"},
		{"Ada", "@example.com", "long enough", "email"},
		{"Ada", "ada@", "long enough", "email"},
		{"Ada", "ada@ex@ample.com", "long enough", "email"},
		{"Ada", "ada lovelace@example.com", "long enough", "email"},
		{"Ada", "ada\x00@example.com", "long enough", "email"},
		{"Ada", strings.Repeat("a", 243) + "@example.com", "long enough", "email"},
	} {
		h.ask(nobody, signUp, map[string]any{"name": test.name, "email": test.email, "password": test.password, "session": "TOKEN"}).
			rejected("BAD_USER_INPUT:" + test.want)
		if test.want == "email" {
			h.ask(nobody, `mutation($email: String!) { signIn(input: {email: $email, password: "long enough"}) { expiresAt } }`,
				map[string]any{"email": test.email})
		}
	}
	if h.rows() != before {
		t.Error("something is written")
	}
}
