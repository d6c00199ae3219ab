package bridge_test

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
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lorebridge/auth"
	"lorebridge/bridge"
	"lorebridge/database"
	"lorebridge/ent"
	"lorebridge/ent/subscriber"
	"lorebridge/graph"
	"lorebridge/outbox"
	"lorebridge/pusherserver"
)

// installation is the server's in all tests.
var installation = auth.Installation{ID: "0123456789abcdef"}

// plan is what a test changes of a house before it is built.
type plan struct {
	pusher        bridge.Config
	subscriptions bridge.SubscriptionsConfig
	// elsewhere has Pusher run apart and be reached over HTTP. It outlives restarts. With webhooks it tells what its channels do.
	elsewhere, webhooks bool
	sockets             func(*pusherserver.Config)  // nil: as it comes
	sessionSweep        time.Duration               // 0: as it comes
	realtime            func(context.Context) error // nil: there is none
	listener            auth.Listener               // of the ends of sessions, after all others; nil: none
	client              func(*ent.Client)           // hooks and interceptors, before anything runs
}

// house is the server as server.go joins it, behind a listener that outlives restarts.
type house struct {
	t    *testing.T
	plan plan
	gate *gate // every call of Pusher's HTTP API goes through it
	url  string
	// pusher is where browsers connect.
	pusher string
	http   *http.Client
	front  atomic.Pointer[http.ServeMux] // nil while the house is down
	path   string                        // of the database

	// These are of the present run.
	client        *ent.Client
	accounts      *auth.Accounts
	events        *outbox.Log
	relay         *outbox.Relay
	bridge        *bridge.Bridge
	subscriptions *bridge.Subscriptions
	api           *graph.Handler
	parts         []func() // what stops it, in this order
}

// administrator is the address of whoever sees and ends all subscriptions.
const administrator = "root@example.com"

// build starts a house that ends with the test.
func build(t *testing.T, change ...func(*plan)) *house {
	t.Helper()
	h := &house{t: t, gate: &gate{}, path: filepath.Join(t.TempDir(), "lorebridge.db"), plan: plan{
		pusher: app(),
		subscriptions: bridge.SubscriptionsConfig{
			PerPerson: 100, Grace: time.Minute, Lifetime: 24 * time.Hour, Sweep: time.Minute,
			Oversize: bridge.OversizeError, PayloadLimit: bridge.DefaultPayloadLimit,
		},
	}}
	for _, change := range change {
		change(&h.plan)
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if mux := h.front.Load(); mux != nil {
			mux.ServeHTTP(w, r)
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
	server := httptest.NewServer(sockets(h.t, func(c *pusherserver.Config) {
		if h.plan.webhooks {
			c.Apps[0].Webhooks = []pusherserver.Webhook{{URL: h.url + "/pusher/webhooks"}}
			c.VacatedDelay, c.WebhookDelay = 50*time.Millisecond, time.Millisecond
		}
		if h.plan.sockets != nil {
			h.plan.sockets(c)
		}
	}))
	h.t.Cleanup(server.Close)
	h.pusher = server.URL
	h.gate.next = server.Client().Transport
	address, err := url.Parse(server.URL)
	must(h.t, err)
	h.plan.pusher.Host, h.plan.pusher.Scheme = address.Host, address.Scheme
}

// start joins the parts and runs them.
func (h *house) start() {
	h.t.Helper()
	log := slog.New(slog.NewTextHandler(h.t.Output(), nil))
	var err error
	h.client, err = database.Open(h.t.Context(), database.Config{URL: "sqlite:" + h.path})
	must(h.t, err)
	if h.plan.client != nil {
		h.plan.client(h.client)
	}
	h.accounts, err = auth.NewAccounts(auth.Config{SignInsPerAddress: 10, SignInsPerAccount: 5, SignUpsPerAddress: 10},
		auth.Parts{Client: h.client, Logger: log, Sweep: h.plan.sessionSweep})
	must(h.t, err)
	identify, err := auth.Middleware(h.accounts, installation, auth.Config{})
	must(h.t, err)
	mux := http.NewServeMux()
	parts := bridge.Parts{Sessions: h.accounts, Logger: log, Transport: h.gate}
	var server *pusherserver.Server
	if h.plan.pusher.Embedded() {
		server = h.embed(log)
		parts.Sockets = server
		h.gate.mu.Lock()
		h.gate.next = server.RoundTripper()
		h.gate.mu.Unlock()
		mux.Handle("/app/", server)
		mux.Handle("/apps/", server)
	}
	h.bridge, err = bridge.New(h.plan.pusher, parts)
	must(h.t, err)
	h.accounts.Listen(h.bridge)
	if h.plan.listener != nil {
		h.accounts.Listen(h.plan.listener)
	}
	h.events, err = outbox.New(h.t.Context(), outbox.Config{Client: h.client, Logger: log})
	must(h.t, err)
	h.subscriptions, err = bridge.NewSubscriptions(h.plan.subscriptions, h.bridge,
		bridge.SubscriptionsParts{Client: h.client, Log: h.events, Logger: log})
	must(h.t, err)
	h.relay, err = outbox.NewRelay(outbox.RelayConfig{Log: h.events, Sender: h.bridge, Logger: log, Drain: 100 * time.Millisecond})
	must(h.t, err)
	h.api, err = graph.NewHandler(graph.Settings{RequestsPerMinute: 1_000_000, Administrators: []string{administrator}}, graph.Parts{
		Client: h.client, WithTx: h.events.WithTx, Accounts: h.accounts, Logger: log, Subscriptions: h.subscriptions,
		Realtime: func(ctx context.Context, _ int) (*graph.Realtime, error) {
			if h.plan.realtime == nil {
				return nil, nil
			}
			return &graph.Realtime{Key: key, Channel: "late"}, h.plan.realtime(ctx)
		},
	})
	must(h.t, err)
	must(h.t, h.subscriptions.Load(h.t.Context(), h.api.Executor))
	mux.Handle("/graphql", identify(h.api))
	mux.Handle("/graphql/subscriptions/result", identify(http.HandlerFunc(h.subscriptions.ServeResult)))
	mux.Handle("/pusher/auth", identify(h.bridge))
	mux.Handle("/graphql/subscriptions/auth", identify(h.bridge))
	mux.HandleFunc("/pusher/webhooks", h.subscriptions.ServeWebhook)
	h.parts = []func(){h.api.Close, h.run(h.accounts), h.run(h.relay), h.run(h.subscriptions)}
	if server != nil {
		h.parts = append(h.parts, h.run(server))
	}
	h.parts = append(h.parts, func() { must(h.t, h.client.Close()) })
	h.front.Store(mux)
}

// embed makes a Pusher in the same process.
func (h *house) embed(log *slog.Logger) *pusherserver.Server {
	h.t.Helper()
	c := pusherserver.Config{
		Apps: []pusherserver.App{{ID: appID, Key: key, Secret: secret}}, Logger: log,
		OnSubscription: func(s pusherserver.SubscriptionChange) {
			h.subscriptions.Changed(bridge.Change{
				Channel: s.Channel, Joined: s.Joined, Listeners: s.Subscribers, Unsubscribed: s.Unsubscribed, Heard: s.Heard,
			})
		},
	}
	if h.plan.sockets != nil {
		h.plan.sockets(&c)
	}
	server, err := pusherserver.New(c)
	must(h.t, err)
	return server
}

// run runs a part and returns what stops it and waits for its end.
func (h *house) run(part interface{ Run(context.Context) error }) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- part.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			h.t.Error(err)
		}
	}
}

// stop ends the present run in good order. start begins another one on the same database.
func (h *house) stop() {
	h.front.Store(nil)
	for _, stop := range h.parts {
		stop()
	}
	h.parts = nil
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
func (h *house) row(channel string) *ent.Subscriber {
	h.t.Helper()
	row, err := h.client.Subscriber.Query().Where(subscriber.Channel(channel)).Only(h.system())
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
