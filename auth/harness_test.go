package auth_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"lorebridge/auth"
	"lorebridge/database"
	"lorebridge/ent"
	"lorebridge/outbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// installation is that of the server in all tests.
var installation = auth.Installation{ID: "0123456789abcdef"}

// harness holds accounts on a database of their own, behind the middleware.
type harness struct {
	t        *testing.T
	path     string // of the database
	client   *ent.Client
	accounts *auth.Accounts
	withTx   auth.WithTx
	identify func(http.Handler) http.Handler
	token    string // of a session, for a test that needs it in two places
}

func build(t *testing.T, change ...func(*auth.Config)) *harness {
	t.Helper()
	c := auth.Config{SignInsPerAddress: 10, SignInsPerAccount: 5, SignUpsPerAddress: 10}
	for _, change := range change {
		change(&c)
	}
	must(t, c.Validate())
	path := filepath.Join(t.TempDir(), "lorebridge.db")
	client, err := database.Open(t.Context(), database.Config{URL: "sqlite:" + path})
	must(t, err)
	t.Cleanup(func() { must(t, client.Close()) })
	events, err := outbox.New(t.Context(), outbox.Config{Client: client, Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	h := &harness{t: t, path: path, client: client, withTx: events.WithTx}
	h.accounts, err = auth.NewAccounts(c, auth.Deps{Client: client, Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	h.identify, err = auth.Middleware(h.accounts, installation, c)
	must(t, err)
	return h
}

// visit serves one request through the middleware. header holds pairs of names and values, and may repeat a name.
// Remote and Host set the request's fields of these names instead of a header.
func (h *harness) visit(fn func(r *http.Request), header ...string) *http.Response {
	h.t.Helper()
	return h.request(http.MethodPost, fn, header...)
}

func (h *harness) request(method string, fn func(r *http.Request), header ...string) *http.Response {
	h.t.Helper()
	request := httptest.NewRequestWithContext(h.t.Context(), method, "/graphql", strings.NewReader(`{}`))
	request.RemoteAddr, request.Host = "192.0.2.1:1234", "lore.example.com"
	for i := 0; i < len(header); i += 2 {
		switch header[i] {
		case "Remote":
			request.RemoteAddr = header[i+1]
		case "Host":
			request.Host = header[i+1]
		default:
			request.Header.Add(header[i], header[i+1])
		}
	}
	recorder := httptest.NewRecorder()
	h.identify(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { fn(r) })).ServeHTTP(recorder, request)
	return recorder.Result()
}

// ctx returns the context of a request.
func (h *harness) ctx(header ...string) context.Context {
	h.t.Helper()
	var seen *http.Request
	h.visit(func(r *http.Request) { seen = r }, header...)
	return seen.Context()
}

func (h *harness) system() context.Context { return auth.AsSystem(h.t.Context()) }

func (h *harness) signUp(ctx context.Context, email, password string) (auth.Session, error) {
	return h.accounts.SignUp(ctx, h.withTx, auth.NewAccount{Name: "Ada", Email: email, Password: password})
}

func (h *harness) signIn(ctx context.Context, email, password string) (auth.Session, error) {
	return h.accounts.SignIn(ctx, h.withTx, email, password)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
