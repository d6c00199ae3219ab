package auth_test

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"lorebridge/auth"
)

// Requests from pages of other origins are rejected, with a cookie or without. Programs that are no browser pass.
func TestPagesOfOtherOriginsAreRejected(t *testing.T) {
	t.Parallel()
	h := build(t, func(c *auth.Config) {
		c.PublicURL, c.Origins = "https://lore.example.com/", []string{"https://app.example.org", "http://localhost:5173/"}
	})
	for name, test := range map[string]struct {
		header  []string
		allowed bool
	}{
		"no browser":      {nil, true},
		"the same origin": {[]string{"Sec-Fetch-Site", "same-origin", "Origin", "https://lore.example.com"}, true},
		"a bookmark":      {[]string{"Sec-Fetch-Site", "none"}, true},
		"a neighbor":      {[]string{"Sec-Fetch-Site", "same-site", "Origin", "https://evil.example.com"}, false},
		"another site":    {[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example.net"}, false},
		"another site with a token": {
			[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example.net", "Authorization", "Bearer x"}, false,
		},
		"another site without an origin": {[]string{"Sec-Fetch-Site", "cross-site"}, false},
		"no origin at all":               {[]string{"Sec-Fetch-Site", "cross-site", "Origin", "null"}, false},
		"an old browser, another site":   {[]string{"Origin", "https://evil.example.net"}, false},
		"an old browser, the same host":  {[]string{"Origin", "https://lore.example.com"}, true},
		"the same host without TLS":      {[]string{"Origin", "http://lore.example.com"}, false},
		"two origins":                    {[]string{"Origin", "https://lore.example.com", "Origin", "https://evil.example.net"}, false},
		"a proxy that changed the host":  {[]string{"Origin", "https://lore.example.com", "Host", "10.0.0.7:8080"}, true},
		"the public URL, under another host": {
			[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://lore.example.com", "Host", "10.0.0.7"}, true,
		},
		"a configured origin":               {[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://app.example.org"}, true},
		"a configured origin, with a slash": {[]string{"Sec-Fetch-Site", "cross-site", "Origin", "http://localhost:5173"}, true},
		"a configured origin without TLS":   {[]string{"Sec-Fetch-Site", "cross-site", "Origin", "http://app.example.org"}, false},
		"a configured origin, another port": {[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://app.example.org:444"}, false},
		"what begins like a configured one": {[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://app.example.org.evil.net"}, false},
	} {
		reached := false
		response := h.visit(func(*http.Request) { reached = true }, test.header...)
		if reached != test.allowed || (response.StatusCode == http.StatusForbidden) == test.allowed {
			t.Errorf("%s: answered %d, reached %t", name, response.StatusCode, reached)
		}
		if test.allowed {
			continue
		}
		body, err := io.ReadAll(response.Body)
		must(t, err)
		var answer struct {
			Errors []struct {
				Message    string
				Extensions struct{ Code string }
			}
		}
		must(t, json.Unmarshal(body, &answer))
		if len(answer.Errors) != 1 || answer.Errors[0].Extensions.Code != "FORBIDDEN" ||
			!strings.Contains(answer.Errors[0].Message, "CORS_ORIGINS") ||
			response.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: got the body %s", name, body)
		}
	}
}

// If nothing is configured, the request's scheme and host name our own pages.
func TestOurOwnPagesHaveTheSchemeAndTheHostOfTheRequest(t *testing.T) {
	t.Parallel()
	plain, proxied := build(t), build(t, func(c *auth.Config) { c.TrustedProxies = []string{"192.0.2.0/24"} })
	for name, test := range map[string]struct {
		server  *harness
		header  []string
		allowed bool
	}{
		"itself":              {plain, []string{"Origin", "http://lore.example.com"}, true},
		"over TLS":            {plain, []string{"Origin", "https://lore.example.com"}, false},
		"at another port":     {plain, []string{"Origin", "http://lore.example.com:8080"}, false},
		"with its port":       {plain, []string{"Host", "localhost:8080", "Origin", "http://localhost:8080"}, true},
		"with the usual port": {plain, []string{"Host", "lore.example.com:80", "Origin", "http://lore.example.com"}, true},
		"in capitals":         {plain, []string{"Host", "LORE.example.com", "Origin", "http://lore.example.com"}, true},
		"an IPv6 address":     {plain, []string{"Host", "[::1]:8080", "Origin", "http://[::1]:8080"}, true},
		"a long IPv6 address": {plain, []string{"Host", "[0:0::1]:8080", "Origin", "http://[::1]:8080"}, true},
		"behind TLS":          {proxied, []string{"X-Forwarded-Proto", "https", "Origin", "https://lore.example.com"}, true},
		"without it":          {proxied, []string{"X-Forwarded-Proto", "https", "Origin", "http://lore.example.com"}, false},
		"what is no origin":   {plain, []string{"Host", "", "Origin", "http://"}, false},
		"a request that names itself same-origin": {plain, []string{"Sec-Fetch-Site", "same-origin", "Origin", "https://lore.example.com"}, true},
	} {
		for _, header := range [][]string{nil, {"Upgrade", "websocket"}} {
			method := http.MethodPost
			if header != nil {
				method = http.MethodGet
			}
			reached := false
			test.server.request(method, func(*http.Request) { reached = true }, append(header, test.header...)...)
			if reached != test.allowed {
				t.Errorf("%s, %s: reached %t", name, method, reached)
			}
		}
	}
}

// A browser adds the cookie to every GET request for a page of the same site. So it counts only if our own page or a
// preflight stands behind the request. A token needs neither, because no browser sends it by itself.
func TestACookieCountsForGETOnlyIfNoOtherPageCanHaveSentIt(t *testing.T) {
	t.Parallel()
	h := build(t, func(c *auth.Config) { c.Origins = []string{"https://app.example.com"} })
	ada := h.begin("ada@example.com")
	cookie, token := []string{"Cookie", installation.Cookie(false) + "=" + ada.Token}, []string{"Authorization", "Bearer " + ada.Token}
	friend := []string{"Origin", "https://app.example.com", "Sec-Fetch-Site", "same-site"}
	for name, test := range map[string]struct {
		header []string
		counts bool
	}{
		"our own page":                        {[]string{"Sec-Fetch-Site", "same-origin"}, true},
		"the address bar":                     {[]string{"Sec-Fetch-Site", "none"}, false},
		"a link on a neighbor's page":         {[]string{"Sec-Fetch-Site", "same-site"}, false},
		"a link on another site":              {[]string{"Sec-Fetch-Site", "cross-site"}, false},
		"an old browser":                      {nil, false},
		"another spelling":                    {[]string{"Sec-Fetch-Site", "Same-Origin"}, false},
		"two sites":                           {[]string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Site", "cross-site"}, false},
		"Apollo":                              {[]string{"Apollo-Require-Preflight", "true"}, true},
		"Apollo's name of operations":         {[]string{"X-Apollo-Operation-Name", "Me"}, true},
		"Apollo with nothing":                 {[]string{"Apollo-Require-Preflight", ""}, false},
		"JSON":                                {[]string{"Content-Type", "application/json"}, true},
		"JSON with a charset":                 {[]string{"Content-Type", "Application/JSON; charset=utf-8"}, true},
		"a kind of JSON":                      {[]string{"Content-Type", "application/graphql+json"}, true},
		"a form":                              {[]string{"Content-Type", "application/x-www-form-urlencoded"}, false},
		"a form with files":                   {[]string{"Content-Type", "multipart/form-data; boundary=application/json"}, false},
		"text":                                {[]string{"Content-Type", "text/plain"}, false},
		"text that mentions JSON":             {[]string{"Content-Type", "text/plain; application/json"}, false},
		"text with JSON's charset":            {[]string{"Content-Type", "text/plain; charset=application/json"}, false},
		"two types in one":                    {[]string{"Content-Type", "text/plain, application/json"}, false},
		"two types":                           {[]string{"Content-Type", "application/json", "Content-Type", "text/plain"}, false},
		"no type":                             {[]string{"Content-Type", ""}, false},
		"a configured origin":                 {friend, false},
		"a configured origin that had to ask": {slices.Concat(friend, []string{"Apollo-Require-Preflight", "true"}), true},
		"a header of no meaning":              {[]string{"X-Requested-With", "XMLHttpRequest"}, false},
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			var viewer auth.Viewer
			var err error
			look := func(r *http.Request) { viewer, err = auth.FromContext(r.Context()) }
			h.request(method, look, slices.Concat(cookie, test.header)...)
			if got := viewer.UserID == ada.User.ID; got != test.counts || (!got && (!errors.Is(err, auth.ErrUnauthenticated) ||
				!strings.Contains(err.Error(), "Apollo-Require-Preflight"))) {
				t.Errorf("%s, %s with a cookie: %+v, %v", name, method, viewer, err)
			}
			h.request(method, look, slices.Concat(token, test.header)...)
			if viewer.UserID != ada.User.ID {
				t.Errorf("%s, %s with a token: %+v, %v", name, method, viewer, err)
			}
			h.request(method, look, test.header...)
			if !errors.Is(err, auth.ErrUnauthenticated) || strings.Contains(err.Error(), "cookie") {
				t.Errorf("%s, %s with nothing: %v", name, method, err)
			}
		}
	}
	for name, header := range map[string][]string{ // what browsers let only our own pages and those of configured origins do
		"POST":        {},
		"a WebSocket": {"Upgrade", "WebSocket"},
	} {
		method := http.MethodPost
		if len(header) > 0 {
			method = http.MethodGet
		}
		var viewer auth.Viewer
		h.request(method, func(r *http.Request) { viewer, _ = auth.FromContext(r.Context()) }, slices.Concat(cookie, header)...)
		if viewer.UserID != ada.User.ID {
			t.Errorf("%s with a cookie: %+v", name, viewer)
		}
	}
}

// A page of another origin cannot read, and cannot even measure how long a query takes.
func TestAPageOfAnotherOriginGetsNowhereByGET(t *testing.T) {
	t.Parallel()
	h := build(t, func(c *auth.Config) { c.Origins = []string{"https://app.example.com"} })
	for name, header := range map[string][]string{
		"another site":              {"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example.net"},
		"a neighbor":                {"Sec-Fetch-Site", "same-site", "Origin", "https://evil.example.com"},
		"an old browser":            {"Origin", "https://evil.example.net"},
		"a sandboxed page":          {"Sec-Fetch-Site", "cross-site", "Origin", "null"},
		"another site with a token": {"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example.net", "Authorization", "Bearer x"},
		"a WebSocket":               {"Upgrade", "websocket", "Origin", "https://evil.example.net"},
		"a WebSocket of no origin":  {"Upgrade", "websocket", "Origin", "null"},
	} {
		response := h.request(http.MethodGet, func(*http.Request) { t.Errorf("%s gets through", name) }, header...)
		if response.StatusCode != http.StatusForbidden || response.Header.Get("Access-Control-Allow-Origin") != "" ||
			response.Header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("%s is answered %d %v", name, response.StatusCode, response.Header)
		}
	}
}

func TestNoCacheTakesOneAnswerForAnother(t *testing.T) {
	t.Parallel()
	vary := build(t).request(http.MethodGet, func(*http.Request) {}).Header.Get("Vary")
	for _, name := range []string{
		"Authorization", "Cookie", "Origin", "Sec-Fetch-Site", "Content-Type", "Apollo-Require-Preflight", "X-Apollo-Operation-Name",
	} {
		if !slices.Contains(strings.Split(vary, ", "), name) {
			t.Errorf("Vary is %q, without %s", vary, name)
		}
	}
}

func TestConfiguredOriginsMayRead(t *testing.T) {
	t.Parallel()
	h := build(t, func(c *auth.Config) { c.Origins = []string{"https://app.example.org/", "capacitor://localhost"} })
	for origin, allowed := range map[string]bool{
		"https://app.example.org": true, "capacitor://localhost": true,
		"https://evil.example.net": false, "null": false, "capacitor://evil": false, "ionic://localhost": false, "*": false,
	} {
		reached := false
		response := h.visit(func(*http.Request) { reached = true }, "Origin", origin, "Sec-Fetch-Site", "cross-site")
		got := []string{
			response.Header.Get("Access-Control-Allow-Origin"), response.Header.Get("Access-Control-Allow-Credentials"),
			response.Header.Get("Access-Control-Expose-Headers"),
		}
		want := []string{"", "", ""}
		if allowed {
			want = []string{origin, "true", "X-Subscription-Id, X-Realtime-Version, Retry-After"}
		}
		if reached != allowed || !slices.Equal(got, want) {
			t.Errorf("a request from %s: reached %t, got %q", origin, reached, got)
		}
		if !slices.Contains(response.Header.Values("Vary"), "Origin") {
			t.Errorf("a cache would mix origins: %v", response.Header)
		}
	}
}

// Clients, proxies and tracers add headers that nobody can list, so every header may be sent.
func TestAPreflightAllowsWhatAConfiguredOriginAsksFor(t *testing.T) {
	t.Parallel()
	h := build(t, func(c *auth.Config) { c.Origins = []string{"https://app.example.org", "tauri://localhost"} })
	for _, origin := range []string{"https://app.example.org", "tauri://localhost", "https://evil.example.net", "null"} {
		allowed := origin == "https://app.example.org" || origin == "tauri://localhost"
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE"} {
			for _, headers := range []string{
				"authorization,content-type", "apollographql-client-name,apollographql-client-version", "apollo-require-preflight",
				"x-apollo-operation-name", "baggage,sentry-trace", "traceparent,tracestate", "x-csrf-token", "x-requested-with,x-xsrf-token",
				"x-subscription-id,x-subscription-protocol,x-socket-id", "anything-at-all",
			} {
				preflight := h.request(http.MethodOptions, func(*http.Request) { t.Errorf("a preflight from %s gets through", origin) },
					"Origin", origin, "Access-Control-Request-Method", method, "Access-Control-Request-Headers", headers,
					"Access-Control-Request-Private-Network", "true")
				var got []string
				for _, name := range []string{"Origin", "Credentials", "Methods", "Headers", "Private-Network"} {
					got = append(got, preflight.Header.Get("Access-Control-Allow-"+name))
				}
				got = append(got, preflight.Header.Get("Access-Control-Max-Age"))
				want := []string{"", "", "", "", "", ""}
				if allowed && (method == "GET" || method == "HEAD" || method == "POST") {
					want = []string{origin, "true", method, headers, "true", "600"}
				}
				if !slices.Equal(got, want) {
					t.Errorf("the preflight from %s for %s with %s got %q, want %q", origin, method, headers, got, want)
				}
				if vary := strings.Join(preflight.Header.Values("Vary"), ", "); !strings.Contains(vary, "Access-Control-Request-Headers") {
					t.Errorf("a cache would mix preflights: %s", vary)
				}
			}
		}
	}
}

func TestWithoutOriginsThereIsNoCORS(t *testing.T) {
	t.Parallel()
	h := build(t)
	response := h.visit(func(*http.Request) {}, "Origin", "https://lore.example.com", "Sec-Fetch-Site", "same-origin")
	for name := range response.Header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("%s: %s", name, response.Header.Get(name))
		}
	}
}

// Origins are compared in the form that browsers send, however they are configured.
func TestOriginsAreReadHoweverTheyAreWritten(t *testing.T) {
	t.Parallel()
	written := map[string]string{
		"https://app.example.com":             "https://app.example.com",
		"https://app.example.com/":            "https://app.example.com",
		"HTTPS://App.Example.COM":             "https://app.example.com",
		"https://app.example.com:443":         "https://app.example.com",
		"https://app.example.com:":            "https://app.example.com",
		"https://app.example.com:0443":        "https://app.example.com",
		"https://app.example.com:80":          "https://app.example.com:80",
		"http://app.example.com:80/":          "http://app.example.com",
		"http://localhost:03000":              "http://localhost:3000",
		"https://my_app.example.com.":         "https://my_app.example.com.",
		"https://xn--bcher-kva.example":       "https://xn--bcher-kva.example",
		"http://192.0.2.7:8080":               "http://192.0.2.7:8080",
		"http://[2001:DB8:0:0::1]:3000":       "http://[2001:db8::1]:3000",
		"http://[::ffff:192.0.2.7]":           "http://[::ffff:c000:207]",
		"capacitor://localhost":               "capacitor://localhost",
		"Capacitor://Localhost/":              "capacitor://localhost",
		"ionic://localhost":                   "ionic://localhost",
		"tauri://localhost":                   "tauri://localhost",
		"app://obsidian.md":                   "app://obsidian.md",
		"app://-":                             "app://-",
		"chrome-extension://abcdefghijklmnop": "chrome-extension://abcdefghijklmnop",
		"capacitor://localhost:443":           "capacitor://localhost:443",
	}
	h := build(t, func(c *auth.Config) { c.Origins = slices.Collect(maps.Keys(written)) })
	for configured, sent := range written {
		reached := false
		response := h.visit(func(*http.Request) { reached = true }, "Origin", sent, "Sec-Fetch-Site", "cross-site")
		if !reached || response.Header.Get("Access-Control-Allow-Origin") != sent {
			t.Errorf("%s as %s: reached %t, %v", configured, sent, reached, response.Header)
		}
	}
}

func TestAnOriginThatNoBrowserSendsIsNamedWithTheReason(t *testing.T) {
	t.Parallel()
	for origin, reason := range map[string]string{
		"":                              "not an origin",
		"app.example.com":               "not an origin",
		"localhost:3000":                "not an origin",
		"//app.example.com":             "not an origin",
		"https://":                      "not an origin",
		"https:app.example.com":         "not an origin",
		"https://app.example.com/path":  "not an origin",
		"https://app.example.com//":     "not an origin",
		"https://app.example.com?":      "not an origin",
		"https://app.example.com#":      "not an origin",
		"https://a:b@app.example.com":   "not an origin",
		"https://app.example.com:x":     "not an origin",
		"https://[fe80::1%25eth0]":      "not an origin",
		"https://[::1":                  "not an origin",
		"null":                          "null",
		"NULL":                          "null",
		"*":                             "patterns",
		"https://*.example.com":         "patterns",
		"file://":                       "the scheme file",
		"file:///index.html":            "the scheme file",
		"data:text/html,x":              "the scheme data",
		"wss://app.example.com":         "the scheme wss",
		"https://app.example.com:99999": "no port 99999",
		"https://bücher.example":        "xn--bcher-kva",
		"https://app,example.com":       "cannot be a host",
		"https://127.1":                 "not an IPv4 address",
		"https://0x7f000001":            "not an IPv4 address",
		"https://1.2.3.400":             "not an IPv4 address",
		"https://[1.2.3.4]":             "not an origin",
	} {
		err := auth.Config{Origins: []string{"https://good.example", origin}}.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), "CORS_ORIGINS has \""+origin+"\"") || !strings.Contains(err.Error(), reason) ||
			!strings.Contains(err.Error(), "must be origins such as") {
			t.Errorf("%q: got %v, want %s", origin, err, reason)
		}
	}
}
