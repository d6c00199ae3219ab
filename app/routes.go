package app

import (
	"net/http"

	"lorebridge/bridge"
)

// Routes returns the handler for every path of the server.
func (a *App) Routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/graphql", a.withVersion(a.identify(a.GraphQL)))
	mux.Handle(bridge.DefaultResultPath, a.identify(a.Subscriptions.ResultHandler()))
	authorize := a.identify(a.Subscriptions.AuthorizeHandler(a.People.Owns))
	for _, path := range []string{"/pusher/auth", "/graphql/subscriptions/auth"} { // Lighthouse's clients use the second
		mux.Handle(path, authorize)
	}
	for _, path := range []string{"/pusher/webhooks", "/graphql/subscriptions/webhook"} {
		mux.Handle(path, a.Subscriptions.WebhookHandler())
	}
	if a.sockets != nil {
		mux.Handle("/app/", a.sockets)
		mux.Handle("/apps/", a.sockets)
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { a.report(w, r, []string{}) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { a.report(w, r, a.problems()) })
	mux.Handle("/", a.page)
	return mux
}

// versionHeader is in every answer of the API. A page that sees another value in it reads its settings and connects
// anew.
const versionHeader = "X-Realtime-Version"

// withVersion adds versionHeader to the answers of next.
func (a *App) withVersion(next http.Handler) http.Handler {
	version := []string{a.version}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()[versionHeader] = version
		next.ServeHTTP(w, r)
	})
}
