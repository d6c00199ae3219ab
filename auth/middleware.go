package auth

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/rs/cors"
)

// CookieName is the cookie that carries a session.
const CookieName = "lorebridge_session"

// refused is what a cross-origin request gets. It reads the same to GraphQL clients and to people.
const refused = `{"errors":[{"message":"requests from this origin are refused: add it to CORS_ORIGINS","extensions":{"code":"FORBIDDEN"}}]}`

// Middleware wraps what people and their programs call: pages of other origins are refused unless configured, and
// the context of each request holds its Client and, where it shows a session that holds, its Viewer.
func Middleware(accounts *Accounts, c Config) (func(http.Handler) http.Handler, error) {
	clients, err := newClients(c)
	if err != nil {
		return nil, err
	}
	protection := http.NewCrossOriginProtection()
	for _, origin := range c.TrustedOrigins() {
		if err := protection.AddTrustedOrigin(origin); err != nil {
			return nil, err
		}
	}
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(refused)) // the client is gone, or will read it
	}))
	return func(next http.Handler) http.Handler {
		known := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := context.WithValue(r.Context(), clientKey{}, clients.of(r))
			ctx = context.WithValue(ctx, cookiesKey{}, w)
			next.ServeHTTP(w, r.WithContext(accounts.identify(ctx, r)))
		})
		return allowOrigins(c.Origins, protection.Handler(known))
	}, nil
}

// allowOrigins answers preflights for the configured origins, if there are any.
func allowOrigins(origins []string, next http.Handler) http.Handler {
	if len(origins) == 0 {
		return next
	}
	allowed := make([]string, len(origins))
	for i, origin := range origins {
		allowed[i] = strings.TrimSuffix(origin, "/")
	}
	return cors.New(cors.Options{
		AllowedOrigins: allowed,
		AllowedMethods: []string{http.MethodPost, http.MethodGet},
		// The last four are what clients of subscriptions send along. Those that the server does not read must not fail the preflight.
		AllowedHeaders: []string{
			"Accept", "Authorization", "Content-Type",
			"X-Subscription-ID", "X-Subscription-Protocol", "X-Subscription-Compress", "X-Socket-ID",
		},
		ExposedHeaders:   []string{"X-Subscription-ID"},
		AllowCredentials: true,
		MaxAge:           int((10 * time.Minute).Seconds()),
	}).Handler(next)
}

// identify adds the viewer to ctx, or why a session that was shown does not count.
func (a *Accounts) identify(ctx context.Context, r *http.Request) context.Context {
	token, shown := tokenOf(r)
	if !shown {
		return ctx
	}
	viewer, err := a.ViewerOf(ctx, token)
	if err != nil {
		return context.WithValue(ctx, refusalKey{}, err)
	}
	return NewContext(ctx, viewer)
}

// tokenOf returns the bearer token, or else the cookie's. Another scheme in the header is a proxy's, not ours.
func tokenOf(r *http.Request) (token string, shown bool) {
	if scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token), true
	}
	cookie, err := r.Cookie(CookieName)
	if err != nil {
		return "", false
	}
	return cookie.Value, true
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
