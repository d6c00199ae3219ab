package graph_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"lorebridge/graph"
)

func TestAnEventStreamIsWhatTheClientLikesBest(t *testing.T) {
	t.Parallel()
	h := build(t)
	for accept, want := range map[string]string{
		"text/event-stream":                             "text/event-stream",
		"text/event-stream; charset=utf-8":              "text/event-stream",
		"text/event-stream, application/json":           "text/event-stream",
		"application/json;q=0.9, text/event-stream":     "text/event-stream",
		"text/event-stream, multipart/mixed":            "text/event-stream", // urql, of subscriptions
		"application/json, text/event-stream":           "application/json",
		"text/event-stream;q=0.5, */*":                  "application/json",
		"text/event-stream;q=0, application/json;q=0.1": "application/json",
		"application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed": "application/graphql-response+json", // urql
		"multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/graphql-response+json,application/json;q=0.9":    "application/graphql-response+json", // Apollo
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+"/graphql", strings.NewReader(`{"query":"{ me { name } }"}`))
		must(t, err)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Accept", accept)
		response, err := h.http.Do(request)
		must(t, err)
		body, err := io.ReadAll(response.Body)
		must(t, err)
		if got := response.Header.Get("Content-Type"); got != want+"; charset=utf-8" || response.StatusCode != http.StatusOK {
			t.Errorf("%s: got %d %s", accept, response.StatusCode, got)
		}
		if want == "text/event-stream" && string(body) != "event: next\ndata: {\"data\":{\"me\":null}}\n\nevent: complete\ndata:\n\n" {
			t.Errorf("%s: %q", accept, body)
		}
		response.Body.Close()
	}
}

func TestAnEventStreamAnswersEveryOperation(t *testing.T) {
	t.Parallel()
	h := build(t)
	ada := h.person("Ada")
	for query, code := range map[string]string{
		`{ me { name } }`: "",
		`mutation { createKnowledge(input: {title: "x", content: ""}) { knowledge { id } } }`: "",
		`{ users(first: 101) { edges { cursor } } }`:                                          "BAD_USER_INPUT",
		`{ nothing }`: "GRAPHQL_VALIDATION_FAILED",
		`{`:           "GRAPHQL_PARSE_FAILED",
		`subscription { a: knowledgePublished { id } b: knowledgePublished { id } }`: "GRAPHQL_VALIDATION_FAILED",
		`subscription { knowledgeRequestChanged(id: 1) { id } }`:                     "NOT_FOUND",
		`mutation { signOut { signedOut } }`:                                         "",
	} {
		events := h.events(person{token: h.session(ada, time.Now().UTC().Add(time.Hour))}, query)
		f := events.want("next")
		if got := f.code(t); got != code {
			t.Errorf("%s: %s", query, f.Payload)
		}
		if nothingRan := strings.HasPrefix(code, "GRAPHQL_"); nothingRan == strings.Contains(string(f.Payload), `"data"`) {
			t.Errorf("%s: %s", query, f.Payload)
		}
		events.want("complete")
		events.wantEnd(io.EOF)
	}
	events := h.events(nobody, received)
	if f := events.want("next"); f.code(t) != "UNAUTHENTICATED" {
		t.Errorf("nobody: %s", f.Payload)
	}
	events.want("complete")
	events = h.events(nobody, `mutation { signUp(input: {name: "A", email: "a@example.com", password: "correct horse"}) { token } }`)
	if cookies := events.response.Cookies(); len(cookies) != 1 {
		t.Errorf("signing up gives the cookies %v", cookies)
	}
}

func TestAnEventStreamIsRejectedLikeAPost(t *testing.T) {
	t.Parallel()
	h := build(t)
	for name, test := range map[string]struct {
		body   string
		header []string
		status int
		code   string
	}{
		"not JSON":     {`{`, nil, http.StatusBadRequest, "BAD_USER_INPUT:body"},
		"a batch":      {`[{"query":"{ me { name } }"}]`, nil, http.StatusBadRequest, "BAD_USER_INPUT:body"},
		"another type": {`{"query":"{ me { name } }"}`, []string{"Content-Type", "text/plain"}, http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE"},
		"too large":    {`{"query":"` + strings.Repeat(" ", graph.MaxBody) + `"}`, nil, http.StatusRequestEntityTooLarge, "PAYLOAD_TOO_LARGE"},
	} {
		a := h.post(nobody, test.body, append([]string{"Accept", "text/event-stream"}, test.header...)...)
		a.rejected(test.code)
		if kind := a.header.Get("Content-Type"); a.status != test.status || kind != "application/json; charset=utf-8" {
			t.Errorf("%s: %d %s", name, a.status, kind)
		}
	}
	a := h.request(nobody, http.MethodPut, "/graphql", me, "Accept", "text/event-stream")
	if a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("PUT: %d %s", a.status, a.body)
	}
}

// The server's limits are those of app, but shorter.
func TestAnEventStreamOutlivesTheTimeOfARequest(t *testing.T) {
	t.Parallel()
	tap, tapping := tapped()
	h := build(t, tapping, func(p *plan) { p.seams.Times.Ping = 50 * time.Millisecond })
	server := httptest.NewUnstartedServer(h.handler)
	server.Config.ReadTimeout, server.Config.WriteTimeout = 200*time.Millisecond, 300*time.Millisecond
	server.Start()
	t.Cleanup(server.Close)
	t.Cleanup(h.api.Close)
	h.url = server.URL
	ada, grace := h.person("Ada"), h.person("Grace")
	events := h.events(grace, received)
	for range 20 { // a second of comments, of which the first comes at once
		lines, err := events.block()
		must(t, err)
		if len(lines) != 1 || lines[0] != ":" {
			t.Fatalf("got %q", lines)
		}
	}
	wait(t, tap.begun)
	h.askFor(ada, grace, "Still there?")
	events.want("next")
}

func TestAClientThatLeavesItsEventStreamFreesThePlace(t *testing.T) {
	t.Parallel()
	tap, tapping := tapped()
	h := build(t, tapping)
	ada := h.person("Ada")
	for i := range 110 { // more than one person may have at a time
		events := h.events(ada, received)
		wait(t, tap.begun)
		events.response.Body.Close()
		wait(t, tap.ended)
		if n := len(tap.ended); n > 0 {
			t.Fatal(strconv.Itoa(n) + " others ended after " + strconv.Itoa(i))
		}
	}
}
