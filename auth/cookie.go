package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"lorebridge/ent/predicate"
	"lorebridge/ent/session"
)

// oldCookie is the name that the cookie had in every installation before each got its own name.
const oldCookie = "lorebridge_session"

// credential is the proof of a session that a request carries.
type credential struct {
	token string
	// cookie held the token; nil for a bearer token.
	cookie *http.Cookie
}

// credentialOf returns the request's bearer token, or else its cookie, or nil if it has neither. It ignores other
// schemes in the Authorization header, because a proxy may have set them. An error wraps ErrUnauthenticated.
func (i Installation) credentialOf(r *http.Request, client Client) (*credential, error) {
	if scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
		return &credential{token: strings.TrimSpace(token)}, nil
	}
	for _, name := range []string{i.Cookie(client.TLS), oldCookie} {
		switch cookies := r.CookiesNamed(name); len(cookies) {
		case 0:
		case 1:
			return &credential{token: cookies[0].Value, cookie: cookies[0]}, nil
		default:
			return nil, &ambiguousCookieError{name}
		}
	}
	return nil, nil
}

// counts returns predicates for the sessions that this credential may open. The old cookie opens only sessions from
// before the installation had its own cookie name.
func (c *credential) counts(i Installation) []predicate.Session {
	if c.isOld() {
		return []predicate.Session{session.CreatedAtLT(i.Since)}
	}
	return nil
}

// isOld reports whether the token came in the old cookie.
func (c *credential) isOld() bool { return c.cookie != nil && c.cookie.Name == oldCookie }

// ambiguousCookieError reports that the browser sent two cookies of one name. A page on another port or on a
// neighboring host set one of them, and we cannot know which. It wraps ErrUnauthenticated.
type ambiguousCookieError struct{ name string }

func (e *ambiguousCookieError) Error() string {
	return fmt.Sprintf("two cookies named %s came with this request, and another site of this host may have set one: "+
		"neither counts; sign in again", e.name)
}

func (*ambiguousCookieError) Is(target error) bool { return target == ErrUnauthenticated }

// jar sets cookies in the browser that sent a request.
type jar struct {
	w      http.ResponseWriter
	client Client
	name   string // of the session's cookie
}

type jarKey struct{}

// errNoCookies is returned outside of a request, because only a response can set a cookie.
var errNoCookies = errors.New("no request is being answered: there is nobody to give a cookie to")

// GiveCookie sets the cookie of the session in the browser of the request. Call it before the response is written.
func GiveCookie(ctx context.Context, s Session) error {
	j, ok := ctx.Value(jarKey{}).(jar)
	if !ok {
		return errNoCookies
	}
	j.give(s.Token, s.ExpiresAt)
	return nil
}

// TakeCookie deletes the cookie of the session in the browser of the request.
func TakeCookie(ctx context.Context) error {
	j, ok := ctx.Value(jarKey{}).(jar)
	if !ok {
		return errNoCookies
	}
	j.take(j.name)
	return nil
}

// The order of give and take matters: a browser keeps the last value for a name, a domain and a path.
func (j jar) give(token string, expires time.Time) {
	j.set(scope{name: j.name, path: "/"}, token, int(time.Until(expires).Seconds()))
}

func (j jar) take(name string) { j.set(scope{name: name, path: "/"}, "", -1) }

// takeAll deletes all cookies of the name that the browser sends to this path, whichever page set them. A browser
// does not send their domains and paths, so takeAll tries every scope that a page could have used. With the prefix
// __Host- only one scope is possible.
func (j jar) takeAll(path string) {
	j.take(j.name)
	if j.client.TLS {
		return
	}
	for _, domain := range append([]string{""}, domainsOf(j.client.Host)...) {
		for _, path := range prefixesOf(path) {
			j.set(scope{j.name, domain, path}, "", -1)
		}
	}
}

// maxScopes is the greatest number of domains, and of paths, for which a cookie is deleted. Proxies allow only a few
// KB of headers in a response.
const maxScopes = 6

// domainsOf returns the domains for which pages of the host and of its neighbors could set a cookie.
func domainsOf(hostport string) (domains []string) {
	u := url.URL{Host: hostport}
	host := u.Hostname()
	if _, err := netip.ParseAddr(host); err == nil {
		return nil // an address has no neighbors
	}
	for range maxScopes {
		domains = append(domains, host)
		if _, host, _ = strings.Cut(host, "."); !strings.Contains(host, ".") {
			break
		}
	}
	return domains
}

// prefixesOf returns the cookie paths that match a request path (RFC 6265, 5.1.4).
func prefixesOf(path string) []string {
	prefixes := []string{"/"}
	for i := 1; i < len(path) && len(prefixes) < maxScopes; i++ {
		if path[i] == '/' {
			prefixes = append(prefixes, path[:i], path[:i+1])
		}
	}
	return append(prefixes, path)
}

// scope identifies a cookie in a browser. An empty domain means the host alone.
type scope struct{ name, domain, path string }

func (j jar) set(s scope, value string, maxAge int) {
	http.SetCookie(j.w, &http.Cookie{ //nolint:gosec // Secure is set whenever the browser speaks TLS to us
		Name: s.name, Domain: s.domain, Path: s.path, Value: value, MaxAge: maxAge,
		HttpOnly: true, Secure: j.client.TLS, SameSite: http.SameSiteLaxMode,
	})
}
