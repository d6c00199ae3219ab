package auth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"lorebridge/auth"
)

// begin creates an account without a usable password, and a session.
func (h *harness) begin(email string) auth.Session {
	h.t.Helper()
	s, err := h.signUp(h.ctx("Remote", "203.0.113.99:1"), email, password)
	must(h.t, err)
	return s
}

func TestATokenBeatsACookie(t *testing.T) {
	t.Parallel()
	h := build(t)
	ada, bob := h.begin("ada@example.com"), h.begin("bob@example.com")
	cookie := installation.Cookie(false) + "="
	for name, test := range map[string]struct {
		header []string
		want   int // 0: nobody
	}{
		"nothing":                     {nil, 0},
		"a token":                     {[]string{"Authorization", "Bearer " + ada.Token}, ada.User.ID},
		"a token in small letters":    {[]string{"Authorization", "bearer  " + ada.Token + " "}, ada.User.ID},
		"a cookie":                    {[]string{"Cookie", cookie + ada.Token}, ada.User.ID},
		"a cookie among others":       {[]string{"Cookie", "a=b; " + cookie + ada.Token + "; c=d"}, ada.User.ID},
		"both":                        {[]string{"Authorization", "Bearer " + ada.Token, "Cookie", cookie + bob.Token}, ada.User.ID},
		"a bad cookie beside a token": {[]string{"Authorization", "Bearer " + ada.Token, "Cookie", cookie + "x"}, ada.User.ID},
		"a bad token over a cookie":   {[]string{"Authorization", "Bearer x", "Cookie", cookie + bob.Token}, 0},
		"no token over a cookie":      {[]string{"Authorization", "Bearer", "Cookie", cookie + bob.Token}, 0},
		"another scheme over a cookie": {
			[]string{"Authorization", "Basic " + ada.Token, "Cookie", cookie + bob.Token}, bob.User.ID,
		},
		"a token without a scheme": {[]string{"Authorization", ada.Token}, 0},
		"two tokens":               {[]string{"Authorization", "Bearer x", "Authorization", "Bearer " + ada.Token}, 0},
		"an empty cookie":          {[]string{"Cookie", cookie}, 0},
		"another cookie":           {[]string{"Cookie", "session=" + ada.Token}, 0},
	} {
		viewer, err := auth.FromContext(h.ctx(test.header...))
		if viewer.UserID != test.want || (err != nil) != (test.want == 0) || (err != nil && !errors.Is(err, auth.ErrUnauthenticated)) {
			t.Errorf("%s is %+v, %v; want %d", name, viewer, err, test.want)
		}
	}
}

func TestADatabaseThatFailsIsNotNobody(t *testing.T) {
	t.Parallel()
	h := build(t)
	s := h.begin("ada@example.com")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	var err error
	h.visit(func(r *http.Request) {
		h.forget()
		h.identify(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, err = auth.FromContext(r.Context()) })).
			ServeHTTP(httptest.NewRecorder(), r.WithContext(canceled))
	}, "Authorization", "Bearer "+s.Token)
	if err == nil || errors.Is(err, auth.ErrUnauthenticated) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestACookieIsForTheBrowserAlone(t *testing.T) {
	t.Parallel()
	secure := func(publicURL string, proxies ...string) func(*auth.Config) {
		return func(c *auth.Config) { c.PublicURL, c.TrustedProxies = publicURL, proxies }
	}
	for name, test := range map[string]struct {
		change func(*auth.Config)
		header []string
		want   bool
	}{
		"plain":                    {secure(""), nil, false},
		"a public URL with TLS":    {secure("https://lore.example.com"), nil, true},
		"a public URL without":     {secure("http://lore.example.com"), []string{"X-Forwarded-Proto", "https"}, false},
		"a trusted proxy's TLS":    {secure("", "192.0.2.0/24"), []string{"X-Forwarded-Proto", "https"}, true},
		"a trusted proxy without":  {secure("", "192.0.2.0/24"), []string{"X-Forwarded-Proto", "http"}, false},
		"a list: https,http":       {secure("", "192.0.2.0/24"), []string{"X-Forwarded-Proto", "https,http"}, true},
		"a list: https, http":      {secure("", "192.0.2.0/24"), []string{"X-Forwarded-Proto", "https, http"}, true},
		"a list: https , https":    {secure("", "192.0.2.0/24"), []string{"X-Forwarded-Proto", "https , https"}, true},
		"a list: HTTPS":            {secure("", "192.0.2.0/24"), []string{"X-Forwarded-Proto", "HTTPS"}, true},
		"a list: Https,http":       {secure("", "192.0.2.0/24"), []string{"X-Forwarded-Proto", "Https,http"}, true},
		"a list: wss":              {secure("", "192.0.2.0/24"), []string{"X-Forwarded-Proto", "wss"}, true},
		"a list: WSS, ws":          {secure("", "192.0.2.0/24"), []string{"X-Forwarded-Proto", "WSS, ws"}, true},
		"a list:  , https":         {secure("", "192.0.2.0/24"), []string{"X-Forwarded-Proto", " , https"}, true},
		"a list: http,https":       {secure("", "192.0.2.0/24"), []string{"X-Forwarded-Proto", "http,https"}, false},
		"a list: HTTP, https":      {secure("", "192.0.2.0/24"), []string{"X-Forwarded-Proto", "HTTP, https"}, false},
		"a list: ws":               {secure("", "192.0.2.0/24"), []string{"X-Forwarded-Proto", "ws"}, false},
		"a list: httpss":           {secure("", "192.0.2.0/24"), []string{"X-Forwarded-Proto", "httpss"}, false},
		"a list: ":                 {secure("", "192.0.2.0/24"), []string{"X-Forwarded-Proto", ""}, false},
		"a list: ,":                {secure("", "192.0.2.0/24"), []string{"X-Forwarded-Proto", ","}, false},
		"anybody's word about TLS": {secure("", "10.0.0.0/8"), []string{"X-Forwarded-Proto", "https"}, false},
	} {
		h := build(t, test.change)
		s := auth.Session{Token: strings.Repeat("t", 43), ExpiresAt: time.Now().Add(time.Hour)}
		cookies := h.visit(func(r *http.Request) { must(t, auth.GiveCookie(r.Context(), s)) }, test.header...).Cookies()
		cookies = append(cookies, h.visit(func(r *http.Request) { must(t, auth.TakeCookie(r.Context())) }, test.header...).Cookies()...)
		if len(cookies) != 2 {
			t.Fatalf("%s: cookies %v", name, cookies)
		}
		for _, c := range cookies {
			if c.Name != installation.Cookie(test.want) || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.Secure != test.want {
				t.Errorf("%s: the cookie is %v, want Secure %t", name, c, test.want)
			}
		}
		if given, taken := cookies[0], cookies[1]; given.Value != s.Token || given.MaxAge < 3590 || given.MaxAge > 3600 || taken.Value != "" || taken.MaxAge >= 0 {
			t.Errorf("%s: given %v, taken %v", name, given, taken)
		}
	}
	if auth.GiveCookie(t.Context(), auth.Session{}) == nil || auth.TakeCookie(t.Context()) == nil {
		t.Error("a cookie is given to nobody")
	}
}

func TestAClientIsKnownAsItsBrowserSeesIt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*auth.Config)
		header []string
		want   auth.Client
	}{
		"as the request names it": {
			func(*auth.Config) {},
			[]string{"Host", "localhost:8080", "X-Forwarded-For", "203.0.113.9", "X-Forwarded-Host", "evil.example.net"},
			auth.Client{Address: netip.MustParseAddr("192.0.2.1"), Host: "localhost:8080"},
		},
		"as the public URL names it": {
			func(c *auth.Config) { c.PublicURL = "https://lore.example.com:8443" },
			[]string{"Host", "localhost:8080"},
			auth.Client{Address: netip.MustParseAddr("192.0.2.1"), Host: "lore.example.com:8443", TLS: true},
		},
		"as a proxy reports it": {
			func(c *auth.Config) { c.TrustedProxies = []string{"192.0.2.1"} },
			[]string{"Host", "lore.example.com", "X-Forwarded-For", "203.0.113.9", "X-Forwarded-Proto", "https"},
			auth.Client{Address: netip.MustParseAddr("203.0.113.9"), Host: "lore.example.com", TLS: true},
		},
		"through no address": {
			func(*auth.Config) {},
			[]string{"Host", "x", "Remote", "loopback"},
			auth.Client{Host: "x"},
		},
	} {
		if got := auth.ClientFrom(build(t, test.change).ctx(test.header...)); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
	if got := auth.ClientFrom(t.Context()); got != (auth.Client{}) {
		t.Errorf("outside of a request: %+v", got)
	}
}

func TestEachMistakeInTheConfigurationNamesItsVariable(t *testing.T) {
	t.Parallel()
	sound := auth.Config{
		PublicURL: "https://lore.example.com", TrustedProxies: []string{"10.0.0.0/8", "192.0.2.1", "::1", "fd00::/8"},
		Origins: []string{"http://localhost:5173", "https://app.example.org/"}, SignInsPerAddress: 1, SignInsPerAccount: 1, SignUpsPerAddress: 1,
	}
	must(t, sound.Validate())
	for name, change := range map[string]func(*auth.Config){
		"PUBLIC_URL has \"lore.example.com\"":             func(c *auth.Config) { c.PublicURL = "lore.example.com" },
		"PUBLIC_URL has \"ftp://lore.example.com\"":       func(c *auth.Config) { c.PublicURL = "ftp://lore.example.com" },
		"PUBLIC_URL has \"capacitor://localhost\"":        func(c *auth.Config) { c.PublicURL = "capacitor://localhost" },
		"PUBLIC_URL has \"https://\"":                     func(c *auth.Config) { c.PublicURL = "https://" },
		"PUBLIC_URL has \"https://lore.example.com/app\"": func(c *auth.Config) { c.PublicURL = "https://lore.example.com/app" },
		"PUBLIC_URL has \"https://a:b@lore.example.com\"": func(c *auth.Config) { c.PublicURL = "https://a:b@lore.example.com" },
		"PUBLIC_URL has \"https://lore.example.com?a\"":   func(c *auth.Config) { c.PublicURL = "https://lore.example.com?a" },
		"PUBLIC_URL has \"https://lore.example.com#a\"":   func(c *auth.Config) { c.PublicURL = "https://lore.example.com#a" },
		"CORS_ORIGINS has \"*\"":                          func(c *auth.Config) { c.Origins = []string{"https://app.example.org", "*"} },
		"CORS_ORIGINS has \"\"":                           func(c *auth.Config) { c.Origins = []string{""} },
		"TRUSTED_PROXIES has \"proxy\"":                   func(c *auth.Config) { c.TrustedProxies = []string{"10.0.0.0/8", "proxy"} },
		"TRUSTED_PROXIES has \"10.0.0.0/33\"":             func(c *auth.Config) { c.TrustedProxies = []string{"10.0.0.0/33"} },
		"SIGN_INS_PER_ADDRESS is 0":                       func(c *auth.Config) { c.SignInsPerAddress = 0 },
		"SIGN_INS_PER_ACCOUNT is -1":                      func(c *auth.Config) { c.SignInsPerAccount = -1 },
		"SIGN_UPS_PER_ADDRESS is 0":                       func(c *auth.Config) { c.SignUpsPerAddress = 0 },
	} {
		c := sound
		change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), name) || !strings.Contains(err.Error(), "must be") {
			t.Errorf("%s: got the error %v", name, err)
		}
	}
}
