package graph_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// FuzzPost sends anything as the body of a request.
func FuzzPost(f *testing.F) {
	s := build(f).set()
	for _, body := range []string{
		me, "", "{", "[]", "null", me + "}", me + me, "\xff", `{"query":{}}`, `{"QUERY":"{me{id}}"}`, `{"query":"{ me { id \u0000 } }"}`,
		`{"query":"query($v: ID!) { node(id: $v) { id } }","variables":{"v":1e99}}`,
		`{"query":"query a { me { id } } query b { __typename }","operationName":"b","extensions":{}}`,
		`{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"00"}}}`,
		`{"query":"{ me { id } }","extensions":{"persistedQuery":{"version":1,"sha256Hash":[null]}}}`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) { s.survives(t, body) })
}

// FuzzOperation sends anything as an operation and its variables, where these are an object.
func FuzzOperation(f *testing.F) {
	s := build(f, func(p *plan) { p.Web.Playground = "on" }).set()
	for _, row := range slices.Concat(queries, mutations) {
		f.Add(fill(row.operation), "")
	}
	for _, bad := range badInputs {
		f.Add(fill(bad.operation), "")
	}
	for _, pair := range [][2]string{
		{`query($v: [ID!]) { me { id } }`, `{"v":[null,[1]]}`},
		{`mutation($v: MarkNotificationsReadInput!) { markNotificationsRead(input: $v) { marked } }`, `{"v":{"ids":[1],"upTo":null}}`},
		{`query($v: KnowledgeWhereInput) { knowledge(where: $v) { totalCount } }`, `{"v":{"ownerId":"1","createdAtGTE":"2026-01-01T00:00:00Z"}}`},
		{`query($v: Cursor, $n: Int = 5) { users(after: $v, first: $n) { edges { cursor } } }`, `{"v":"gqFpAaF2oWE"}`},
		{`query($v: KnowledgeOrder = {field: TITLE}) { knowledge(orderBy: $v) { totalCount } }`, `{"v":{"field":"CREATED_AT","direction":"DESC"}}`},
		{`query($on: Boolean!) { me { ...a ... @include(if: $on) { id } } } fragment a on User { name @skip(if: $on) }`, `{"on":true}`},
	} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, query, variables string) {
		request := map[string]any{"query": query}
		if json.Valid([]byte(variables)) && strings.HasPrefix(variables, "{") {
			request["variables"] = json.RawMessage(variables)
		}
		body, err := json.Marshal(request)
		must(t, err)
		s.survives(t, string(body))
	})
}

// FuzzSocket sends anything as the second message of a WebSocket: it is answered, or the connection closed with a
// code of the protocol.
func FuzzSocket(f *testing.F) {
	s := build(f).set()
	for _, message := range []string{
		"", "{", "[]", "null", `{"type":"ping"} `, `{"type":"pong","payload":null}`, `{"type":"connection_init"}`, "\xff",
		`{"type":"subscribe","id":"1","payload":{"query":"{ me { name } }"}}`, `{"TYPE":"subscribe","id":"\u0000","payload":{"query":"{"}}`,
		`{"type":"subscribe","id":1,"payload":{}}`, `{"type":"subscribe","id":"1","payload":null}`, `{"type":"complete","id":"1"}`,
		`{"type":"subscribe","id":"1","payload":{"query":"subscription { knowledgePublished { id } }","variables":{"v":1e99}}}`,
	} {
		f.Add(message)
	}
	f.Fuzz(func(t *testing.T, message string) {
		h := *s.harness
		h.t = t
		socket := h.socket(s.owner)
		socket.send(message)
		socket.send(`{"type":"ping"}`)
		for {
			answered, err := socket.read()
			if code := int(websocket.CloseStatus(err)); err != nil && code != 1009 && (code < 4400 || code > 4429) {
				t.Errorf("closed with %v", err)
			}
			if err != nil || answered.Type == "pong" {
				break
			}
			if answered.Type != "complete" && answered.code(t) == "INTERNAL" {
				t.Errorf("answered %s", answered.Payload)
			}
		}
		s.journal.check(t)
	})
}

// survives posts a body as somebody signed in: it is answered with JSON and a code, and nothing is logged as an error.
func (s *scene) survives(t *testing.T, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/graphql", strings.NewReader(body))
	must(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+s.owner.token)
	response, err := s.http.Do(request)
	must(t, err)
	defer response.Body.Close()
	answered, err := io.ReadAll(response.Body)
	must(t, err)
	var a answer
	if err := json.Unmarshal(answered, &a); err != nil {
		t.Fatalf("the answer is not JSON: %q", answered)
	}
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		if len(a.Errors) != 1 || a.Data != nil {
			t.Errorf("answered %d %s", response.StatusCode, answered)
		}
	default:
		t.Errorf("answered %d %s", response.StatusCode, answered)
	}
	for _, e := range a.Errors {
		if e.Extensions.Code == "" || e.Extensions.Code == "INTERNAL" {
			t.Errorf("answered %s", answered)
		}
	}
	s.journal.check(t)
}

// FuzzText sends what stands between the quotes of a string, in JSON and in a document: what is accepted comes back
// unchanged.
func FuzzText(f *testing.F) {
	s := build(f).set()
	for _, text := range []string{
		``, `a`, `é 😀`, `\ud83d\ude00`, `\u{1F600}`, `\ud83d`, `\ude00\ud83d`, `\ud83d\ud83d\ude00`, `\\ud83d`, `\u005cud83d`, `\uFFFD`, "\ufffd", `\"`, `\/\n\t`,
		`\u0000`, "\t", `\u{D800}`, `\u{fffd}`, `a\`, `"`, "\xed\xa0\x80", `\u{00000041}`, `#`, `\u2028`, `""`,
	} {
		f.Add(text)
	}
	const made = `{ knowledge { content } }`
	f.Fuzz(func(t *testing.T, raw string) {
		h := *s.harness
		h.t = t
		var meant string
		sound := json.Unmarshal([]byte(`"`+raw+`"`), &meant) == nil
		replaced := strings.Contains(meant, "\ufffd") && !strings.Contains(strings.ToLower(raw), `\ufffd`) && !strings.Contains(raw, "\ufffd")
		check := func(what string, a answer) {
			t.Helper()
			if a.code() != "" {
				return
			}
			if got := a.get("createKnowledge", "knowledge", "content"); sound && got != meant || replaced {
				t.Errorf("%s %q is kept as %q, and means %q", what, raw, got, meant)
			}
		}
		check("JSON", h.post(s.owner, `{"query":"mutation($t: String!) { createKnowledge(input: {title: \"x\", content: $t}) `+made+` }","variables":{"t":"`+raw+`"}}`))
		if utf8.ValidString(raw) && !strings.Contains(raw, `""`) { // else it may be a block string, or several
			check("the literal", h.ask(s.owner, `mutation { createKnowledge(input: {title: "x", content: "`+raw+`"}) `+made+` }`))
		}
	})
}
