package graph_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lorebridge/app"
	"lorebridge/auth"
	"lorebridge/bridge"
	"lorebridge/database"
	"lorebridge/ent"
	"lorebridge/graph"
	"lorebridge/outbox"
	"lorebridge/pusherapi"
	"lorebridge/realtime"
	"lorebridge/web"
)

func TestMain(m *testing.M) {
	debug.SetMaxStack(64 << 20) // nothing that a stranger sends may need more: beyond it the test binary crashes
	goleak.VerifyTestMain(m)
}

// plan is what a test changes of the server before it is built.
type plan struct {
	app.Config
	seams  app.Seams
	client func(*ent.Client)             // hooks and interceptors, before anything runs
	wrap   func(*ent.Client) *ent.Client // the client in whose place another one is used
}

// harness is a server behind a real listener, with its log kept.
type harness struct {
	t             testing.TB
	client        *ent.Client
	log           *outbox.Log
	subscriptions *realtime.Subscriptions
	accounts      *auth.Accounts
	installation  auth.Installation
	db            *sql.DB // the same file, past ent: for what must not have been written
	api           *graph.Handler
	handler       http.Handler
	url           string
	http          *http.Client
	journal       *journal
}

// build starts a server that ends with the test. Whatever it logs as an error fails the test.
func build(t testing.TB, change ...func(*plan)) *harness {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lorebridge.db")
	p := plan{Config: app.Config{
		MaxSockets: 1000, ActivityTimeout: 30 * time.Second,
		Database: database.Config{URL: "sqlite:" + path},
		Auth:     auth.Config{SignInsPerAddress: 10, SignInsPerAccount: 5, SignUpsPerAddress: 10},
		Graph:    graph.Settings{RequestsPerMinute: 1000},
		Pusher:   realtime.Config{AppID: "lorebridge", Key: "key", Secret: "secret", Scheme: "https"},
		Subscriptions: realtime.SubscriptionsConfig{
			PerPerson: 100, Grace: time.Minute, Lifetime: time.Hour, Sweep: time.Minute,
			Oversize: bridge.OversizeError, PayloadLimit: pusherapi.DefaultPayloadLimit,
		},
		Web: web.Settings{Playground: "off"},
	}}
	p.seams.Sweep = 100 * time.Millisecond
	for _, change := range change {
		change(&p)
	}
	if !p.Pusher.Embedded() {
		p.seams.Transport = func(http.RoundTripper) http.RoundTripper { return nowhere{} }
	}
	h := &harness{t: t, journal: &journal{}}
	log := slog.New(h.journal)
	t.Cleanup(func() { h.journal.check(t) })

	var err error
	var health *database.Health
	h.client, health, err = database.OpenWatched(t.Context(), p.Database, log)
	must(t, err)
	t.Cleanup(func() { must(t, h.client.Close()) })
	if p.wrap != nil {
		h.client = p.wrap(h.client)
	}
	if p.client != nil {
		p.client(h.client)
	}
	h.db, err = sql.Open("sqlite3", "file:"+path+"?_query_only=1&_busy_timeout=5000")
	must(t, err)
	t.Cleanup(func() { must(t, h.db.Close()) })

	a, err := app.New(t.Context(), p.Config, app.Deps{Client: h.client, Health: health, Logger: log, Seams: p.seams})
	must(t, err)
	a.Accounts.Listen(h.journal)
	h.installation, err = auth.ReadInstallation(t.Context(), database.NewSettings(h.client))
	must(t, err)
	h.log, h.subscriptions, h.accounts, h.api, h.handler = a.Log, a.Subscriptions, a.Accounts, a.GraphQL, a.Routes()
	must(t, a.Load(t.Context()))
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	transport := &http.Transport{}
	h.url, h.http = "http://"+listener.Addr().String(), &http.Client{Transport: transport}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, listener) }()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
		must(t, <-ended)
	})
	return h
}

// nowhere is a Pusher that takes every event.
type nowhere struct{}

func (nowhere) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader("{}")), Request: r,
	}, nil
}

// person is somebody with an account, and the token of a session.
type person struct {
	id    int
	name  string
	email string
	token string
}

// nobody is not signed in.
var nobody = person{}

// person makes an account whose password nobody knows: hashing one is slow, and most tests only need a session.
func (h *harness) person(name string) person {
	h.t.Helper()
	ctx := auth.AsSystem(h.t.Context())
	p := person{name: name, email: fmt.Sprintf("%s%d@example.com", strings.ToLower(name), h.count("users"))}
	account, err := h.client.User.Create().SetName(name).SetEmail(p.email).SetPasswordHash("none").Save(ctx)
	must(h.t, err)
	p.id = account.ID
	p.token = h.session(p, time.Now().UTC().Add(time.Hour))
	return p
}

// session begins a session and returns its token.
func (h *harness) session(p person, expires time.Time) string {
	h.t.Helper()
	seed := sha256.Sum256(fmt.Append(nil, p.id, h.count("sessions")))
	token := base64.RawURLEncoding.EncodeToString(seed[:])
	hash := sha256.Sum256([]byte(token))
	must(h.t, h.client.Session.Create().SetUserID(p.id).SetTokenHash(hash[:]).SetExpiresAt(expires).Exec(h.system()))
	return token
}

// as runs fn in a transaction in which p is asking.
func (h *harness) as(p person, fn func(ctx context.Context, tx *ent.Client) error) {
	h.t.Helper()
	ctx := auth.NewContext(h.t.Context(), auth.Viewer{UserID: p.id})
	must(h.t, h.log.WithTx(ctx, fn))
}

// system is a context that sees everything.
func (h *harness) system() context.Context { return auth.AsSystem(h.t.Context()) }

func (h *harness) count(table string) (n int) {
	h.t.Helper()
	must(h.t, h.db.QueryRowContext(h.t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
	return n
}

// mend changes rows past ent: what no mutation can do.
func (h *harness) mend(statement string, args ...any) {
	h.t.Helper()
	ctx := h.t.Context()
	conn, err := h.db.Conn(ctx)
	must(h.t, err)
	_, err = conn.ExecContext(ctx, "PRAGMA query_only = OFF")
	must(h.t, err)
	_, err = conn.ExecContext(ctx, statement, args...)
	must(h.t, err)
	_, err = conn.ExecContext(ctx, "PRAGMA query_only = ON")
	must(h.t, err)
	must(h.t, conn.Close())
}

// tables are the tables that a rejected mutation must leave as they were, with their columns.
var tables = []struct{ name, columns string }{
	{"users", "id, created_at, name, email, password_hash"},
	{"sessions", "id, created_at, token_hash, expires_at, ended_at, user_id"},
	{"knowledge", "id, created_at, title, updated_at, owner_id"},
	{"knowledge_contents", "id, text, knowledge_id"},
	{"knowledge_requests", "id, created_at, question, question_hash, status, response_content, responded_at, requester_id, owner_id, knowledge_id"},
	{"knowledge_shares", "id, created_at, knowledge_id, shared_with_id, request_id"},
	{"events", "id, created_at, kind, payload, read_at, recipient_id, request_id, knowledge_id"},
}

// rows returns all rows of the tables, which a rejected mutation must leave as they were.
func (h *harness) rows() string {
	h.t.Helper()
	var all strings.Builder
	for _, table := range tables {
		var rows string
		must(h.t, h.db.QueryRowContext(h.t.Context(), fmt.Sprintf(
			"SELECT coalesce(group_concat(row, char(10)), '') FROM (SELECT quote(%s) AS row FROM %s ORDER BY id)",
			strings.ReplaceAll(table.columns, ", ", ") || ' ' || quote("), table.name)).Scan(&rows))
		fmt.Fprintf(&all, "%s:\n%s\n", table.name, rows)
	}
	return all.String()
}

// problem is an error of an answer.
type problem struct {
	Message    string `json:"message"`
	Path       []any  `json:"path"`
	Extensions struct {
		Code       string `json:"code"`
		Field      string `json:"field"`
		RetryAfter int    `json:"retryAfter"`
	} `json:"extensions"`
}

// answer is what a client gets.
type answer struct {
	t       testing.TB
	status  int
	header  http.Header
	body    string
	Data    json.RawMessage `json:"data"`
	Errors  []problem       `json:"errors"`
	cookies []*http.Cookie
}

// post sends body as it is. header holds pairs; the content type is JSON unless header has another.
func (h *harness) post(p person, body string, header ...string) answer {
	h.t.Helper()
	request, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.url+"/graphql", strings.NewReader(body))
	must(h.t, err)
	request.Header.Set("Content-Type", "application/json")
	if p.token != "" {
		request.Header.Set("Authorization", "Bearer "+p.token)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	return h.send(request)
}

// request sends what post cannot: by any method, to any path, with any header as often as it is given.
func (h *harness) request(p person, method, path, body string, header ...string) answer {
	h.t.Helper()
	request, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(body))
	must(h.t, err)
	if p.token != "" {
		request.Header.Set("Authorization", "Bearer "+p.token)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Add(header[i], header[i+1])
	}
	return h.send(request)
}

func (h *harness) send(request *http.Request) answer {
	h.t.Helper()
	response, err := h.http.Do(request)
	must(h.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(h.t, err)
	a := answer{t: h.t, status: response.StatusCode, header: response.Header, body: string(body), cookies: response.Cookies()}
	if request.Method == http.MethodHead { // has no body
		return a
	}
	if err := json.Unmarshal(body, &a); err != nil {
		h.t.Fatalf("the answer %d is not JSON: %.300s", a.status, body)
	}
	for _, e := range a.Errors {
		if word := goWords.FindString(e.Message); word != "" {
			h.t.Errorf("a message has the word %q of Go's: %s", word, e.Message)
		}
	}
	return a
}

// ask sends an operation, with variables if they are given.
func (h *harness) ask(p person, query string, variables ...map[string]any) answer {
	h.t.Helper()
	request := map[string]any{"query": query}
	if len(variables) > 0 {
		request["variables"] = variables[0]
	}
	body, err := json.Marshal(request)
	must(h.t, err)
	return h.post(p, string(body))
}

// goWords are words of Go that mean nothing to a client.
var goWords = regexp.MustCompile(`<nil>|%!|\b(u?int(8|16|32|64)?|float(32|64)|nil|slice|map|struct|interface|reflect|strconv|(un)?marshal\w*|json\.\w+|runtime|goroutine)\b`)

// code is the code of the first error, or empty.
func (a answer) code() string {
	if len(a.Errors) == 0 {
		return ""
	}
	return a.Errors[0].Extensions.Code
}

// rejected fails the test unless the answer is one error with this code; a field follows it as CODE:field.
func (a answer) rejected(want string) {
	a.t.Helper()
	if len(a.Errors) != 1 {
		a.t.Fatalf("got %d %s, want one error %s", a.status, a.body, want)
	}
	got := a.Errors[0].Extensions.Code
	if field := a.Errors[0].Extensions.Field; field != "" {
		got += ":" + field
	}
	if got != want {
		a.t.Errorf("got %s (%d %.500s), want %s", got, a.status, a.body, want)
	}
}

// into reads the data of an answer without errors.
func (a answer) into(v any) {
	a.t.Helper()
	if a.status != http.StatusOK || len(a.Errors) > 0 {
		a.t.Fatalf("got %d %s", a.status, a.body)
	}
	must(a.t, json.Unmarshal(a.Data, v))
}

// get returns the value at a path of keys, as JSON without its quotes if it is a string.
func (a answer) get(path ...string) string {
	a.t.Helper()
	var data json.RawMessage
	a.into(&data)
	for _, key := range path {
		var object map[string]json.RawMessage
		must(a.t, json.Unmarshal(data, &object))
		data = object[key]
	}
	var text string
	if json.Unmarshal(data, &text) == nil && !bytes.Equal(data, []byte("null")) {
		return text
	}
	return string(data)
}

// journal keeps what is logged as an error, and the sessions that ended.
type journal struct {
	mu     sync.Mutex
	errors []string
	ended  []int
}

func (j *journal) Enabled(context.Context, slog.Level) bool { return true }

func (j *journal) Handle(_ context.Context, record slog.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	line := record.Level.String() + " " + record.Message
	record.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	if record.Level >= slog.LevelError {
		j.errors = append(j.errors, line)
	}
	return nil
}

func (j *journal) WithAttrs([]slog.Attr) slog.Handler { return j }
func (j *journal) WithGroup(string) slog.Handler      { return j }

func (j *journal) OpenSessions() []int { return nil }

func (j *journal) EndSession(id int, _ auth.EndReason) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ended = append(j.ended, id)
}

// sessionsEnded returns the sessions whose end was noticed.
func (j *journal) sessionsEnded() []int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ended
}

// check fails the test for every error that was logged.
func (j *journal) check(t testing.TB) {
	t.Helper()
	for _, line := range j.takeErrors() {
		t.Errorf("logged: %.2000s", line)
	}
}

// takeErrors returns the errors and forgets them.
func (j *journal) takeErrors() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	errors := j.errors
	j.errors = nil
	return errors
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
