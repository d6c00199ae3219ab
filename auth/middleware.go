package auth

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
)

// CookieName is the cookie that carries a session.
const CookieName = "lorebridge_session"

// refused is what a cross-origin request gets. It reads the same to GraphQL clients and to people.
const refused = `{"errors":[{"message":"requests from this origin are refused: add it to CORS_ORIGINS, or set PUBLIC_URL if it is this ` +
	`server's own","extensions":{"code":"FORBIDDEN"}}]}`

// Middleware wraps what people and their programs call: pages of other origins are refused unless configured, also where they open a
// WebSocket, and the context of each request holds its Client and, where it shows a session that holds, its Viewer. Such a context ends
// with the session, and then its cause is ErrSessionEnded.
func Middleware(accounts *Accounts, c Config) (func(http.Handler) http.Handler, error) {
	clients, err := newClients(c)
	if err != nil {
		return nil, err
	}
	pages, err := newPages(c)
	if err != nil {
		return nil, err
	}
	return func(next http.Handler) http.Handler {
		return pages.allowConfigured(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("Vary", varyBy)
			client := clients.of(r)
			if !pages.allow(r, client) {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Cache-Control", "private, no-store")
				w.Header().Set("X-Content-Type-Options", "nosniff")
				w.WriteHeader(http.StatusForbidden)
				_, _ = w.Write([]byte(refused)) // the client is gone, or will read it
				return
			}
			ctx := context.WithValue(r.Context(), clientKey{}, client)
			ctx = context.WithValue(ctx, cookiesKey{}, w)
			ctx, done := accounts.identify(ctx, r)
			defer done()
			next.ServeHTTP(w, r.WithContext(ctx))
		}))
	}, nil
}

// identify adds the viewer to ctx, or why a session that was shown does not count. done is called when the request is answered.
func (a *Accounts) identify(ctx context.Context, r *http.Request) (_ context.Context, done func()) {
	token, inCookie, shown := tokenOf(r)
	if !shown {
		return ctx, func() {}
	}
	viewer, err := Viewer{}, error(noPreflight)
	if !inCookie || cookieCounts(r) {
		viewer, err = a.ViewerOf(ctx, token)
	}
	if err != nil {
		return context.WithValue(ctx, refusalKey{}, err), func() {}
	}
	return a.requests.during(NewContext(ctx, viewer), viewer)
}

// tokenOf returns the bearer token, or else the cookie's. Another scheme in the header is a proxy's, not ours.
func tokenOf(r *http.Request) (token string, inCookie, shown bool) {
	if scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token), false, true
	}
	cookie, err := r.Cookie(CookieName)
	if err != nil {
		return "", false, false
	}
	return cookie.Value, true, true
}

type cookiesKey struct{}

// errNoCookies: a cookie can only be given with the answer to a request.
var errNoCookies = errors.New("no request is being answered: there is nobody to give a cookie to")

// GiveCookie lets the browser of the request carry the session. It must be called before the answer is written.
func GiveCookie(ctx context.Context, s Session) error {
	return setCookie(ctx, s.Token, int(time.Until(s.ExpiresAt).Seconds()))
}

// TakeCookie lets the browser of the request forget its session.
func TakeCookie(ctx context.Context) error { return setCookie(ctx, "", -1) }

func setCookie(ctx context.Context, value string, maxAge int) error {
	w, ok := ctx.Value(cookiesKey{}).(http.ResponseWriter)
	if !ok {
		return errNoCookies
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure is where browsers speak TLS to us
		Name:     CookieName,
		Value:    value,
		Path:     "/",
		MaxAge:   maxAge,
		HttpOnly: true,
		Secure:   ClientFrom(ctx).TLS,
		SameSite: http.SameSiteLaxMode,
	})
	return nil
}
