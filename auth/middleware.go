package auth

import (
	"context"
	"errors"
	"net/http"
)

// refused is what a cross-origin request gets. It reads the same to GraphQL clients and to people.
const refused = `{"errors":[{"message":"requests from this origin are refused: add it to CORS_ORIGINS, or set PUBLIC_URL if it is this ` +
	`server's own","extensions":{"code":"FORBIDDEN"}}]}`

// Middleware wraps what people and their programs call: pages of other origins are refused unless configured, also
// where they open a WebSocket, and the context of each request holds its Client and, where it shows a session that
// holds, its Viewer. Such a context ends with the session, and then its cause is ErrSessionEnded.
func Middleware(accounts *Accounts, i Installation, c Config) (func(http.Handler) http.Handler, error) {
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
			cookies := jar{w, client, i.Cookie(client.TLS)}
			ctx = context.WithValue(ctx, jarKey{}, cookies)
			ctx, done := accounts.identify(ctx, r, i, cookies)
			defer done()
			next.ServeHTTP(w, r.WithContext(ctx))
		}))
	}, nil
}

// identify adds the viewer to ctx, or why a session that was shown does not count. done is called when the request is
// answered.
func (a *Accounts) identify(ctx context.Context, r *http.Request, i Installation, cookies jar) (_ context.Context, done func()) {
	shown, err := i.credentialOf(r, cookies.client)
	if shown == nil && err == nil {
		return ctx, func() {}
	}
	var viewer Viewer
	epoch := a.sessions.now()
	switch ambiguous, _ := errors.AsType[*ambiguousCookieError](err); {
	case (shown == nil || shown.cookie != nil) && !cookieCounts(r):
		err = errNoPreflight
	case err == nil:
		viewer, err = a.viewerOf(ctx, shown.token, shown.counts(i)...)
	case ambiguous.name == cookies.name:
		cookies.takeAll(r.URL.Path)
	}
	if err != nil {
		return context.WithValue(ctx, refusalKey{}, err), func() {}
	}
	within, done := a.requests.during(NewContext(ctx, viewer), viewer)
	if a.sessions.now() != epoch { // it may have ended after it was found and before its end could reach this request
		if _, err := a.viewerOf(ctx, shown.token, shown.counts(i)...); err != nil {
			done()
			return context.WithValue(ctx, refusalKey{}, err), func() {}
		}
	}
	if shown.isOld() {
		cookies.give(shown.token, viewer.ExpiresAt)
		cookies.take(oldCookie)
	}
	return within, done
}
