package auth_test

import (
	"errors"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"lorebridge/auth"
	"lorebridge/database"
)

func TestAnInstallationKeepsItsID(t *testing.T) {
	t.Parallel()
	h, other := build(t), build(t)
	first, err := auth.ReadInstallation(t.Context(), database.NewSettings(h.client))
	must(t, err)
	again, err := auth.ReadInstallation(t.Context(), database.NewSettings(h.client))
	must(t, err)
	another, err := auth.ReadInstallation(t.Context(), database.NewSettings(other.client))
	must(t, err)
	if len(first.ID) != 16 || again != first || another.ID == first.ID || time.Since(first.Since) > time.Minute {
		t.Errorf("the installation is %+v, then %+v, and another %+v", first, again, another)
	}
}

// Only the cookie of this installation counts, and over TLS only with the prefix that no other page can set.
func TestEachInstallationReadsItsOwnCookieAlone(t *testing.T) {
	t.Parallel()
	h := build(t, func(c *auth.Config) { c.TrustedProxies = []string{"192.0.2.1"} })
	ada, bob := h.begin("ada@example.com"), h.begin("bob@example.com")
	plain, prefixed := installation.Cookie(false), installation.Cookie(true)
	other := auth.Installation{ID: "another"}.Cookie(false)
	for name, test := range map[string]struct {
		tls    bool
		cookie string
		want   int // 0: nobody
	}{
		"plain":                                {false, plain + "=" + ada.Token, ada.User.ID},
		"prefixed without TLS":                 {false, prefixed + "=" + ada.Token, 0},
		"prefixed over TLS":                    {true, prefixed + "=" + ada.Token, ada.User.ID},
		"plain over TLS":                       {true, plain + "=" + ada.Token, 0},
		"one tossed beside it over TLS":        {true, plain + "=" + bob.Token + "; " + prefixed + "=" + ada.Token, ada.User.ID},
		"another installation's":               {false, other + "=" + ada.Token, 0},
		"another installation's beside it":     {false, other + "=" + bob.Token + "; " + plain + "=" + ada.Token, ada.User.ID},
		"the old one of a session that is new": {false, "lorebridge_session=" + ada.Token, 0},
		"the old one beside it":                {false, "lorebridge_session=" + bob.Token + "; " + plain + "=" + ada.Token, ada.User.ID},
		"the old one twice beside it":          {false, "lorebridge_session=x; lorebridge_session=y; " + plain + "=" + ada.Token, ada.User.ID},
		"the old one twice":                    {false, "lorebridge_session=" + ada.Token + "; lorebridge_session=" + bob.Token, 0},
		"in other letters":                     {false, strings.ToUpper(plain) + "=" + ada.Token, 0},
	} {
		proto := map[bool]string{false: "http", true: "https"}[test.tls]
		viewer, err := auth.FromContext(h.ctx("Cookie", test.cookie, "X-Forwarded-Proto", proto))
		if viewer.UserID != test.want || (err == nil) != (test.want != 0) || err != nil && !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%s is %+v, %v; want %d", name, viewer, err, test.want)
		}
	}
}

// The old cookie had the same name in all installations. It counts for sessions from before there was another, and
// the first response replaces it.
func TestTheOldCookieIsExchangedForTheNewOne(t *testing.T) {
	t.Parallel()
	for _, tls := range []bool{false, true} {
		h := build(t, func(c *auth.Config) { c.TrustedProxies = []string{"192.0.2.1"} })
		proto := map[bool]string{false: "http", true: "https"}[tls]
		older, ended := h.begin("ada@example.com"), h.begin("bob@example.com")
		i := auth.Installation{ID: "0123456789abcdef", Since: time.Now().UTC()}
		newer := h.begin("cleo@example.com")
		var err error
		h.identify, err = auth.Middleware(h.accounts, i, auth.Config{TrustedProxies: []string{"192.0.2.1"}})
		must(t, err)

		cookies := h.visit(func(r *http.Request) {
			if viewer, err := auth.FromContext(r.Context()); viewer.UserID != older.User.ID {
				t.Errorf("the old cookie is %+v, %v", viewer, err)
			}
		}, "Cookie", "lorebridge_session="+older.Token, "X-Forwarded-Proto", proto).Cookies()
		if len(cookies) != 2 || cookies[0].Name != i.Cookie(tls) || cookies[0].Value != older.Token || cookies[0].MaxAge < 29*24*3600 || cookies[0].Secure != tls ||
			cookies[1].Name != "lorebridge_session" || cookies[1].MaxAge >= 0 || cookies[1].Path != "/" {
			t.Errorf("TLS %t: the exchange is %v", tls, cookies)
		}
		must(t, h.accounts.SignOut(auth.NewContext(t.Context(), h.viewerOf(ended)), h.withTx, h.viewerOf(ended)))
		for name, token := range map[string]string{"a newer session's": newer.Token, "an ended session's": ended.Token, "another server's": strings.Repeat("x", 43)} {
			response := h.visit(func(r *http.Request) {
				if viewer, err := auth.FromContext(r.Context()); !errors.Is(err, auth.ErrUnauthenticated) {
					t.Errorf("TLS %t: %s old cookie is %+v", tls, name, viewer)
				}
			}, "Cookie", "lorebridge_session="+token, "X-Forwarded-Proto", proto)
			if cookies := response.Cookies(); len(cookies) != 0 { // it may be another server's
				t.Errorf("TLS %t: with %s old cookie came %v", tls, name, cookies)
			}
		}
	}
}

// viewerOf returns the holder of a session.
func (h *harness) viewerOf(s auth.Session) auth.Viewer {
	h.t.Helper()
	viewer, err := h.accounts.ViewerOf(h.t.Context(), s.Token)
	must(h.t, err)
	return viewer
}

// A page of another port, or of a neighboring host, sets a cookie of the same name for a path or a domain of its own.
// The browser sends both, and the other page's first. Then nobody is signed in, the browser deletes both, and signing
// in works.
func TestTwoCookiesOfOneNameAreRejectedAndForgotten(t *testing.T) {
	t.Parallel()
	h := build(t)
	ada, eve := h.begin("ada@example.com"), h.begin("eve@example.com")
	server := httptest.NewServer(h.identify(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("sign-in") {
			if err := auth.GiveCookie(r.Context(), ada); err != nil {
				t.Error(err)
			}
		}
		if viewer, err := auth.FromContext(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
		} else if viewer.UserID != ada.User.ID {
			t.Errorf("%s acts as %+v", r.URL, viewer)
		}
	})))
	t.Cleanup(server.Close)
	port := server.Listener.Addr().String()[strings.LastIndex(server.Listener.Addr().String(), ":"):]
	name := installation.Cookie(false)
	for toss, test := range map[string]struct {
		host, path string
		cookie     http.Cookie
	}{
		"a longer path":          {"lore.test", "/graphql", http.Cookie{Path: "/graphql"}},
		"a path on the way":      {"lore.test", "/pusher/auth", http.Cookie{Path: "/pusher"}},
		"one with a slash":       {"lore.test", "/graphql/subscriptions/result", http.Cookie{Path: "/graphql/subscriptions/"}},
		"the domain of the host": {"lore.test", "/graphql", http.Cookie{Path: "/graphql", Domain: "lore.test"}},
		"the neighborhood":       {"lore.example.test", "/graphql", http.Cookie{Path: "/graphql", Domain: "example.test"}},
		"a larger one":           {"lore.intra.example.test", "/graphql", http.Cookie{Path: "/", Domain: "example.test"}},
		"an address":             {"127.0.0.1", "/graphql", http.Cookie{Path: "/graphql"}},
	} {
		cookies, err := cookiejar.New(nil)
		must(t, err)
		base, err := url.Parse("http://" + test.host + port + test.path)
		must(t, err)
		transport := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: server.Listener.Addr().String()})}
		client := &http.Client{Jar: cookies, Transport: transport}
		get := func(query string) int {
			t.Helper()
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base.String()+query, nil)
			must(t, err)
			response, err := client.Do(request)
			must(t, err)
			must(t, response.Body.Close())
			return response.StatusCode
		}
		cookies.SetCookies(base, []*http.Cookie{{Name: name, Value: ada.Token, Path: "/"}})
		if status := get(""); status != http.StatusOK {
			t.Errorf("%s: with one cookie: %d", toss, status)
		}
		test.cookie.Name, test.cookie.Value = name, eve.Token
		cookies.SetCookies(base, []*http.Cookie{&test.cookie})
		if n := len(cookies.Cookies(base)); n != 2 {
			t.Fatalf("%s: the browser has %d cookies", toss, n)
		}
		if status := get(""); status != http.StatusUnauthorized {
			t.Errorf("%s: with both: %d", toss, status)
		}
		if left := cookies.Cookies(base); len(left) != 0 {
			t.Errorf("%s: the browser still has %v", toss, left)
		}
		cookies.SetCookies(base, []*http.Cookie{{Name: name, Value: ada.Token, Path: "/"}, &test.cookie})
		if status := get("?sign-in"); status != http.StatusUnauthorized { // the request itself has shown both
			t.Errorf("%s: signing in with both: %d", toss, status)
		}
		if status := get(""); status != http.StatusOK {
			t.Errorf("%s: after signing in: %d", toss, status)
		}
		transport.CloseIdleConnections()
	}

	// Two equal cookies are two as well, a bearer token beats them, and the error names the cookie.
	for _, second := range []string{ada.Token, eve.Token, ""} {
		both := name + "=" + ada.Token + "; " + name + "=" + second
		if _, err := auth.FromContext(h.ctx("Cookie", both)); !errors.Is(err, auth.ErrUnauthenticated) || !strings.Contains(err.Error(), name) {
			t.Errorf("two cookies: %v", err)
		}
		if _, err := auth.FromContext(h.ctx("Cookie", name+"="+ada.Token, "Cookie", name+"="+second)); !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("two headers: %v", err)
		}
		if viewer, err := auth.FromContext(h.ctx("Cookie", both, "Authorization", "Bearer "+ada.Token)); viewer.UserID != ada.User.ID {
			t.Errorf("with a token beside them: %+v, %v", viewer, err)
		}
	}
}

// Over TLS a browser has one cookie of the name. It can be deleted only for the path / and without a domain.
func TestOverTLSOneCookieIsTaken(t *testing.T) {
	t.Parallel()
	h := build(t, func(c *auth.Config) { c.PublicURL = "https://lore.example.com" })
	name := installation.Cookie(true)
	taken := h.visit(func(*http.Request) {}, "Cookie", name+"=a; "+name+"=b").Cookies()
	if len(taken) != 1 || taken[0].Name != name || taken[0].Path != "/" || taken[0].Domain != "" || !taken[0].Secure || taken[0].MaxAge >= 0 {
		t.Errorf("taken: %v", taken)
	}
}

// The headers stay within what proxies allow, whatever host and path the request names.
func TestTakingCookiesTakesFewHeaders(t *testing.T) {
	t.Parallel()
	h := build(t)
	name := installation.Cookie(false)
	long := strings.Repeat("a.", 100) + "example.com"
	header := h.visit(func(*http.Request) {}, "Cookie", name+"=a; "+name+"=b", "Host", long).Header
	if n := len(header.Values("Set-Cookie")); n == 0 || n > 50 {
		t.Errorf("%d cookies are set: %v", n, slices.Sorted(maps.Keys(header)))
	}
}
