package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lorebridge/web"
)

// directives parses a response's Content-Security-Policy.
func directives(t *testing.T, response *http.Response) map[string]string {
	t.Helper()
	if n := len(response.Header.Values("Content-Security-Policy")); n != 1 {
		t.Fatalf("there are %d policies", n)
	}
	found := make(map[string]string)
	for directive := range strings.SplitSeq(response.Header.Get("Content-Security-Policy"), ";") {
		name, sources, _ := strings.Cut(strings.TrimSpace(directive), " ")
		if _, twice := found[name]; twice {
			t.Errorf("%s stands twice: browsers ignore the second", name)
		}
		found[name] = sources
	}
	return found
}

func TestNothingMayRunButFilesOfTheBuild(t *testing.T) {
	t.Parallel()
	h := build(t)
	app := map[string]string{
		"default-src":     "'none'",
		"script-src":      "'self'",
		"style-src":       "'self'",
		"img-src":         "'self' data:",
		"font-src":        "'self'",
		"connect-src":     "'self'",
		"manifest-src":    "'self'",
		"base-uri":        "'none'",
		"form-action":     "'self'",
		"frame-ancestors": "'none'",
	}
	playground := map[string]string{"style-src": "'self' 'unsafe-inline'", "font-src": "'self' data:", "worker-src": "'self'"}
	for name, sources := range app {
		if _, own := playground[name]; !own {
			playground[name] = sources
		}
	}
	for path, want := range map[string]map[string]string{
		"/": app, "/knowledge": app, "/assets/app.js": app, "/assets/gone.js": app, "/pusher/x": app, "/playground": playground,
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			if path == "/playground" && method == http.MethodPost {
				continue // an error is not the page
			}
			response := send(t, h, method, path, "Accept", navigation)
			if diff := cmp.Diff(want, directives(t, response)); diff != "" {
				t.Errorf("%s %s (-want +got):\n%s", method, path, diff)
			}
			for name, want := range map[string]string{
				"X-Content-Type-Options":     "nosniff",
				"Cross-Origin-Opener-Policy": "same-origin",
				"Referrer-Policy":            "same-origin",
			} {
				if got := response.Header.Get(name); got != want {
					t.Errorf("%s %s has %s: %s", method, path, name, got)
				}
			}
		}
	}
}

func TestPagesMayConnectToTheConfiguredPusher(t *testing.T) {
	t.Parallel()
	h := build(t, func(c *web.Config) {
		c.ConnectTo = []string{"wss://ws-eu.pusher.com", "https://sockjs-eu.pusher.com", "ws:"}
	})
	for _, path := range []string{"/", "/playground"} {
		got := directives(t, send(t, h, http.MethodGet, path))["connect-src"]
		if want := "'self' wss://ws-eu.pusher.com https://sockjs-eu.pusher.com ws:"; got != want {
			t.Errorf("%s may connect to %s, want %s", path, got, want)
		}
	}
}

func TestASourceThatCouldChangeThePolicyIsRejected(t *testing.T) {
	t.Parallel()
	for _, origin := range []string{
		"", "*", "'unsafe-inline'", "javascript:", "data:", "wss://*", "wss://*.pusher.com", "ws.example.com", "wss://", "wss://a b",
		"wss://a; script-src *", "wss://a, default-src *", "wss://a\r\nX: y", "wss://a\n", "wss://a/path", "wss://[::1]:80", "wss://a:b",
	} {
		_, err := web.New(web.Config{Build: aBuild(), ConnectTo: []string{"wss://good.example", origin}})
		if err == nil || !strings.Contains(err.Error(), "ConnectTo") {
			t.Errorf("%q: %v", origin, err)
		}
	}
}

func TestWithoutThePlaygroundItsPageExplainsHowToTurnItOn(t *testing.T) {
	t.Parallel()
	h := build(t, func(c *web.Config) { c.Playground = false })
	for _, path := range []string{"/playground", "/playground/"} {
		response := send(t, h, http.MethodGet, path, "Accept", navigation)
		if body := bodyOf(t, response); response.StatusCode != http.StatusNotFound || !strings.Contains(body, "PLAYGROUND=on") {
			t.Errorf("%s is %d %s", path, response.StatusCode, body)
		}
		if got := directives(t, response)["style-src"]; got != "'self'" {
			t.Errorf("%s may have styles %s", path, got)
		}
	}
	if response := send(t, h, http.MethodGet, "/playground.html", "Accept", navigation); response.StatusCode != http.StatusNotFound {
		t.Errorf("by the name of its file it is %d", response.StatusCode)
	}
}

func TestThePlaygroundIsOnByDefaultOnALocalServer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		variable    string
		local, want bool
	}{
		{"", true, true},
		{"", false, false},
		{"on", true, true},
		{"on", false, true},
		{"off", true, false},
		{"off", false, false},
	} {
		s := web.Settings{Playground: test.variable}
		if err := s.Validate(); err != nil || s.HasPlayground(test.local) != test.want {
			t.Errorf("%+v: %v, %v", test, s.HasPlayground(test.local), err)
		}
	}
	for _, wrong := range []string{"true", "1", "ON", "yes", " on"} {
		err := web.Settings{Playground: wrong}.Validate()
		if err == nil || !strings.Contains(err.Error(), "PLAYGROUND") || !strings.Contains(err.Error(), "on or off") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}
