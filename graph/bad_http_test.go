package graph_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"lorebridge/graph"
)

const me = `{"query":"{ me { name } }"}`

func TestOtherMethodsAreNotServed(t *testing.T) {
	t.Parallel()
	h := build(t)
	ada := h.person("Ada")
	for _, method := range []string{http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace, "BREW", "get", "QUERY"} {
		a := h.request(ada, method, "/graphql?query={me{name}}", me, "Content-Type", "application/json")
		if a.status != http.StatusMethodNotAllowed || a.code() != "METHOD_NOT_ALLOWED" || a.header.Get("Allow") != "GET, HEAD, POST" || a.Data != nil {
			t.Errorf("%s is answered %d, Allow %q: %s", method, a.status, a.header.Get("Allow"), a.body)
		}
	}
}

// An operation that never ran has no data. With the newer media type its status is 400.
func TestWhatNeverRanHasNoData(t *testing.T) {
	t.Parallel()
	h := build(t)
	for name, test := range map[string]struct {
		body, code string
		ran        bool
	}{
		"does not parse":           {`{"query":"{"}`, "GRAPHQL_PARSE_FAILED", false},
		"is not valid":             {`{"query":"{ you }"}`, "GRAPHQL_VALIDATION_FAILED", false},
		"has a variable too few":   {`{"query":"query($i: ID!) { node(id: $i) { id } }"}`, "BAD_USER_INPUT", false},
		"names no operation of it": {`{"query":"query a { me { id } }","operationName":"b"}`, "BAD_USER_INPUT", false},
		"is too costly": {
			`{"query":"{` + strings.Repeat(` a: users(first: 100) { edges { node { id name email createdAt } } }`, 18) + `}"}`,
			"COMPLEXITY_LIMIT_EXCEEDED", false,
		},
		"is not known by its hash": {`{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"00"}}}`, "PERSISTED_QUERY_NOT_FOUND", false},
		"asks for a subscription":  {`{"query":"subscription { me { id } }"}`, "GRAPHQL_VALIDATION_FAILED", false},
		"runs and fails":           {`{"query":"{ users { totalCount } }"}`, "UNAUTHENTICATED", true},
		"runs and half fails":      {`{"query":"{ me { id } node(id: 1) { id } }"}`, "UNAUTHENTICATED", true},
	} {
		for accept, status := range map[string]int{"application/json": 200, "application/graphql-response+json": 400} {
			if test.ran {
				status = 200
			}
			a := h.post(nobody, test.body, "Accept", accept)
			if a.status != status || a.code() != test.code || (a.Data != nil) != test.ran {
				t.Errorf("what %s is answered as %s with %d %.300s, want %d %s", name, accept, a.status, a.body, status, test.code)
			}
		}
	}
}

func TestWhatIsNoRequestIs400(t *testing.T) {
	t.Parallel()
	h := build(t)
	ada := h.person("Ada")
	before := h.rows()
	for name, body := range map[string]string{
		"nothing":                        "",
		"blank":                          " \n\t ",
		"no JSON":                        "{ me { name } }",
		"half of it":                     me[:len(me)-3],
		"a BOM":                          "\ufeff" + me,
		"null":                           "null",
		"a number":                       "5",
		"a string":                       `"{ me { name } }"`,
		"an array":                       "[" + me + "]",
		"an empty array":                 "[]",
		"an empty object":                "{}",
		"no query":                       `{"variables":{}}`,
		"a null query":                   `{"query":null}`,
		"an empty query":                 `{"query":""}`,
		"a query that is a number":       `{"query":5}`,
		"a query that is an object":      `{"query":{"me":1}}`,
		"variables in an array":          `{"query":"{ me { name } }","variables":[]}`,
		"variables in a string":          `{"query":"{ me { name } }","variables":"{}"}`,
		"an operation name in an array":  `{"query":"{ me { name } }","operationName":["a"]}`,
		"extensions in a number":         `{"query":"{ me { name } }","extensions":5}`,
		"a brace behind it":              me + "}",
		"a bracket behind it":            me + "]",
		"a letter behind it":             me + "x",
		"another behind it":              me + me,
		"a comma behind it":              me + ",",
		"a NUL behind it":                me + "\x00",
		"a no-break space behind it":     me + "\u00a0",
		"a raw NUL in it":                "{\"query\":\"{ me { na\x00me } }\"}",
		"a raw newline in its string":    "{\"query\":\"{ me\n{ name } }\"}",
		"broken UTF-8":                   "{\"query\":\"{ me { name } } #\xff\"}",
		"UTF-8 cut off":                  "{\"query\":\"{ me { name } } #\xe2\x82\"}",
		"a surrogate as UTF-8":           "{\"query\":\"{ me { name } } #\xed\xa0\x80\"}",
		"Latin-1":                        "{\"query\":\"{ me { name } } #caf\xe9\"}",
		"UTF-16":                         "\xff\xfe{\x00}\x00",
		"ten thousand arrays deep":       `{"query":"{ me { name } }","variables":{"a":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}}`,
		"ten thousand objects deep":      strings.Repeat(`{"variables":`, 20_000) + strings.Repeat("}", 20_000),
		"a number too large for a float": `{"query":"{ me { name } }","variables":{"a":1e}}`,
	} {
		a := h.post(ada, body)
		if a.status != http.StatusBadRequest || a.code() != "BAD_USER_INPUT" || len(a.Errors) != 1 || a.Data != nil {
			t.Errorf("%s is answered %d %.300s", name, a.status, a.body)
		}
		if len(a.body) > 400 {
			t.Errorf("%s: what was sent comes back: %.500s", name, a.body)
		}
	}
	if h.rows() != before {
		t.Error("something is written")
	}
}

func TestUnknownKeysOfARequestAreLeftAlone(t *testing.T) {
	t.Parallel()
	h := build(t)
	for _, body := range []string{
		" \r\n" + me + "\t \n",
		`{"id":7,"query":"{ me { name } }","doc_id":[1,{}],"variables":null,"operationName":null,"extensions":null}`,
		`{"query":"{ me { name } }","variables":{"unused":{"deep":[1,2,3]}},"extensions":{"else":1}}`,
		`{"QUERY":"{ you }","Query":5,"query":"{ me { name } }","VARIABLES":[],"OperationName":"b","operationname":{}}`,
		`{"query":"query a { me { name } } query b { me { id } }","operationName":"a"}`,
	} {
		h.post(nobody, body).into(&struct{}{})
	}
}

func TestABodyOfOneMebibyteIsReadAndNoMore(t *testing.T) {
	t.Parallel()
	h := build(t)
	full := me + strings.Repeat(" ", graph.MaxBody-len(me))
	h.post(nobody, full).into(&struct{}{})
	a := h.post(nobody, full+" ")
	if a.status != http.StatusRequestEntityTooLarge || a.code() != "PAYLOAD_TOO_LARGE" {
		t.Errorf("a byte more is answered %d %s", a.status, a.body)
	}
	// The same without an announced length.
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+"/graphql", io.MultiReader(strings.NewReader(full), strings.NewReader(" ")))
	must(t, err)
	request.Header.Set("Content-Type", "application/json")
	if a := h.send(request); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a byte more in chunks is answered %d %s", a.status, a.body)
	}
}

func TestABodyThatEndsTooEarlyIs400(t *testing.T) {
	t.Parallel()
	h := build(t)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(h.url, "http://"))
	must(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n%s", me)
	must(t, err)
	must(t, conn.(*net.TCPConn).CloseWrite())
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	if response.StatusCode != http.StatusBadRequest {
		t.Errorf("answered %d", response.StatusCode)
	}
}

func TestABodyThatComesTooSlowlyIs408(t *testing.T) {
	t.Parallel()
	slow := httptest.NewUnstartedServer(build(t).handler)
	slow.Config.ReadTimeout = 100 * time.Millisecond
	slow.Start()
	t.Cleanup(slow.Close)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", slow.Listener.Addr().String())
	must(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n%s", me)
	must(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	body, err := io.ReadAll(response.Body)
	must(t, err)
	if response.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(body), `"code":"TIMEOUT"`) {
		t.Errorf("answered %d %s", response.StatusCode, body)
	}
}

func TestPersistedQueries(t *testing.T) {
	t.Parallel()
	h := build(t)
	ada := h.person("Ada")
	const query = `{ me { name } }`
	sum := sha256.Sum256([]byte(query))
	hash := hex.EncodeToString(sum[:])
	persisted := func(query, version, hash string) answer {
		return h.post(ada, fmt.Sprintf(`{%s"extensions":{"persistedQuery":{"version":%s,"sha256Hash":%s}}}`, query, version, hash))
	}
	sent, quoted := `"query":"`+query+`",`, `"`+hash+`"`

	persisted("", "1", quoted).rejected("PERSISTED_QUERY_NOT_FOUND")
	persisted(sent, "1", `"`+flip(hash)+`"`).rejected("GRAPHQL_VALIDATION_FAILED")
	persisted("", "1", `"`+flip(hash)+`"`).rejected("PERSISTED_QUERY_NOT_FOUND")
	if name := persisted(sent, "1", quoted).get("me", "name"); name != "Ada" {
		t.Errorf("registering answers %s", name)
	}
	if name := persisted("", "1", quoted).get("me", "name"); name != "Ada" {
		t.Errorf("by its hash it answers %s", name)
	}
	if me := h.post(nobody, `{"extensions":{"persistedQuery":{"version":1,"sha256Hash":`+quoted+`}}}`).get("me"); me != "null" {
		t.Errorf("nobody gets Ada's answer: %s", me)
	}
	for _, hash := range []string{`5`, `null`, `[]`, `{}`, `""`, `"` + strings.Repeat("0", 100_000) + `"`} {
		if a := persisted("", "1", hash); a.code() != "PERSISTED_QUERY_NOT_FOUND" && a.code() != "BAD_USER_INPUT" {
			t.Errorf("the hash %.20s is answered %d %.300s", hash, a.status, a.body)
		}
	}
	for _, version := range []string{`2`, `0`, `"1"`, `null`, `-1`, `[]`} {
		persisted(sent, version, quoted).rejected("BAD_USER_INPUT:extensions.persistedQuery")
	}
	for _, other := range []string{`"x"`, `5`, `{"VERSION":1,"sha256Hash":` + quoted + `}`, `{"version":1,"SHA256HASH":` + quoted + `}`} {
		h.post(ada, `{`+sent+`"extensions":{"persistedQuery":`+other+`}}`).rejected("BAD_USER_INPUT:extensions.persistedQuery")
	}

	// What is too long to be kept is answered all the same, and is not known afterwards.
	long := query + strings.Repeat(" ", 16<<10)
	sum = sha256.Sum256([]byte(long))
	quoted = `"` + hex.EncodeToString(sum[:]) + `"`
	persisted(`"query":"`+long+`",`, "1", quoted).into(&struct{}{})
	persisted("", "1", quoted).rejected("PERSISTED_QUERY_NOT_FOUND")

	// A document that is rejected cannot be sent by its hash either.
	bomb := "{ me { " + strings.Repeat("name ", 1000) + "} }"
	sum = sha256.Sum256([]byte(bomb))
	quoted = `"` + hex.EncodeToString(sum[:]) + `"`
	persisted(`"query":"`+bomb+`",`, "1", quoted).rejected("COMPLEXITY_LIMIT_EXCEEDED")
	persisted("", "1", quoted).rejected("PERSISTED_QUERY_NOT_FOUND")
}

func TestWhatIsWrongBeforeAnythingRunsIsNamed(t *testing.T) {
	t.Parallel()
	h := build(t)
	for body, field := range map[string]string{
		`{`:                                 "body",
		`[]`:                                "body",
		`{"query":"{ me { id } }"} {}`:      "body",
		"{\"query\":\"{ me { id } }\xff\"}": "body",
		`{}`:                                "query",
		`{"query":1}`:                       "query",
		`{"QUERY":"{ me { id } }"}`:         "query",
		`{"query":"{ me { id } }","operationName":{}}`:                               "operationName",
		`{"query":"{ me { id } }","extensions":[]}`:                                  "extensions",
		`{"query":"{ me { id } }","query":"{ me { name } }"}`:                        "query",
		`{"query":"{ me { id } }","variables":{"a":[{"b":1,"b":2}]}}`:                "variables.a.0.b",
		`{"query":"{ me { id } }","variables":{"a":"\ud83d"}}`:                       "variables.a",
		`{"query":"{ me { id } }","variables":{"\udc00":1}}`:                         "variables",
		`{"query":"{ me { id } }","extensions":{"a":{"b":1e400}}}`:                   "extensions.a.b",
		`{"query":"{ me { id } } # \ud83d"}`:                                         "query",
		`{"query":"{ me { id } }","variables":1}`:                                    "variables",
		`{"query":"mutation { a: signOut { signedOut } b: signOut { signedOut } }"}`: "signOut",
	} {
		h.post(nobody, body).rejected("BAD_USER_INPUT:" + field)
	}
}
