package graph_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql/introspection"
)

// patience is far more than an answer takes on a busy machine, and far less than what a bomb takes where it goes off.
const patience = 20 * time.Second

// repeat joins what fn makes of 0 to n-1.
func repeat(n int, fn func(i int) string) string {
	var all strings.Builder
	for i := range n {
		all.WriteString(fn(i))
	}
	return all.String()
}

// doubling is fragments of which each uses the next one twice.
func doubling(n int, on, inner string) string {
	return repeat(n, func(i int) string { return fmt.Sprintf("fragment f%d on %s{...f%d ...f%d %s}", i, on, i+1, i+1, inner) }) +
		fmt.Sprintf("fragment f%d on %s{__typename}", n, on)
}

func TestBombsAreDefusedAtOnce(t *testing.T) {
	t.Parallel()
	h := build(t, func(p *plan) { p.Web.Playground = "on" })
	s := h.set()
	before := h.rows()
	const (
		parse, validate, cost = "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "COMPLEXITY_LIMIT_EXCEEDED"
	)
	users := `users(first:100){edges{node{id name email createdAt}}}`
	for name, bomb := range map[string]struct{ query, want string }{
		"aliases":                        {"{" + repeat(3000, func(i int) string { return fmt.Sprintf("a%d:me{id}", i) }) + "}", cost},
		"aliases of lists":               {"{" + repeat(18, func(i int) string { return fmt.Sprintf("a%d:", i) + users }) + "}", cost},
		"the same field again and again": {"{" + strings.Repeat("me{id name}", 380) + "}", cost},
		"the same leaf again and again":  {"{me{" + strings.Repeat("id ", 1990) + "}}", cost},
		"the same list again and again":  {"{" + strings.Repeat(users, 20) + "}", cost},
		"fragments that double":          {"{...f0}" + doubling(60, "Query", ""), cost},
		"very many fragments":            {"{...f0}" + doubling(150, "Query", ""), cost},
		"fragments that double below":    {"{me{...f0}}" + doubling(60, "User", "id"), cost},
		"fragments in a list":            {"{users{edges{node{...f0}}}}" + doubling(60, "User", "a:name"), cost},
		"doubling behind a directive":    {"{...f0 @skip(if:true)}" + doubling(60, "Query", ""), cost},
		"doubling introspection":         {"{__schema{types{...f0}}}" + doubling(60, "__Type", "name"), cost},
		"fragments for many operations":  {repeat(40, func(i int) string { return fmt.Sprintf("query q%d{...f0}", i) }) + doubling(40, "Query", ""), "BAD_USER_INPUT"},
		"fragments in a ring": {"{...f0}" + repeat(60, func(i int) string {
			return fmt.Sprintf("fragment f%d on Query{...f%d ...f%d}", i, (i+1)%60, (i+2)%60)
		}), validate},
		"inline fragments in each other": {"{" + strings.Repeat("...{", 490) + "me{id}" + strings.Repeat("}", 490) + "}", ""},
		"braces":                         {strings.Repeat("{a", 100_000), cost},
		"brackets":                       {"{users(first:" + strings.Repeat("[", 100_000), parse},
		"input objects":                  {"{knowledge(where:" + strings.Repeat("{a:", 100_000), cost},
		"types":                          {"query($a:" + strings.Repeat("[", 100_000), parse},
		"directives":                     {"{me" + strings.Repeat("@a", 3000) + "{id}}", cost},
		"fewer directives":               {"{me" + strings.Repeat("@a", 900) + "{id}}", cost},
		"known directives":               {"{me" + strings.Repeat("@skip(if:false)", 250) + "{id}}", cost},
		"variables":                      {"query(" + repeat(400, func(i int) string { return fmt.Sprintf("$a%d:Int ", i) }) + "){me{id}}", cost},
		"operations":                     {repeat(250, func(i int) string { return fmt.Sprintf("query q%d{me{id}}", i) }), cost},
		"a page of a hundred million":    {"{users(first:100000000){edges{node{id}}}}", "BAD_USER_INPUT"},
		"a long name":                    {"{" + strings.Repeat("a", 900_000) + "}", validate},
		"a long string":                  {`{users(search:"` + strings.Repeat("a", 900_000) + `"){totalCount}}`, "BAD_USER_INPUT"},
		"a long number":                  {`{users(first:` + strings.Repeat("9", 900_000) + `){totalCount}}`, validate},
		"a long comment":                 {"#" + strings.Repeat("a", 900_000) + "\n{me{id}}", ""},
		"many commas":                    {strings.Repeat(",", 900_000) + "{me{id}}", ""},
		"a cursor in a cursor in a …": {`{users(after:"` + base64.RawStdEncoding.EncodeToString([]byte("\x82\xa1i\x01\xa1v"+strings.Repeat("\x91", 700_000))) +
			`"){totalCount}}`, "BAD_USER_INPUT"},
		"a cursor that promises four billion": {`{users(after:"` + base64.RawStdEncoding.EncodeToString([]byte("\x82\xa1i\x01\xa1v\xdd\xff\xff\xff\xff")) +
			`"){totalCount}}`, "BAD_USER_INPUT"},
		"types of fields of types of fields": {"{__schema{types{fields{type{fields{type{fields{type{fields{name}}}}}}}}}}", validate},
	} {
		body, err := json.Marshal(map[string]string{"query": bomb.query})
		must(t, err)
		start := time.Now()
		a := h.post(s.owner, string(body))
		if took := time.Since(start); took > patience {
			t.Errorf("%s: answered after %v", name, took)
		}
		if a.status != 200 || a.code() != bomb.want {
			t.Errorf("%s is answered %d %.300s, want %q", name, a.status, a.body, bomb.want)
		}
	}
	if h.rows() != before {
		t.Error("something is written")
	}
}

func TestWhatToolsAskIsWithinTheLimits(t *testing.T) {
	t.Parallel()
	h := build(t, func(p *plan) { p.Web.Playground = "on" })
	s := h.set()
	if got := s.ask(nobody, introspection.Query).get("__schema", "queryType", "name"); got != "Query" {
		t.Errorf("introspection has %s", got)
	}
	// A screen: four full lists with all that a screen shows.
	var screen any
	s.ask(s.owner, `{
		me { id name email }
		realtime { key cluster host port tls authEndpoint channel }
		knowledge(first: 100) { totalCount pageInfo { hasNextPage endCursor } edges { node { id title content owner { id name } updatedAt } } }
		sent: knowledgeRequests(box: SENT, first: 50) { edges { node { ...request } } }
		received: knowledgeRequests(box: RECEIVED, first: 50) { edges { node { ...request } } }
		notifications(first: 50) { unreadCount edges { node { id kind createdAt readAt request { ...request } } } }
	}
	fragment request on KnowledgeRequest { id question status responseContent createdAt respondedAt
		requester { id name } owner { id name } knowledge { id title } }`).into(&screen)
}

func TestIntrospectionIsOffUnlessWanted(t *testing.T) {
	t.Parallel()
	h := build(t)
	for _, query := range []string{
		introspection.Query,
		`{ __schema { queryType { name } } }`,
		`{ a: __type(name: "User") { name } }`,
		`{ me { id } ... on Query { ...a } } fragment a on Query { __schema { description } }`,
		`mutation { __schema { queryType { name } } }`,
	} {
		a := h.ask(nobody, query)
		if a.code() != "GRAPHQL_VALIDATION_FAILED" || a.Data != nil {
			t.Errorf("%s is answered %.300s", title(query), a.body)
		}
	}
	if got := h.ask(nobody, `{ __typename }`).get("__typename"); got != "Query" {
		t.Errorf("the name of the type is %s", got)
	}
}
