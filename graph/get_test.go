package graph_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// link is /graphql with parameters, which are pairs.
func link(parameters ...string) string {
	var pairs []string
	for i := 0; i < len(parameters); i += 2 {
		pairs = append(pairs, parameters[i]+"="+url.QueryEscape(parameters[i+1]))
	}
	return "/graphql?" + strings.Join(pairs, "&")
}

func (h *harness) get(p person, path string, header ...string) answer {
	h.t.Helper()
	return h.request(p, http.MethodGet, path, "", header...)
}

func TestQueriesAreServedByGET(t *testing.T) {
	t.Parallel()
	h := build(t)
	ada := h.person("Ada")
	const (
		byID = `query($id: ID!, $with: Boolean = true) { node(id: $id) { ... on User { name @include(if: $with) } } }`
		two  = `query one { a: me { name } } query two { b: me { name } } mutation three { signOut { signedOut } }`
	)
	id := fmt.Sprintf(`{"id":"%d"}`, ada.id)
	for name, test := range map[string]struct{ path, want string }{
		"a query":                 {link("query", `{ me { name } }`), `{"me":{"name":"Ada"}}`},
		"as a person types it":    {"/graphql?query={me{name}}", `{"me":{"name":"Ada"}}`},
		"with a plus for a blank": {"/graphql?query={me+{+name+}}", `{"me":{"name":"Ada"}}`},
		"with a semicolon in it":  {"/graphql?query={me{name}}%23;", `{"me":{"name":"Ada"}}`},
		"its name encoded":        {"/graphql?%71uery={me{name}}", `{"me":{"name":"Ada"}}`},
		"variables":               {link("query", byID, "variables", id), `{"node":{"name":"Ada"}}`},
		"variables and blanks":    {link("query", byID, "variables", " \n"+id+"\t"), `{"node":{"name":"Ada"}}`},
		"variables of all types": {
			link("query", byID, "variables", fmt.Sprintf(`{"id":%d,"with":false,"x":[1,null]}`, ada.id)), `{"node":{}}`,
		},
		"the operation's name":     {link("query", two, "operationName", "two"), `{"b":{"name":"Ada"}}`},
		"a query beside mutations": {link("query", two, "operationName", "one"), `{"a":{"name":"Ada"}}`},
		"an operation called null": {
			link("query", `query null { me { name } } query x { me { id } }`, "operationName", "null"), `{"me":{"name":"Ada"}}`,
		},
		"extensions": {link("query", `{ me { name } }`, "extensions", `{"tracing":{"a":[1]}}`), `{"me":{"name":"Ada"}}`},
		"empty parameters": {
			link("query", `{ me { name } }`, "variables", "", "operationName", "", "extensions", ""), `{"me":{"name":"Ada"}}`,
		},
		"null for parameters": {link("query", `{ me { name } }`, "variables", "null", "extensions", " null "), `{"me":{"name":"Ada"}}`},
		"parameters that are unknown": {
			link("utm_source", "x", "utm_source", "y", "query", `{ me { name } }`, "Query", "{", "", "") + "&&bare&b=%zz", `{"me":{"name":"Ada"}}`,
		},
		"all characters": {
			link("query", `{ knowledge(search: "ä𐐷\uD83D\uDE00%&=+;") { totalCount } }`), `{"knowledge":{"totalCount":0}}`,
		},
	} {
		for accept, want := range map[string]string{"": plainJSON, "application/graphql-response+json": ofGraphQL} {
			a := h.get(ada, test.path, "Accept", accept)
			if a.status != http.StatusOK || string(a.Data) != test.want || len(a.Errors) > 0 || a.header.Get("Content-Type") != want {
				t.Errorf("%s: %d %s, want %s", name, a.status, a.body, test.want)
			}
			head := h.request(ada, http.MethodHead, test.path, "", "Accept", accept)
			if head.status != http.StatusOK || head.body != "" || head.header.Get("Content-Type") != want ||
				head.header.Get("Content-Length") != fmt.Sprint(len(a.body)) {
				t.Errorf("%s by HEAD: %d %v %q", name, head.status, head.header, head.body)
			}
		}
	}
	// RFC 9110 section 9.3.1: what stands in the body of a GET request has no meaning.
	a := h.request(ada, http.MethodGet, "/graphql?query={me{name}}", `{"query":"{ me { id } }"}`, "Content-Type", "application/json")
	if got := a.get("me", "name"); got != "Ada" {
		t.Errorf("with a body it is %s", a.body)
	}
	// And what stands in the URL of a POST request has none for us.
	a = h.request(ada, http.MethodPost, "/graphql?query={me{name}}", `{}`, "Content-Type", "application/json")
	if a.code() != "BAD_USER_INPUT" {
		t.Errorf("POST reads its URL: %s", a.body)
	}
	if got := h.get(nobody, "/graphql?query={me{name}}").get("me"); got != "null" {
		t.Errorf("nobody is %s", got)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/graphql?query={me{name}}", nil)
	must(t, err)
	request.Header.Set("Accept", "text/event-stream")
	response, err := h.http.Do(request)
	must(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(t, err)
	if string(body) != "event: next\ndata: {\"data\":{\"me\":null}}\n\nevent: complete\ndata:\n\n" {
		t.Errorf("as an event stream: %d %q", response.StatusCode, body)
	}
}

// A link, an image or a prefetch makes browsers send GET, so it changes nothing, whatever else is wrong with it.
func TestOnlyQueriesRunByGET(t *testing.T) {
	t.Parallel()
	h := build(t)
	ada := h.person("Ada")
	const create = `createKnowledge(input: {title: "a", content: "b"}) { knowledge { id } }`
	persisted := func(document string) string {
		sum := sha256.Sum256([]byte(document))
		return fmt.Sprintf(`{"persistedQuery":{"version":1,"sha256Hash":%q}}`, hex.EncodeToString(sum[:]))
	}
	registered := `mutation a { ` + create + ` }`
	h.post(ada, fmt.Sprintf(`{"query":%q,"extensions":%s}`, registered, persisted(registered))).into(&struct{}{})
	rows := h.rows()
	for name, path := range map[string]string{
		"a mutation":                  link("query", `mutation { `+create+` }`),
		"a mutation of nothing":       link("query", `mutation { __typename }`),
		"one among others":            link("query", `query a { me { id } } mutation b { `+create+` }`, "operationName", "b"),
		"one by its hash":             link("extensions", persisted(registered)),
		"one with its hash":           link("query", registered, "extensions", persisted(registered)),
		"one that must be alone":      link("query", `mutation { signOut { signedOut } a: signOut { signedOut } }`),
		"one without its variables":   link("query", `mutation($i: CreateKnowledgeInput!) { createKnowledge(input: $i) { knowledge { id } } }`),
		"one that is not valid":       link("query", `mutation { nothing }`),
		"an unknown one among others": link("query", `query a { nothing } mutation b { nothing }`, "operationName", "b"),
		"a subscription of two":       link("query", `subscription { knowledgePublished { id } a: knowledgePublished { id } }`),
		"a subscription":              link("query", received),
		"a subscription beside a query": link("query", `query a { me { id } } subscription b { knowledgePublished { id } }`,
			"operationName", "b"),
	} {
		for _, accept := range []string{"", "application/json", "application/graphql-response+json", "text/event-stream"} {
			a := h.get(ada, path, "Accept", accept)
			if a.status != http.StatusMethodNotAllowed || a.code() != "METHOD_NOT_ALLOWED" || a.header.Get("Allow") != "POST" ||
				a.Data != nil || a.header.Get("X-Subscription-Id") != "" {
				t.Errorf("%s for %q is answered %d, Allow %q: %s", name, accept, a.status, a.header.Get("Allow"), a.body)
			}
			if head := h.request(ada, http.MethodHead, path, "", "Accept", accept); head.status != http.StatusMethodNotAllowed {
				t.Errorf("%s for %q by HEAD is answered %d", name, accept, head.status)
			}
		}
	}
	if h.rows() != rows {
		t.Error("something is written")
	}
	if n := h.count("subscribers"); n != 0 {
		t.Errorf("%d subscriptions are stored", n)
	}
}

func TestWhatIsNoRequestIs400ByGET(t *testing.T) {
	t.Parallel()
	h := build(t)
	ada := h.person("Ada")
	const asks = "/graphql?query={me{name}}"
	for name, test := range map[string]struct{ path, field string }{
		"nothing":                        {"/graphql", "query"},
		"no parameter":                   {"/graphql?", "query"},
		"an empty query":                 {"/graphql?query=", "query"},
		"a query without a value":        {"/graphql?query", "query"},
		"another case":                   {"/graphql?QUERY={me{name}}", "query"},
		"extensions without a hash":      {link("extensions", `{}`), "query"},
		"a hash of no version":           {link("extensions", `{"persistedQuery":{"sha256Hash":"0"}}`), "extensions.persistedQuery"},
		"two queries":                    {asks + "&query={me{name}}", "query"},
		"two, the first empty":           {"/graphql?query=&query={me{name}}", "query"},
		"two, one encoded":               {asks + "&%71uery={me{id}}", "query"},
		"two names":                      {asks + "&operationName=&operationName=", "operationName"},
		"two variables":                  {asks + "&variables={}&variables={}", "variables"},
		"two extensions":                 {asks + "&extensions={}&extensions={}", "extensions"},
		"half an escape":                 {asks + "%2", "query"},
		"no escape":                      {asks + "%zz", "query"},
		"no escape in a name":            {asks + "&%zz=1", "URL"},
		"no escape in variables":         {asks + "&variables={}%", "variables"},
		"broken UTF-8":                   {asks + "%23%ff", "query"},
		"Latin-1":                        {asks + "%23caf%e9", "query"},
		"half a pair of surrogates":      {asks + "%23%ed%a0%80", "query"},
		"broken UTF-8 in a name":         {asks + "&operationName=%ff", "query"},
		"broken UTF-8 in variables":      {asks + `&variables={"a":"%ff"}`, "variables"},
		"half a pair in variables":       {asks + `&variables={"a":"\ud83d"}`, "variables.a"},
		"half a pair in extensions":      {asks + `&extensions={"a":"\udc00"}`, "extensions.a"},
		"variables that are no JSON":     {asks + "&variables={a:1}", "variables"},
		"variables in an array":          {asks + "&variables=[]", "variables"},
		"variables in a string":          {asks + `&variables="{}"`, "variables"},
		"a variable twice":               {asks + `&variables={"a":1,"a":2}`, "variables"},
		"something behind the variables": {asks + "&variables={}{}", "variables"},
		"a query behind the variables":   {asks + `&variables={},"query":"mutation{signOut{signedOut}}"`, "variables"},
		"extensions in a number":         {asks + "&extensions=5", "extensions"},
		"a hundred arrays deep":          {asks + `&variables={"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "}", "variables"},
		"variables that are blank":       {asks + "&variables=%20", "variables"},
	} {
		path := strings.ReplaceAll(strings.ReplaceAll(test.path, `"`, "%22"), " ", "%20")
		a := h.get(ada, path)
		if a.status != http.StatusBadRequest || len(a.Errors) != 1 || a.code() != "BAD_USER_INPUT" || a.Data != nil ||
			!strings.HasPrefix(a.Errors[0].Extensions.Field, test.field) {
			t.Errorf("%s is answered %d %.300s, want %s", name, a.status, a.body, test.field)
		}
		if len(a.body) > 400 {
			t.Errorf("%s: what was sent comes back: %.500s", name, a.body)
		}
	}
}

func TestGETHasTheLimitsOfPOST(t *testing.T) {
	t.Parallel()
	h := build(t)
	ada := h.person("Ada")
	long := func(n int) string { return link("query", `{ me { name } }`) + "&x=" + strings.Repeat("x", n) }
	if got := h.get(ada, long(40<<10)).get("me", "name"); got != "Ada" {
		t.Errorf("40 KiB are answered %s", got)
	}
	a := h.get(ada, long(48<<10))
	if a.status != http.StatusRequestURITooLong || a.code() != "PAYLOAD_TOO_LARGE" || a.Data != nil {
		t.Errorf("48 KiB are answered %d %s", a.status, a.body)
	}
	for document, code := range map[string]string{
		`{ ` + strings.Repeat("me { ", 11) + ` id ` + strings.Repeat("} ", 11) + `}`:                            "GRAPHQL_VALIDATION_FAILED",
		`{ ` + strings.Repeat(` a: users(first: 100) { edges { node { id name email createdAt } } }`, 18) + `}`: "COMPLEXITY_LIMIT_EXCEEDED",
		`{ me { ` + strings.Repeat("name ", 1000) + `} }`:                                                       "COMPLEXITY_LIMIT_EXCEEDED",
		`{ me { ` + strings.Repeat("a", 10) + ` } }`:                                                            "GRAPHQL_VALIDATION_FAILED",
		`{ me { name } } ` + strings.Repeat("{ ", 3000):                                                         "GRAPHQL_PARSE_FAILED",
		`{ __schema { types { name } } }`:                                                                       "GRAPHQL_VALIDATION_FAILED",
	} {
		for accept, status := range map[string]int{"application/json": 200, "application/graphql-response+json": 400} {
			byGET := h.get(ada, link("query", document), "Accept", accept)
			byPOST := h.post(ada, fmt.Sprintf(`{"query":%q}`, document), "Accept", accept)
			if byGET.status != status || byGET.code() != code || byGET.body != byPOST.body || byPOST.status != status {
				t.Errorf("%.60s as %s: %d %.200s, by POST %d %.200s", document, accept, byGET.status, byGET.body, byPOST.status, byPOST.body)
			}
		}
	}
}

func TestPersistedQueriesByGET(t *testing.T) {
	t.Parallel()
	h := build(t)
	ada := h.person("Ada")
	const query = `query Me { me { name } }`
	sum := sha256.Sum256([]byte(query))
	extensions := fmt.Sprintf(`{"persistedQuery":{"version":1,"sha256Hash":%q}}`, hex.EncodeToString(sum[:]))
	byHash := link("operationName", "Me", "variables", "{}", "extensions", extensions)

	h.get(ada, byHash).rejected("PERSISTED_QUERY_NOT_FOUND")
	h.get(ada, link("query", query+" ", "extensions", extensions)).rejected("GRAPHQL_VALIDATION_FAILED")
	if got := h.get(ada, link("query", query, "extensions", extensions)).get("me", "name"); got != "Ada" {
		t.Errorf("with the query it is answered %s", got)
	}
	if got := h.get(ada, byHash).get("me", "name"); got != "Ada" {
		t.Errorf("by its hash it is answered %s", got)
	}
	if got := h.get(nobody, byHash).get("me"); got != "null" {
		t.Errorf("nobody gets Ada's answer: %s", got)
	}
}

// A person who opens the API in a browser is redirected to the playground, if there is one. Programs get an answer.
func TestABrowserIsRedirectedToThePlayground(t *testing.T) {
	t.Parallel()
	h, without := build(t, func(p *plan) { p.Web.Playground = "on" }), build(t)
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
	for name, test := range map[string]struct {
		harness              *harness
		method, path, accept string
		want                 int
	}{
		"a browser":                           {h, "GET", "/graphql", browser, 302},
		"a browser by HEAD":                   {h, "HEAD", "/graphql", browser, 302},
		"with a parameter that is no request": {h, "GET", "/graphql?utm_source=x", browser, 302},
		"nothing but HTML":                    {h, "GET", "/graphql", "text/html", 302},
		"with a query":                        {h, "GET", "/graphql?query={me{name}}", browser, 200},
		"with a hash":                         {h, "GET", link("extensions", `{"persistedQuery":{"version":1,"sha256Hash":"00"}}`), browser, 200},
		"with a broken query":                 {h, "GET", "/graphql?query=%zz", browser, 400},
		"by POST":                             {h, "POST", "/graphql", browser, 415},
		"a program":                           {h, "GET", "/graphql", "*/*", 400},
		"a program that names nothing":        {h, "GET", "/graphql", "", 400},
		"one that would rather have JSON":     {h, "GET", "/graphql", "application/json, text/html;q=0.9", 400},
		"one that wants no HTML":              {h, "GET", "/graphql", "text/html;q=0, */*", 400},
		"where there is no playground":        {without, "GET", "/graphql", browser, 400},
		"where there is none, for HTML":       {without, "GET", "/graphql", "text/html", 406},
	} {
		response := test.harness.visit(nobody, test.method, test.path, "", "Accept", test.accept)
		location := response.Header.Get("Location")
		if response.StatusCode != test.want || (test.want == 302) != (location == "/playground") || (test.want != 302 && location != "") {
			t.Errorf("%s is answered %d, %q", name, response.StatusCode, location)
		}
	}
	a := without.get(nobody, "/graphql", "Accept", browser)
	if a.code() != "BAD_USER_INPUT" || !strings.Contains(a.Errors[0].Message, "/graphql?query=") {
		t.Errorf("where there is no playground it is answered %s", a.body)
	}
}
