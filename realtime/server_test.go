package realtime_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"lorebridge/app"
	"lorebridge/auth"
	"lorebridge/bridge"
	"lorebridge/database"
	"lorebridge/ent"
	"lorebridge/ent/storedsubscription"
	"lorebridge/graph"
	"lorebridge/outbox"
	"lorebridge/pusherapi"
	"lorebridge/pusherserver"
	"lorebridge/realtime"
	"lorebridge/web"
)

// options are the settings of a server that a test changes before it starts.
type options struct {
	pusher        realtime.Config
	subscriptions realtime.SubscriptionsConfig
	// elsewhere starts a separate Pusher, which is reached over HTTP and outlives restarts. With webhooks it reports
	// the changes of its channels.
	elsewhere, webhooks bool
	sockets             func(*pusherserver.Config)  // nil: no change
	sessionSweep        time.Duration               // 0: the default
	realtime            func(context.Context) error // nil: there is none
	listener            auth.Listener               // of the ends of sessions, called last; nil: none
	executor            func(graphql.GraphExecutor) graphql.GraphExecutor
	client              func(*ent.Client) // adds hooks and interceptors before the start
}

// server is our server, with an HTTP address that stays the same over restarts.
type server struct {
	t       *testing.T
	options options
	gate    *gate // receives every call of Pusher's HTTP API
	url     string
	// pusher is the URL to which browsers connect.
	pusher string
	http   *http.Client
	front  atomic.Pointer[http.Handler] // nil while the server is down
	path   string                       // of the database

	// These belong to the current run.
	client        *ent.Client
	accounts      *auth.Accounts
	events        *outbox.Log
	relay         *outbox.Relay
	subscriptions *realtime.Subscriptions
	api           *graph.Handler
	end           func()
}

// administrator is the e-mail address of a person who can see and end all subscriptions.
const administrator = "root@example.com"

// startServer starts a server that stops at the end of the test.
func startServer(t *testing.T, change ...func(*options)) *server {
	t.Helper()
	s := &server{t: t, gate: &gate{}, path: filepath.Join(t.TempDir(), "lorebridge.db"), options: options{
		pusher: ourPusher(),
		subscriptions: realtime.SubscriptionsConfig{
			PerPerson: 100, Grace: time.Minute, Lifetime: 24 * time.Hour, Sweep: time.Minute,
			Oversize: bridge.OversizeError, PayloadLimit: pusherapi.DefaultPayloadLimit,
		},
	}}
	for _, change := range change {
		change(&s.options)
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if routes := s.front.Load(); routes != nil {
			(*routes).ServeHTTP(w, r)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(front.Close)
	s.url, s.pusher, s.http = front.URL, front.URL, front.Client()
	if s.options.elsewhere {
		s.startPusher()
	}
	s.start()
	t.Cleanup(s.stop)
	return s
}

// startPusher starts a separate Pusher.
func (s *server) startPusher() {
	server := sockets(s.t, func(c *pusherserver.Config) {
		if s.options.webhooks {
			c.Apps[0].Webhooks = []pusherserver.Webhook{{URL: s.url + "/pusher/webhooks"}}
			c.VacatedDelay, c.WebhookDelay = 50*time.Millisecond, time.Millisecond
		}
		if s.options.sockets != nil {
			s.options.sockets(c)
		}
	})
	s.pusher = server.URL
	transport := &http.Transport{}
	s.t.Cleanup(transport.CloseIdleConnections)
	s.gate.next = transport
	s.options.pusher.Host, s.options.pusher.Scheme = server.Host(), "http"
}

// start begins a run.
func (s *server) start() {
	s.t.Helper()
	log := slog.New(slog.NewTextHandler(s.t.Output(), nil))
	c := config(s.path, s.options.pusher, s.options.subscriptions)
	c.Graph = graph.Settings{RequestsPerMinute: 1_000_000, Administrators: []string{administrator}}
	client, health, err := database.OpenWatched(s.t.Context(), c.Database, log)
	must(s.t, err)
	s.client = client
	if s.options.client != nil {
		s.options.client(client)
	}
	a, err := app.New(s.t.Context(), c, app.Deps{Client: client, Health: health, Logger: log, Seams: app.Seams{
		Sweep: s.options.sessionSweep, Drain: 100 * time.Millisecond, Sockets: s.options.sockets, Executor: s.options.executor,
		Transport: func(embedded http.RoundTripper) http.RoundTripper {
			if embedded != nil {
				s.gate.carry(embedded)
			}
			return s.gate
		},
		Realtime: func(ctx context.Context, _ int) (*graph.Realtime, error) {
			if s.options.realtime == nil {
				return nil, nil
			}
			return &graph.Realtime{Key: key, Channel: "late"}, s.options.realtime(ctx)
		},
	}})
	must(s.t, err)
	if s.options.listener != nil {
		a.Accounts.Listen(s.options.listener)
	}
	s.accounts, s.events, s.relay, s.subscriptions, s.api = a.Accounts, a.Log, a.Relay, a.Subscriptions, a.GraphQL
	must(s.t, a.Load(s.t.Context()))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, unusedListener(s.t)) }()
	s.end = func() {
		stop()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
		must(s.t, client.Close())
	}
	routes := a.Routes()
	s.front.Store(&routes)
}

// config returns the configuration of a server with a database at a path.
func config(path string, pusher realtime.Config, subscriptions realtime.SubscriptionsConfig) app.Config {
	return app.Config{
		MaxSockets: 10_000, ActivityTimeout: 30 * time.Second,
		Database: database.Config{URL: "sqlite:" + path},
		Auth:     auth.Config{SignInsPerAddress: 10, SignInsPerAccount: 5, SignUpsPerAddress: 10},
		Pusher:   pusher, Subscriptions: subscriptions,
		Web: web.Settings{Playground: "off"},
	}
}

// unusedListener returns a listener for a server whose handler is called directly.
func unusedListener(t *testing.T) net.Listener {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	return listener
}

// stop ends the current run with a shutdown. start begins another one on the same database.
func (s *server) stop() {
	s.front.Store(nil)
	s.end()
	s.end = func() {}
}

// crash ends the current run. From now on none of its calls succeeds, and start uses the database as it is now.
func (s *server) crash() {
	s.t.Helper()
	s.gate.on(func(*http.Request, []sent) (int, error) { return 0, errors.New("crashed") })
	left := filepath.Join(s.t.TempDir(), "left.db")
	db, err := sql.Open("sqlite3", "file:"+s.path+"?_busy_timeout=5000")
	must(s.t, err)
	_, err = db.ExecContext(s.t.Context(), "VACUUM INTO ?", left)
	must(s.t, err)
	must(s.t, db.Close())
	s.stop()
	s.path = left
	s.gate.on(nil)
}

// gate is the transport to Pusher's HTTP API. It records the calls, and its rule can answer them or make them fail.
type gate struct {
	// mu guards the fields below.
	mu    sync.Mutex
	next  http.RoundTripper
	rule  func(r *http.Request, events []sent) (status int, err error)
	reply func(r *http.Request) *http.Response
	calls []call
}

// carry sets the transport of the calls that pass.
func (g *gate) carry(next http.RoundTripper) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next = next
}

// answer sets a function that answers instead of Pusher. A call passes if it returns nil. All calls pass if reply is
// nil.
func (g *gate) answer(reply func(r *http.Request) *http.Response) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reply = reply
}

// on sets the rule, which may wait. A call passes if it returns 0, and else gets this status. All calls pass if rule is
// nil.
func (g *gate) on(rule func(r *http.Request, events []sent) (status int, err error)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rule = rule
}

func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	c := call{path: r.URL.Path}
	if len(body) > 0 {
		var batch struct {
			sent
			Batch []sent
		}
		if err := json.Unmarshal(body, &batch); err != nil {
			return nil, err
		}
		if c.events = batch.Batch; batch.Batch == nil {
			c.events = []sent{batch.sent}
		}
	}
	g.mu.Lock()
	rule, reply, next := g.rule, g.reply, g.next
	g.mu.Unlock()
	if reply != nil {
		if response := reply(r); response != nil {
			return response, nil
		}
	}
	if rule != nil {
		status, err := rule(r, c.events)
		if err != nil {
			return nil, err
		}
		if status != 0 {
			g.note(c, status)
			words := io.NopCloser(strings.NewReader(wordsOf[status]))
			return &http.Response{StatusCode: status, Header: http.Header{}, Body: words, Request: r}, nil
		}
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	response, err := next.RoundTrip(r)
	if err == nil {
		g.note(c, response.StatusCode)
	}
	return response, err
}

// wordsOf are the texts of Pusher with a status.
var wordsOf = map[int]string{
	http.StatusBadRequest:            `{"error":"channel is not valid"}`,
	http.StatusRequestEntityTooLarge: "The data content of this event exceeds the allowed maximum (10240 bytes).",
	http.StatusUnauthorized:          "Unknown auth_key",
	http.StatusForbidden:             "Account is over its daily message quota",
}

func (g *gate) note(c call, status int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c.status = status
	g.calls = append(g.calls, c)
}

// person is an account with a session.
type person struct {
	id, session int
	token       string
	lasts       time.Duration // of a quietServer's session; 0: a day
}

// nobody is a client that is not signed in.
var nobody = person{}

// person makes an account with a session. Its address is the name at example.com.
func (s *server) person(name string) person {
	s.t.Helper()
	account, err := s.client.User.Create().SetName(name).SetEmail(strings.ToLower(name) + "@example.com").SetPasswordHash("none").
		Save(s.system())
	must(s.t, err)
	return s.session(person{id: account.ID}, 30*24*time.Hour)
}

// session begins another session of a person. It expires after lasts.
func (s *server) session(p person, lasts time.Duration) person {
	s.t.Helper()
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	p.token = base64.RawURLEncoding.EncodeToString(secret)
	hash := sha256.Sum256([]byte(p.token))
	row, err := s.client.Session.Create().SetUserID(p.id).SetTokenHash(hash[:]).SetExpiresAt(time.Now().UTC().Add(lasts)).Save(s.system())
	must(s.t, err)
	p.session = row.ID
	return p
}

// system returns a context that may read and write all rows.
func (s *server) system() context.Context { return auth.AsSystem(s.t.Context()) }

// answer is the answer to an HTTP request.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   string
}

// send makes a request. header has pairs of a name and a value.
func (s *server) send(p person, method, path, body string, header ...string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	must(s.t, err)
	if p.token != "" {
		r.Header.Set("Authorization", "Bearer "+p.token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := s.http.Do(r)
	must(s.t, err)
	text, err := io.ReadAll(response.Body)
	must(s.t, err)
	must(s.t, response.Body.Close())
	return answer{t: s.t, status: response.StatusCode, header: response.Header, body: string(text)}
}

// execute sends a GraphQL operation over POST.
func (s *server) execute(p person, query string, variables map[string]any) answer {
	s.t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	must(s.t, err)
	return s.send(p, http.MethodPost, "/graphql", string(body), "Content-Type", "application/json")
}

// into decodes the data of a GraphQL answer. It fails the test if the answer has errors.
func (a answer) into(v any) {
	a.t.Helper()
	var result struct {
		Data   json.RawMessage
		Errors json.RawMessage
	}
	must(a.t, json.Unmarshal([]byte(a.body), &result))
	if a.status != http.StatusOK || result.Errors != nil {
		a.t.Fatalf("got %d %s", a.status, a.body)
	}
	must(a.t, json.Unmarshal(result.Data, v))
}

// channel returns the channel of a new subscription. It is empty if the answer has none.
func (a answer) channel() string { return a.header.Get("X-Subscription-ID") }

// subscribe registers a subscription and returns its channel.
func (s *server) subscribe(p person, document string) string {
	s.t.Helper()
	a := s.execute(p, document, nil)
	if a.status != http.StatusOK || a.channel() == "" {
		s.t.Fatalf("got %d %s, want a channel", a.status, a.body)
	}
	return a.channel()
}

// publish adds an item to a person's knowledge, which notifies everybody, and returns its id.
func (s *server) publish(p person, title string) (id string) {
	s.t.Helper()
	var data struct {
		CreateKnowledge struct{ Knowledge struct{ ID string } }
	}
	s.execute(p, `mutation ($title: String!) { createKnowledge(input: {title: $title, content: "all of it"}) { knowledge { id } } }`,
		map[string]any{"title": title}).into(&data)
	return data.CreateKnowledge.Knowledge.ID
}

// ask sends a request from one person to another, and returns its id.
func (s *server) ask(asker, owner person, question string) (id string) {
	s.t.Helper()
	var data struct {
		CreateKnowledgeRequest struct{ KnowledgeRequest struct{ ID string } }
	}
	s.execute(asker, `mutation ($owner: ID!, $question: String!) {
		createKnowledgeRequest(input: {ownerId: $owner, question: $question}) { knowledgeRequest { id } }
	}`, map[string]any{"owner": fmt.Sprint(owner.id), "question": question}).into(&data)
	return data.CreateKnowledgeRequest.KnowledgeRequest.ID
}

// row returns the row of a subscription.
func (s *server) row(channel string) *ent.StoredSubscription {
	s.t.Helper()
	row, err := s.client.StoredSubscription.Query().Where(storedsubscription.Channel(channel)).Only(s.system())
	must(s.t, err)
	return row
}

// eventually waits until holds returns true. It fails the test after patience.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	late := time.After(patience)
	for !holds() {
		select {
		case <-ticker.C:
		case <-late:
			t.Fatalf("in vain waited for this: %s", what)
		}
	}
}
