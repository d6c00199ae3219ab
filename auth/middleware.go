package auth

import (
	"context"
	"errors"
	"net/http"
)

// rejected is the response to a request from an origin that is not allowed. GraphQL clients can parse it and people
// can read it.
const rejected = `{"errors":[{"message":"requests from this origin are refused: add it to CORS_ORIGINS, or set PUBLIC_URL if it is this ` +
	`server's own","extensions":{"code":"FORBIDDEN"}}]}`

// Middleware wraps the routes that people and their programs call. It rejects requests, and the opening of
// WebSockets, from pages of other origins, except the configured ones. It puts the Client into each request's
// context, and the Viewer if the request shows a session that holds. A context with a viewer ends with the session,
// with the cause ErrSessionEnded.
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
				_, _ = w.Write([]byte(rejected)) // if this fails, the client has disconnected
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

// identify adds the viewer to ctx, or the reason why a session that was shown does not count. Call done when the
// request is answered.
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
		return context.WithValue(ctx, rejectionKey{}, err), func() {}
	}
	within, done := a.requests.during(NewContext(ctx, viewer), viewer)
	if a.sessions.now() != epoch { // the session may have ended between viewerOf and during
		if _, err := a.viewerOf(ctx, shown.token, shown.counts(i)...); err != nil {
			done()
			return context.WithValue(ctx, rejectionKey{}, err), func() {}
		}
	}
	if shown.isOld() {
		cookies.give(shown.token, viewer.ExpiresAt)
		cookies.take(oldCookie)
	}
	return within, done
}
