package auth

import (
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/rs/cors"
)

// varyBy lists the request headers that this package reads and that can change a response.
const varyBy = "Authorization, Cookie, Origin, Sec-Fetch-Site, Content-Type, Apollo-Require-Preflight, X-Apollo-Operation-Name"

// errNoPreflight is the reason why a cookie does not count. See cookieCounts.
const errNoPreflight = unauthenticated("the cookie does not count for this GET request, because another site's page could have sent it: " +
	"send the header Apollo-Require-Preflight, or use POST or a bearer token")

// pages decides which pages may call the API: the server's own, and those of configured origins. It may be used
// concurrently.
type pages struct {
	configured []string
	// trusted holds the configured origins and PUBLIC_URL. A proxy may change the Host header, so our own pages
	// cannot always be recognized by it.
	trusted map[string]bool
}

func newPages(c Config) (*pages, error) {
	p := &pages{trusted: make(map[string]bool)}
	for _, s := range c.Origins {
		origin, err := parseOrigin(s)
		if err != nil {
			return nil, err
		}
		p.configured = append(p.configured, origin)
		p.trusted[origin] = true
	}
	if c.PublicURL == "" {
		return p, nil
	}
	public, err := parseOrigin(c.PublicURL)
	p.trusted[public] = true
	return p, err
}

// allow reports whether the sender of the request may call the API: a program, or a page of an allowed origin. A
// request that only reads and names no origin comes from a link, an image or the like. It is allowed, because its
// page cannot see the answer and its cookie does not count.
func (p *pages) allow(r *http.Request, client Client) bool {
	origin := strings.ToLower(headerOf(r, "Origin"))
	if p.trusted[origin] {
		return true
	}
	switch headerOf(r, "Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "": // a program; an old browser, or one that does not speak TLS; any browser that opens a WebSocket
		return origin == "" || origin == ownOrigin(r, client)
	default:
		return origin == "" && onlyReads(r)
	}
}

// ownOrigin returns the origin of the server's own pages, built from the request's Host. It is empty if Host is not
// valid.
func ownOrigin(r *http.Request, client Client) string {
	scheme := "http"
	if client.TLS {
		scheme = "https"
	}
	origin, err := parseOrigin(scheme + "://" + r.Host)
	if err != nil {
		return ""
	}
	return origin
}

// onlyReads reports whether a browser may send the request for any page without a preflight. A WebSocket also begins
// with a GET but is not such a request.
func onlyReads(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return !strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
	}
	return false
}

// cookieCounts reports whether the request's cookie identifies the viewer. Browsers add the cookie to a GET request
// from any page of the same site. So for GET it counts only if the browser names our own page as the sender, or if a
// header proves that it sent a preflight first.
func cookieCounts(r *http.Request) bool {
	return !onlyReads(r) || headerOf(r, "Sec-Fetch-Site") == "same-origin" || forcesPreflight(r.Header)
}

// forcesPreflight reports whether a browser would need a preflight to send these headers for a page of another
// origin. Every header outside the list of the Fetch standard's section 2.2.2 forces one. We accept those that
// GraphQL clients send.
func forcesPreflight(header http.Header) bool {
	if header.Get("Apollo-Require-Preflight") != "" || header.Get("X-Apollo-Operation-Name") != "" {
		return true
	}
	types := header.Values("Content-Type")
	if len(types) != 1 {
		return false
	}
	mediaType, _, err := mime.ParseMediaType(types[0])
	return err == nil && (mediaType == "application/json" || strings.HasSuffix(mediaType, "+json"))
}

// headerOf returns a header that is normally sent at most once. Repeated values are joined, so they match nothing.
func headerOf(r *http.Request, name string) string { return strings.Join(r.Header.Values(name), ", ") }

// allowConfigured answers preflights for the configured origins, if there are any. They may send any header, because
// clients, proxies and tracers add their own and a list would never be complete.
func (p *pages) allowConfigured(next http.Handler) http.Handler {
	if len(p.configured) == 0 {
		return next
	}
	return cors.New(cors.Options{
		AllowedOrigins:      p.configured,
		AllowedMethods:      []string{http.MethodGet, http.MethodHead, http.MethodPost},
		AllowedHeaders:      []string{"*"}, // cors echoes the requested names: browsers do not accept * with credentials
		ExposedHeaders:      []string{"X-Subscription-ID", "X-Realtime-Version", "Retry-After"},
		AllowCredentials:    true,
		AllowPrivateNetwork: true,
		MaxAge:              int((10 * time.Minute).Seconds()),
	}).Handler(next)
}
