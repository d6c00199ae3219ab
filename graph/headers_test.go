package graph_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

const (
	plainJSON = "application/json; charset=utf-8"
	ofGraphQL = "application/graphql-response+json; charset=utf-8"
	ofEvents  = "text/event-stream; charset=utf-8"
)

// RFC 9110 sections 5.6, 8.3 and 8.4.
func TestOnlyPlainJSONIsRead(t *testing.T) {
	t.Parallel()
	h := build(t)
	for contentType, want := range map[string]int{
		"application/json":                                200,
		"application/json; charset=utf-8":                 200,
		`Application/JSON;charset="UTF-8"`:                200,
		"application/json; charset=utf8":                  200,
		"application/json;charset=UTF8":                   200,
		`application/json; charset="\u\t\f-8"`:            200,
		"application/json; CHARSET=Utf-8":                 200,
		"application/json; profile=x":                     200,
		`application/json; profile="a;charset=latin1"`:    200,
		`application/json; profile="a, b\"c"`:             200,
		"application/json \t;\t charset=utf-8 \t":         200,
		"application/json;":                               200,
		"application/json; ; ;charset=utf-8;":             200,
		"":                                                415,
		"text/plain":                                      415,
		"text/plain; application/json":                    415,
		"application/graphql":                             415,
		"application/x-www-form-urlencoded":               415,
		"multipart/form-data; boundary=x":                 415,
		"application/json; charset=latin1":                415,
		"application/json; charset=utf-16":                415,
		"application/json; charset=":                      415,
		`application/json; charset=""`:                    415,
		"application/json; charset":                       415,
		"application/json; charset = utf-8":               415,
		`application/json; charset="utf-8`:                415,
		`application/json; charset="utf-8"x`:              415,
		"application/json; charset=utf-8 x":               415,
		"application/json charset=utf-8":                  415,
		"application/json, text/plain":                    415,
		"application/json,application/json":               415,
		"application/jsonx":                               415,
		"application /json":                               415,
		"application/":                                    415,
		"/json":                                           415,
		"json":                                            415,
		"*/*":                                             415,
		"application/graphql-response+json":               415,
		"application/json; charset=utf-8; charset=utf-16": 415,
		"application/json; charset=utf-8; Charset=utf-8":  415,
		";":                      415,
		strings.Repeat("a", 900): 415,
	} {
		a := h.post(nobody, me, "Content-Type", contentType)
		if a.status != want || (want == 415) != (a.code() == "UNSUPPORTED_MEDIA_TYPE") ||
			(want == 415) != (a.header.Get("Accept") == "application/json") {
			t.Errorf("Content-Type %.60q is answered %d %v %s, want %d", contentType, a.status, a.header, a.body, want)
		}
	}
	for encoding, want := range map[string]int{
		"identity": 200, "Identity": 200, "": 200, " , identity,,identity": 200,
		"gzip": 415, "br": 415, "gzip, identity": 415, "identity, gzip": 415, "x-gzip": 415, "identity;q=1": 415, "utf-8": 415,
	} {
		a := h.post(nobody, me, "Content-Encoding", encoding)
		if a.status != want || (want == 415) != (a.header.Get("Accept-Encoding") == "identity") {
			t.Errorf("Content-Encoding %q is answered %d %v %s, want %d", encoding, a.status, a.header, a.body, want)
		}
	}
}

// A proxy in front of the server could read either of two headers of one name.
func TestAHeaderThatIsSentTwice(t *testing.T) {
	t.Parallel()
	h := build(t)
	for _, test := range []struct {
		name, first, second string
		want                int
	}{
		{"Content-Type", "application/json", "application/json", 415},
		{"Content-Type", "application/json", "text/plain", 415},
		{"Content-Type", "text/plain", "application/json", 415},
		{"Content-Encoding", "identity", "identity", 200},
		{"Content-Encoding", "identity", "gzip", 415},
		{"Accept", "text/html", "application/json", 200},
		{"Accept", "application/json;q=0.1", "text/html", 200},
		{"Accept", "text/html", "image/*", 406},
	} {
		header := []string{test.name, test.first, test.name, test.second}
		if test.name != "Content-Type" {
			header = append(header, "Content-Type", "application/json")
		}
		if a := h.request(nobody, http.MethodPost, "/graphql", me, header...); a.status != test.want {
			t.Errorf("%s %q and %q are answered %d %s, want %d", test.name, test.first, test.second, a.status, a.body, test.want)
		}
	}
}

// RFC 9110 section 12.5.1. An empty want is 406.
func TestTheAnswerIsWhatTheClientAccepts(t *testing.T) {
	t.Parallel()
	h := build(t)
	for accept, want := range map[string]string{
		// anything
		"":                         plainJSON,
		" , ,":                     plainJSON,
		"*/*":                      plainJSON,
		"*/*;q=0.001":              plainJSON,
		"application/*":            plainJSON,
		"text/*":                   ofEvents,
		"text/*, */*;q=0.5":        ofEvents,
		"text/html, */*":           plainJSON,
		"*/*, text/event-stream":   plainJSON, // the first that is as good
		"text/html;level=1,*/*":    plainJSON,
		"*/json":                   "",
		"*/*;q=0":                  "",
		"*/*;q=0.000":              "",
		"application/*;q=0, */*":   ofEvents,
		"*/*;q=0, text/html":       "",
		"*/*;q=0, application/*":   plainJSON,
		"text/*;q=0,*/*":           plainJSON,
		"text/event-stream;q=0":    "",
		"application/json;q=0":     "",
		"application/json;q=0,*/*": ofGraphQL,
		"*/*,application/json;q=0": ofGraphQL,
		"application/graphql-response+json;q=0, */*;q=0.1": plainJSON,
		// one of ours
		"application/json":                  plainJSON,
		"application/graphql-response+json": ofGraphQL,
		"APPLICATION/GraphQL-Response+JSON": ofGraphQL,
		"text/event-stream":                 ofEvents,
		// what is liked best
		"application/graphql-response+json,application/json;q=0.9":                                                          ofGraphQL,
		"application/graphql-response+json; charset=utf-8, application/json; charset=utf-8":                                 ofGraphQL,
		"application/json, application/graphql-response+json":                                                               plainJSON,
		"application/json;q=0.5, application/graphql-response+json;q=0.6":                                                   ofGraphQL,
		"application/json;q=0.501, application/graphql-response+json;q=0.5":                                                 plainJSON,
		"application/json;Q=0.5,application/graphql-response+json ; q=1.000":                                                ofGraphQL,
		"application/json;q=0.,application/graphql-response+json;q=1.":                                                      ofGraphQL,
		"application/graphql-response+json;q=0, application/json":                                                           plainJSON,
		"text/event-stream;q=0.9, application/json;q=0.8":                                                                   ofEvents,
		"application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed": ofGraphQL,
		"multipart/mixed;deferSpec=20220824,application/graphql-response+json,application/json;q=0.9":                       ofGraphQL,
		"text/html,application/xhtml+xml,*/*;q=0.8":                                                                         plainJSON,
		"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8":                             plainJSON,
		// the most specific range counts, wherever it stands
		"*/*, application/json;q=0.5":                            ofGraphQL,
		"application/json;q=0.5, application/*;q=0.9, */*;q=0.1": ofGraphQL,
		"application/*;q=0.2, text/*;q=0.3":                      ofEvents,
		"application/json;charset=utf-8;q=0, application/json":   "",
		"application/json, application/json;q=0.5":               plainJSON,
		"application/json;q=0, application/json":                 plainJSON,
		"application/json;profile=a;q=0, application/json":       plainJSON,
		"application/json;profile=a;q=0, */*":                    plainJSON,
		// charsets and other parameters
		`application/json; charset="UTF-8"`:                                          plainJSON,
		"application/json; charset=utf8":                                             plainJSON,
		"application/json; charset=utf-16, application/graphql-response+json; q=0.1": ofGraphQL,
		"application/json;charset=latin1":                                            "",
		"application/json;profile=a":                                                 plainJSON,
		`application/json;profile="a,b;q=0";q=0.5`:                                   plainJSON,
		`application/json;profile="a\",text/event-stream"`:                           plainJSON,
		// what is malformed does not count
		"nonsense/, ,;;, application/json":                                  plainJSON,
		"application/json;q=1.5, application/graphql-response+json;q=0.1":   ofGraphQL,
		"application/json;q=0.1234, application/graphql-response+json;q=.1": "",
		"application/json;q=1.001":                                          "",
		"application/json;q=much":                                           "",
		"application/json;q=-1":                                             "",
		"application/json;q=":                                               "",
		"application/json;q=0.5 5":                                          "",
		"application/json;q = 0.5":                                          "",
		"application/json;q=0.1;q=1":                                        "",
		"application/json;q=NaN":                                            "",
		"application/json;q=1e0":                                            "",
		"application/json text/html":                                        "",
		`application/json;a="b`:                                             "",
		";":                                                                 "",
		strings.Repeat("application/,", 9):                                  "",
		// not ours
		"text/html":                            "",
		"multipart/mixed":                      "",
		"application/jsonx":                    "",
		"application/xml, application/graphql": "",
	} {
		for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodHead} {
			status, contentType := h.negotiated(method, accept)
			switch {
			case want == "" && (status != http.StatusNotAcceptable || contentType != plainJSON):
				t.Errorf("%s with Accept %q is answered %d %q, want 406", method, accept, status, contentType)
			case want != "" && (status != http.StatusOK || contentType != want):
				t.Errorf("%s with Accept %q is answered %d %q, want %q", method, accept, status, contentType, want)
			}
		}
	}
	if status, contentType := h.negotiated(http.MethodPost); status != http.StatusOK || contentType != plainJSON {
		t.Errorf("without Accept it is answered %d %q", status, contentType)
	}
	a := h.post(nobody, me, "Accept", "text/html")
	if a.code() != "NOT_ACCEPTABLE" || a.Data != nil {
		t.Errorf("a client that accepts no type of ours gets %s", a.body)
	}
}

func (h *harness) negotiated(method string, accept ...string) (status int, contentType string) {
	h.t.Helper()
	request, err := http.NewRequestWithContext(h.t.Context(), method, h.url+"/graphql?query={me{name}}", strings.NewReader(me))
	must(h.t, err)
	request.Header["Accept"] = accept
	request.Header.Set("Content-Type", "application/json")
	response, err := h.http.Do(request)
	must(h.t, err)
	must(h.t, response.Body.Close())
	return response.StatusCode, response.Header.Get("Content-Type")
}

// Whatever is answered is one person's at one moment, and no cache may keep it, or take it for another's.
func TestNoAnswerMayBeKept(t *testing.T) {
	t.Parallel()
	h := build(t, func(p *plan) { p.Web.Playground = "on" })
	ada := h.person("Ada")
	json := []string{"Content-Type", "application/json"}
	for name, test := range map[string]struct {
		method, path, body string
		header             []string
		want               int
	}{
		"a query":                   {"POST", "/graphql", me, json, 200},
		"a query by GET":            {"GET", "/graphql?query={me{name}}", "", nil, 200},
		"by HEAD":                   {"HEAD", "/graphql?query={me{name}}", "", nil, 200},
		"an event stream":           {"GET", "/graphql?query={me{name}}", "", []string{"Accept", "text/event-stream"}, 200},
		"an error":                  {"GET", "/graphql?query={you}", "", []string{"Accept", "application/graphql-response+json"}, 400},
		"no request":                {"GET", "/graphql", "", nil, 400},
		"another origin":            {"GET", "/graphql?query={me{name}}", "", []string{"Origin", "https://evil.example"}, 403},
		"another method":            {"PUT", "/graphql", me, json, 405},
		"a mutation by GET":         {"GET", "/graphql?query=mutation{signOut{signedOut}}", "", nil, 405},
		"nothing that is accepted":  {"POST", "/graphql", me, append([]string{"Accept", "text/html"}, json...), 406},
		"too much":                  {"GET", "/graphql?query=" + strings.Repeat("x", 48<<10), "", nil, 414},
		"another content":           {"POST", "/graphql", me, nil, 415},
		"the way to the playground": {"GET", "/graphql", "", []string{"Accept", "text/html"}, 302},
	} {
		response := h.visit(ada, test.method, test.path, test.body, test.header...)
		vary := strings.Split(strings.Join(response.Header.Values("Vary"), ", "), ", ")
		for _, name := range []string{"Accept", "Authorization", "Cookie", "Origin", "Sec-Fetch-Site"} {
			if name != "Accept" && !slices.Contains(vary, name) || name == "Accept" && test.want != 403 && !slices.Contains(vary, name) {
				t.Errorf("%s: Vary is %v, without %s", name, vary, name)
			}
		}
		if got := response.Header.Values("Cache-Control"); response.StatusCode != test.want || fmt.Sprint(got) != "[private, no-store]" {
			t.Errorf("%s is answered %d, Cache-Control %q", name, response.StatusCode, got)
		}
	}
}

// visit sends a request and returns the answer's head. It follows no redirect.
func (h *harness) visit(p person, method, path, body string, header ...string) *http.Response {
	h.t.Helper()
	request, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(body))
	must(h.t, err)
	if p.token != "" {
		request.Header.Set("Authorization", "Bearer "+p.token)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Add(header[i], header[i+1])
	}
	response, err := h.http.Transport.RoundTrip(request)
	must(h.t, err)
	must(h.t, response.Body.Close())
	return response
}
