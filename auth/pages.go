package auth

import (
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/rs/cors"
)

// What the answers depend on besides their URL, as far as it is read here.
const varyBy = "Authorization, Cookie, Origin, Sec-Fetch-Site, Content-Type, Apollo-Require-Preflight, X-Apollo-Operation-Name"

// errNoPreflight is why a cookie does not count. See cookieCounts.
const errNoPreflight = unauthenticated("the cookie does not count for this GET request, because another site's page could have sent it: " +
	"send the header Apollo-Require-Preflight, or use POST or a bearer token")

// pages knows which pages may call the API: the server's own and those of configured origins. It may be used
// concurrently.
type pages struct {
	configured []string
	// trusted holds configured and PUBLIC_URL, which browsers name beside a Host that a proxy may have changed.
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

// allow says whether whoever sent the request may call the API: a program, or a page that pages knows. A request that
// only reads and names no origin is a link, an image or the like: its page cannot see the answer, and its cookie does
// not count.
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

// ownOrigin is the origin of the server's own pages as the request names the server; empty if it does not.
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

// onlyReads says that a browser may send the request for any page without asking. A WebSocket begins with GET and is
// not such a request.
func onlyReads(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return !strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
	}
	return false
}

// cookieCounts says whether the request's cookie says who is asking. Browsers send it along with a GET request for
// any page of the same site, so there it counts only if they name our own page as the sender, or if a header shows
// that they have asked us with a preflight.
func cookieCounts(r *http.Request) bool {
	return !onlyReads(r) || headerOf(r, "Sec-Fetch-Site") == "same-origin" || forcesPreflight(r.Header)
}

// forcesPreflight says whether a browser would send these headers for another origin's page only after a preflight.
// Any header besides the few of the Fetch standard's section 2.2.2 would do; these are the ones that GraphQL clients
// send.
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

// headerOf returns a header that is sent at most once: if it is sent twice, no value that counts.
func headerOf(r *http.Request, name string) string { return strings.Join(r.Header.Values(name), ", ") }

// allowConfigured answers preflights for the configured origins, if there are any. A client of theirs may send what
// headers it likes: clients, proxies and tracers add their own, so that a list would never be complete.
func (p *pages) allowConfigured(next http.Handler) http.Handler {
	if len(p.configured) == 0 {
		return next
	}
	return cors.New(cors.Options{
		AllowedOrigins:      p.configured,
		AllowedMethods:      []string{http.MethodGet, http.MethodHead, http.MethodPost},
		AllowedHeaders:      []string{"*"}, // answered with the names that were asked for: with credentials a star would mean a star
		ExposedHeaders:      []string{"X-Subscription-ID", "X-Realtime-Version", "Retry-After"},
		AllowCredentials:    true,
		AllowPrivateNetwork: true,
		MaxAge:              int((10 * time.Minute).Seconds()),
	}).Handler(next)
}
