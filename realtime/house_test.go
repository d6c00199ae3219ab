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

// plan is what a test changes of a house before it is built.
type plan struct {
	pusher        realtime.Config
	subscriptions realtime.SubscriptionsConfig
	// elsewhere has Pusher run apart and be reached over HTTP. It outlives restarts. With webhooks it tells what its
	// channels do.
	elsewhere, webhooks bool
	sockets             func(*pusherserver.Config)  // nil: as it comes
	sessionSweep        time.Duration               // 0: as it comes
	realtime            func(context.Context) error // nil: there is none
	listener            auth.Listener               // of the ends of sessions, after all others; nil: none
	executor            func(graphql.GraphExecutor) graphql.GraphExecutor
	client              func(*ent.Client) // hooks and interceptors, before anything runs
}

// house is a server behind a listener that outlives restarts.
type house struct {
	t    *testing.T
	plan plan
	gate *gate // every call of Pusher's HTTP API goes through it
	url  string
	// pusher is where browsers connect.
	pusher string
	http   *http.Client
	front  atomic.Pointer[http.Handler] // nil while the house is down
	path   string                       // of the database

	// These are of the present run.
	client        *ent.Client
	accounts      *auth.Accounts
	events        *outbox.Log
	relay         *outbox.Relay
	subscriptions *realtime.Subscriptions
	api           *graph.Handler
	end           func()
}

// administrator is the address of whoever sees and ends all subscriptions.
const administrator = "root@example.com"

// build starts a house that ends with the test.
func build(t *testing.T, change ...func(*plan)) *house {
	t.Helper()
	h := &house{t: t, gate: &gate{}, path: filepath.Join(t.TempDir(), "lorebridge.db"), plan: plan{
		pusher: ourPusher(),
		subscriptions: realtime.SubscriptionsConfig{
			PerPerson: 100, Grace: time.Minute, Lifetime: 24 * time.Hour, Sweep: time.Minute,
			Oversize: bridge.OversizeError, PayloadLimit: pusherapi.DefaultPayloadLimit,
		},
	}}
	for _, change := range change {
		change(&h.plan)
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if routes := h.front.Load(); routes != nil {
			(*routes).ServeHTTP(w, r)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(front.Close)
	h.url, h.pusher, h.http = front.URL, front.URL, front.Client()
	if h.plan.elsewhere {
		h.buildPusher()
	}
	h.start()
	t.Cleanup(h.stop)
	return h
}

// buildPusher starts a Pusher apart.
func (h *house) buildPusher() {
	server := sockets(h.t, func(c *pusherserver.Config) {
		if h.plan.webhooks {
			c.Apps[0].Webhooks = []pusherserver.Webhook{{URL: h.url + "/pusher/webhooks"}}
			c.VacatedDelay, c.WebhookDelay = 50*time.Millisecond, time.Millisecond
		}
		if h.plan.sockets != nil {
			h.plan.sockets(c)
		}
	})
	h.pusher = server.URL
	transport := &http.Transport{}
	h.t.Cleanup(transport.CloseIdleConnections)
	h.gate.next = transport
	h.plan.pusher.Host, h.plan.pusher.Scheme = server.Host(), "http"
}

// start joins the rooms and runs them.
func (h *house) start() {
	h.t.Helper()
	log := slog.New(slog.NewTextHandler(h.t.Output(), nil))
	c := config(h.path, h.plan.pusher, h.plan.subscriptions)
	c.Graph = graph.Settings{RequestsPerMinute: 1_000_000, Administrators: []string{administrator}}
	client, health, err := database.OpenWatched(h.t.Context(), c.Database, log)
	must(h.t, err)
	h.client = client
	if h.plan.client != nil {
		h.plan.client(client)
	}
	a, err := app.New(h.t.Context(), c, app.Deps{Client: client, Health: health, Logger: log, Seams: app.Seams{
		Sweep: h.plan.sessionSweep, Drain: 100 * time.Millisecond, Sockets: h.plan.sockets, Executor: h.plan.executor,
		Transport: func(embedded http.RoundTripper) http.RoundTripper {
			if embedded != nil {
				h.gate.carry(embedded)
			}
			return h.gate
		},
		Realtime: func(ctx context.Context, _ int) (*graph.Realtime, error) {
			if h.plan.realtime == nil {
				return nil, nil
			}
			return &graph.Realtime{Key: key, Channel: "late"}, h.plan.realtime(ctx)
		},
	}})
	must(h.t, err)
	if h.plan.listener != nil {
		a.Accounts.Listen(h.plan.listener)
	}
	h.accounts, h.events, h.relay, h.subscriptions, h.api = a.Accounts, a.Log, a.Relay, a.Subscriptions, a.GraphQL
	must(h.t, a.Load(h.t.Context()))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, nobodyCalls(h.t)) }()
	h.end = func() {
		stop()
		if err := <-ended; err != nil {
			h.t.Error(err)
		}
		must(h.t, client.Close())
	}
	routes := a.Routes()
	h.front.Store(&routes)
}

// config is that of a server with a database at a path.
func config(path string, pusher realtime.Config, subscriptions realtime.SubscriptionsConfig) app.Config {
	return app.Config{
		MaxSockets: 10_000, ActivityTimeout: 30 * time.Second,
		Database: database.Config{URL: "sqlite:" + path},
		Auth:     auth.Config{SignInsPerAddress: 10, SignInsPerAccount: 5, SignUpsPerAddress: 10},
		Pusher:   pusher, Subscriptions: subscriptions,
		Web: web.Settings{Playground: "off"},
	}
}

// nobodyCalls is a listener for a server that is reached in another way.
func nobodyCalls(t *testing.T) net.Listener {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	return listener
}

// stop ends the present run in good order. start begins another one on the same database.
func (h *house) stop() {
	h.front.Store(nil)
	h.end()
	h.end = func() {}
}

// crash ends the present run at once: nothing leaves it any more, and start goes on from what the database holds now.
func (h *house) crash() {
	h.t.Helper()
	h.gate.on(func(*http.Request, []sent) (int, error) { return 0, errors.New("crashed") })
	left := filepath.Join(h.t.TempDir(), "left.db")
	db, err := sql.Open("sqlite3", "file:"+h.path+"?_busy_timeout=5000")
	must(h.t, err)
	_, err = db.ExecContext(h.t.Context(), "VACUUM INTO ?", left)
	must(h.t, err)
	must(h.t, db.Close())
	h.stop()
	h.path = left
	h.gate.on(nil)
}

// gate stands before Pusher's HTTP API. It notes what passes, and does with it what its rule says.
type gate struct {
	// mu guards what follows.
	mu    sync.Mutex
	next  http.RoundTripper
	rule  func(r *http.Request, events []sent) (status int, err error)
	reply func(r *http.Request) *http.Response
	calls []call
}

// carry sets what carries the calls on.
func (g *gate) carry(next http.RoundTripper) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next = next
}

// answer sets what is answered instead of Pusher; nil from it lets the call pass. Nil lets everything pass.
func (g *gate) answer(reply func(r *http.Request) *http.Response) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reply = reply
}

// on sets the rule, which may wait: 0 lets the call pass, anything else is the answer. Nil lets everything pass.
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

// wordsOf are what Pusher says with a status.
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

// person is somebody with an account, and the token of a session.
type person struct {
	id, session int
	token       string
	lasts       time.Duration // of a quiet house's session; 0: a day
}

// nobody is not signed in.
var nobody = person{}

// person makes an account with a session. Its address is the name at example.com.
func (h *house) person(name string) person {
	h.t.Helper()
	account, err := h.client.User.Create().SetName(name).SetEmail(strings.ToLower(name) + "@example.com").SetPasswordHash("none").
		Save(h.system())
	must(h.t, err)
	return h.session(person{id: account.ID}, 30*24*time.Hour)
}

// session begins another session of a person, which ends after a while.
func (h *house) session(p person, lasts time.Duration) person {
	h.t.Helper()
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	p.token = base64.RawURLEncoding.EncodeToString(secret)
	hash := sha256.Sum256([]byte(p.token))
	row, err := h.client.Session.Create().SetUserID(p.id).SetTokenHash(hash[:]).SetExpiresAt(time.Now().UTC().Add(lasts)).Save(h.system())
	must(h.t, err)
	p.session = row.ID
	return p
}

// system is a context that sees everything.
func (h *house) system() context.Context { return auth.AsSystem(h.t.Context()) }

// answer is what came over HTTP.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   string
}

// send makes a request. header holds pairs.
func (h *house) send(p person, method, path, body string, header ...string) answer {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(body))
	must(h.t, err)
	if p.token != "" {
		r.Header.Set("Authorization", "Bearer "+p.token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := h.http.Do(r)
	must(h.t, err)
	text, err := io.ReadAll(response.Body)
	must(h.t, err)
	must(h.t, response.Body.Close())
	return answer{t: h.t, status: response.StatusCode, header: response.Header, body: string(text)}
}

// post sends a GraphQL operation.
func (h *house) post(p person, query string, variables map[string]any) answer {
	h.t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	must(h.t, err)
	return h.send(p, http.MethodPost, "/graphql", string(body), "Content-Type", "application/json")
}

// into reads the data of a GraphQL answer without errors.
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

// channel is what a subscription was given, or empty.
func (a answer) channel() string { return a.header.Get("X-Subscription-ID") }

// subscribe registers a subscription and returns its channel.
func (h *house) subscribe(p person, document string) string {
	h.t.Helper()
	a := h.post(p, document, nil)
	if a.status != http.StatusOK || a.channel() == "" {
		h.t.Fatalf("got %d %s, want a channel", a.status, a.body)
	}
	return a.channel()
}

// publish adds an item to a person's knowledge, of which everybody is told, and returns its id.
func (h *house) publish(p person, title string) (id string) {
	h.t.Helper()
	var data struct {
		CreateKnowledge struct{ Knowledge struct{ ID string } }
	}
	h.post(p, `mutation ($title: String!) { createKnowledge(input: {title: $title, content: "all of it"}) { knowledge { id } } }`,
		map[string]any{"title": title}).into(&data)
	return data.CreateKnowledge.Knowledge.ID
}

// ask has one person ask another, who is told, and returns the request's id.
func (h *house) ask(asker, owner person, question string) (id string) {
	h.t.Helper()
	var data struct {
		CreateKnowledgeRequest struct{ KnowledgeRequest struct{ ID string } }
	}
	h.post(asker, `mutation ($owner: ID!, $question: String!) {
		createKnowledgeRequest(input: {ownerId: $owner, question: $question}) { knowledgeRequest { id } }
	}`, map[string]any{"owner": fmt.Sprint(owner.id), "question": question}).into(&data)
	return data.CreateKnowledgeRequest.KnowledgeRequest.ID
}

// row is what the database says of a subscription.
func (h *house) row(channel string) *ent.StoredSubscription {
	h.t.Helper()
	row, err := h.client.StoredSubscription.Query().Where(storedsubscription.Channel(channel)).Only(h.system())
	must(h.t, err)
	return row
}

// eventually waits for what happens at once when the code is right.
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
