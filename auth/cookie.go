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

// oldCookie carried sessions to every installation before each had a name of its own.
const oldCookie = "lorebridge_session"

// credential is what a request shows of a session.
type credential struct {
	token string
	// cookie is what it came in; nil if it was a bearer token.
	cookie *http.Cookie
}

// credentialOf returns the bearer token of the request, or else that of its cookie; nil if it shows neither. Another
// scheme in the header is a proxy's, not ours. An error wraps ErrUnauthenticated.
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

// counts selects the sessions that the credential can be of: the old cookie is of those alone that began when there
// was no other.
func (c *credential) counts(i Installation) []predicate.Session {
	if c.isOld() {
		return []predicate.Session{session.CreatedAtLT(i.Since)}
	}
	return nil
}

// isOld says that it came in the old cookie.
func (c *credential) isOld() bool { return c.cookie != nil && c.cookie.Name == oldCookie }

// ambiguousCookieError says that the browser has two cookies of one name. One was set by a page of another port or of
// a neighboring host, and which of them cannot be known. It wraps ErrUnauthenticated.
type ambiguousCookieError struct{ name string }

func (e *ambiguousCookieError) Error() string {
	return fmt.Sprintf("two cookies named %s came with this request, and another site of this host may have set one: "+
		"neither counts; sign in again", e.name)
}

func (*ambiguousCookieError) Is(target error) bool { return target == ErrUnauthenticated }

// jar is the cookies of the browser of a request.
type jar struct {
	w      http.ResponseWriter
	client Client
	name   string // of the one that carries a session
}

type jarKey struct{}

// errNoCookies: a cookie can only be given with the answer to a request.
var errNoCookies = errors.New("no request is being answered: there is nobody to give a cookie to")

// GiveCookie lets the browser of the request carry the session. It must be called before the answer is written.
func GiveCookie(ctx context.Context, s Session) error {
	j, ok := ctx.Value(jarKey{}).(jar)
	if !ok {
		return errNoCookies
	}
	j.give(s.Token, s.ExpiresAt)
	return nil
}

// TakeCookie lets the browser of the request forget its session.
func TakeCookie(ctx context.Context) error {
	j, ok := ctx.Value(jarKey{}).(jar)
	if !ok {
		return errNoCookies
	}
	j.take(j.name)
	return nil
}

// give and take are in the order of their calls: a browser keeps what the last one for a name, a domain and a path
// says.
func (j jar) give(token string, expires time.Time) {
	j.set(scope{name: j.name, path: "/"}, token, int(time.Until(expires).Seconds()))
}

func (j jar) take(name string) { j.set(scope{name: name, path: "/"}, "", -1) }

// takeAll has all cookies of the name forgotten that the browser sends to this path, whoever set them. A browser does
// not say for which host and path it has one, so each is named for which a page could have set it. Of a name with
// __Host- there is but one.
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

// maxScopes bounds for how many domains, and for how many paths, a cookie is taken: proxies allow an answer a few KB
// of headers.
const maxScopes = 6

// domainsOf are those of a host that its pages and its neighbors' could set a cookie for.
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

// prefixesOf are the paths of cookies that are sent to a path (RFC 6265, 5.1.4).
func prefixesOf(path string) []string {
	prefixes := []string{"/"}
	for i := 1; i < len(path) && len(prefixes) < maxScopes; i++ {
		if path[i] == '/' {
			prefixes = append(prefixes, path[:i], path[:i+1])
		}
	}
	return append(prefixes, path)
}

// scope is what a browser knows a cookie by. An empty domain is the host alone.
type scope struct{ name, domain, path string }

func (j jar) set(s scope, value string, maxAge int) {
	http.SetCookie(j.w, &http.Cookie{ //nolint:gosec // Secure is where browsers speak TLS to us
		Name: s.name, Domain: s.domain, Path: s.path, Value: value, MaxAge: maxAge,
		HttpOnly: true, Secure: j.client.TLS, SameSite: http.SameSiteLaxMode,
	})
}
