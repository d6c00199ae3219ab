package realtime_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"lorebridge/app"
	"lorebridge/auth"
	"lorebridge/bridge"
	"lorebridge/database"
	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/storedsubscription"
	"lorebridge/graph"
	"lorebridge/outbox"
	"lorebridge/pusherapi"
	"lorebridge/pusherserver"
	"lorebridge/realtime"
)

// quietServer is a server without a network: requests are function calls, and the test reports which clients join a
// channel. In a bubble of synctest it is known when all goroutines wait, and hours pass at once.
type quietServer struct {
	t             testing.TB
	options       quietOptions
	gate          *gate
	path          string
	client        *ent.Client
	events        *outbox.Log
	relay         *outbox.Relay
	sessions      realtime.Sessions
	subscriptions *realtime.Subscriptions
	api           *graph.Handler
	stop          func() // with a shutdown; start begins another run on the same database

	begun int // sessions

	mu     sync.Mutex
	joined map[string]struct{} // channels
}

// quietOptions are the settings of a quietServer that a test changes before it starts.
type quietOptions struct {
	pusher        realtime.Config
	subscriptions realtime.SubscriptionsConfig
	// executor wraps the executor of stored operations; nil: it is not wrapped.
	executor func(graphql.GraphExecutor) graphql.GraphExecutor
	log      slog.Handler  // nil: all records are discarded
	direct   bool          // calls of Pusher's HTTP API do not go through the gate
	sessions time.Duration // how long they last; 0: a day
}

// elsewhere configures a remote Pusher.
func elsewhere(p *quietOptions) { p.pusher.Host, p.pusher.Scheme = "pusher.test", "http" }

// encrypting turns encryption on.
func encrypting(p *quietOptions) { p.pusher.MasterKey = masterKey }

// newQuietServer starts a quietServer that stops at the end of the test.
func newQuietServer(t testing.TB, change ...func(*quietOptions)) *quietServer {
	t.Helper()
	q := &quietServer{t: t, gate: &gate{}, joined: make(map[string]struct{}), path: filepath.Join(t.TempDir(), "lorebridge.db"), options: quietOptions{
		pusher: ourPusher(),
		subscriptions: realtime.SubscriptionsConfig{
			PerPerson: 100_000, Grace: time.Minute, Lifetime: 24 * time.Hour, Sweep: time.Minute,
			Oversize: bridge.OversizeError, PayloadLimit: pusherapi.DefaultPayloadLimit,
		},
	}}
	for _, change := range change {
		change(&q.options)
	}
	q.start()
	t.Cleanup(func() { q.stop() })
	return q
}

// start begins a run of all loops that need no network.
func (q *quietServer) start() {
	q.t.Helper()
	handler := q.options.log
	if handler == nil {
		handler = slog.DiscardHandler
	}
	log := slog.New(handler)
	c := config(q.path, q.options.pusher, q.options.subscriptions)
	c.Graph = graph.Settings{RequestsPerMinute: 10_000_000}
	client, health, err := database.OpenWatched(q.t.Context(), c.Database, log)
	must(q.t, err)
	q.client = client
	a, err := app.New(q.t.Context(), c, app.Deps{Client: client, Health: health, Logger: log, Seams: app.Seams{
		Drain: 100 * time.Millisecond, Transport: q.carry, Executor: q.options.executor,
		Realtime: func(context.Context, int) (*graph.Realtime, error) { return nil, nil },
	}})
	must(q.t, err)
	q.events, q.relay, q.sessions, q.subscriptions, q.api = a.Log, a.Relay, realtime.NewSessions(a.Subscriptions.Bridge), a.Subscriptions, a.GraphQL
	must(q.t, a.Load(q.t.Context()))
	stopAccounts, stopRelay, stopSubscriptions := q.run(a.Accounts), q.run(q.relay), q.run(q.subscriptions)
	q.stop = func() {
		q.stop = func() {}
		q.api.Close()
		stopAccounts()
		stopRelay()
		stopSubscriptions()
		must(q.t, client.Close())
	}
}

// carry returns the transport to Pusher. The server has no sockets, so occupied answers questions about channels.
func (q *quietServer) carry(server http.RoundTripper) http.RoundTripper {
	if server == nil {
		apart, err := pusherserver.New(pusherserver.Config{
			Apps:              []pusherserver.App{{ID: appID, Key: key, Secret: secret}},
			MaxEventDataBytes: max(pusherserver.DefaultMaxEventDataBytes, q.options.subscriptions.PayloadLimit),
		})
		must(q.t, err)
		server = apart.RoundTripper()
	}
	if q.options.direct {
		return server
	}
	q.gate.carry(carrier(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodGet {
			return q.occupied(r)
		}
		return server.RoundTrip(r)
	}))
	return q.gate
}

// run starts a loop. The function that it returns stops the loop and waits for its end.
func (q *quietServer) run(part interface{ Run(context.Context) error }) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- part.Run(ctx) }()
	return func() {
		cancel()
		must(q.t, <-ended)
	}
}

// occupied answers with the list of occupied channels, or with the state of one. A channel is occupied if the test has
// joined it.
func (q *quietServer) occupied(r *http.Request) (*http.Response, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	answer := map[string]any{"channels": q.joined}
	if _, channel, one := strings.Cut(r.URL.Path, "/channels/"); one {
		_, occupied := q.joined[channel]
		answer = map[string]any{"occupied": occupied}
	}
	body, err := json.Marshal(answer)
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, err
}

// viewer returns the viewer of the person's session.
func (p person) viewer() auth.Viewer {
	return auth.Viewer{UserID: p.id, SessionID: p.session, ExpiresAt: time.Now().Add(cmp.Or(p.lasts, 24*time.Hour))}
}

// person makes an account with a session.
func (q *quietServer) person(name string) person {
	q.t.Helper()
	account, err := q.client.User.Create().SetName(name).SetEmail(strings.ToLower(name) + "@example.com").SetPasswordHash("none").Save(q.system())
	must(q.t, err)
	return q.session(person{id: account.ID})
}

// people makes n accounts.
func (q *quietServer) people(n int) []person {
	q.t.Helper()
	all := make([]person, n)
	for i := range all {
		all[i] = q.person(fmt.Sprintf("Person%d", i))
	}
	return all
}

// session begins another session of a person.
func (q *quietServer) session(p person) person {
	q.t.Helper()
	q.begun++
	p.token, p.lasts = fmt.Sprintf("%032d", q.begun), q.options.sessions
	row, err := q.client.Session.Create().SetUserID(p.id).SetTokenHash([]byte(p.token)).SetExpiresAt(p.viewer().ExpiresAt.UTC()).Save(q.system())
	must(q.t, err)
	p.session = row.ID
	return p
}

// rows returns how many subscriptions are in the database.
func (q *quietServer) rows() int {
	q.t.Helper()
	n, err := q.client.StoredSubscription.Query().Count(q.system())
	must(q.t, err)
	return n
}

// system returns a context that may read and write all rows.
func (q *quietServer) system() context.Context { return auth.AsSystem(q.t.Context()) }

// reply is the answer to an operation.
type reply struct {
	t      testing.TB
	body   string
	header http.Header
	Data   json.RawMessage
	Errors []struct {
		Message    string
		Extensions map[string]any
	}
	Extensions map[string]any
}

// channel returns the channel of a new subscription. It is empty if the answer has none.
func (r reply) channel() string { return r.header.Get("X-Subscription-ID") }

// into reads the data of an answer without errors.
func (r reply) into(v any) {
	r.t.Helper()
	if len(r.Errors) > 0 {
		r.t.Fatal(r.body)
	}
	must(r.t, json.Unmarshal(r.Data, v))
}

// code returns the code of the first error, followed by a colon and its field if the error names one.
func (r reply) code() string {
	if len(r.Errors) == 0 {
		return ""
	}
	code := fmt.Sprint(r.Errors[0].Extensions["code"])
	if field, ok := r.Errors[0].Extensions["field"]; ok {
		code += fmt.Sprint(":", field)
	}
	return code
}

// execute sends an operation. As nobody it is sent signed out. header has pairs of a name and a value.
func (q *quietServer) execute(p person, query string, variables map[string]any, header ...string) reply {
	q.t.Helper()
	return q.send(p, map[string]any{"query": query, "variables": variables}, header...)
}

func (q *quietServer) send(p person, request map[string]any, header ...string) reply {
	q.t.Helper()
	body, err := json.Marshal(request)
	must(q.t, err)
	ctx, answered := context.WithCancel(q.t.Context()) // ends with the request, as in net/http
	defer answered()
	switch {
	case p.id == -1: // the neutral viewer, with which shared selections are executed
		ctx = auth.NewContext(ctx, auth.Viewer{})
	case p.id != 0:
		ctx = auth.NewContext(ctx, p.viewer())
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/graphql", strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	q.api.ServeHTTP(w, r)
	got := reply{t: q.t, body: w.Body.String(), header: w.Header()}
	must(q.t, json.Unmarshal(w.Body.Bytes(), &got))
	return got
}

// subscribe registers a subscription and returns its channel.
func (q *quietServer) subscribe(p person, document string, header ...string) string {
	q.t.Helper()
	a := q.execute(p, document, nil, header...)
	if a.channel() == "" || len(a.Errors) > 0 {
		q.t.Fatalf("got %s, want a channel", a.body)
	}
	return a.channel()
}

// subscribeAndJoin subscribes a person, and joins the channel as a client of graphql-ruby.
func (q *quietServer) subscribeAndJoin(p person, document string) string {
	q.t.Helper()
	channel := q.subscribe(p, document)
	q.join(p, channel, bridge.ProtocolGraphqlRuby)
	return channel
}

// join authorizes a client, as one of graphql-ruby unless hint is another protocol, and joins the channel.
func (q *quietServer) join(p person, channel string, hint bridge.Protocol) {
	q.t.Helper()
	must(q.t, q.subscriptions.Authorize(q.t.Context(), channel, p.known(), cmp.Or(hint, bridge.ProtocolGraphqlRuby)))
	q.mu.Lock()
	q.joined[channel] = struct{}{}
	q.mu.Unlock()
	q.subscriptions.Changed(bridge.Change{Channel: channel, Joined: true, Listeners: 1, Heard: time.Now()})
}

// known returns the person's viewer in bridge's form.
func (p person) known() bridge.Viewer {
	v := p.viewer()
	return bridge.Viewer{User: strconv.Itoa(v.UserID), Session: strconv.Itoa(v.SessionID), ExpiresAt: v.ExpiresAt}
}

// publish adds an item to a person's knowledge, which notifies everybody, and returns its id.
func (q *quietServer) publish(p person, title, content string) (id string) {
	q.t.Helper()
	var data struct {
		CreateKnowledge struct{ Knowledge struct{ ID string } }
	}
	q.execute(p, `mutation ($title: String!, $content: String!) { createKnowledge(input: {title: $title, content: $content}) { knowledge { id } } }`,
		map[string]any{"title": title, "content": content}).into(&data)
	return data.CreateKnowledge.Knowledge.ID
}

// ask sends a request from one person to another, and returns its id.
func (q *quietServer) ask(asker, owner person, question string) (id string) {
	q.t.Helper()
	var data struct {
		CreateKnowledgeRequest struct{ KnowledgeRequest struct{ ID string } }
	}
	q.execute(asker, `mutation ($owner: ID!, $question: String!) {
		createKnowledgeRequest(input: {ownerId: $owner, question: $question}) { knowledgeRequest { id } }
	}`, map[string]any{"owner": fmt.Sprint(owner.id), "question": question}).into(&data)
	return data.CreateKnowledgeRequest.KnowledgeRequest.ID
}

// respond answers a request.
func (q *quietServer) respond(owner person, request, status string) {
	q.t.Helper()
	q.execute(owner, `mutation ($id: ID!, $status: KnowledgeResponse!) {
		respondToRequest(input: {requestId: $id, status: $status}) { knowledgeRequest { id } }
	}`, map[string]any{"id": request, "status": status}).into(&struct{}{})
}

// row returns the row of a subscription, after the state in memory was written.
func (q *quietServer) row(channel string) *ent.StoredSubscription {
	q.t.Helper()
	q.wait(6 * time.Second)
	row, err := q.client.StoredSubscription.Query().Where(storedsubscription.Channel(channel)).Only(q.system())
	must(q.t, err)
	return row
}

// idOf returns the id of a subscription.
func (q *quietServer) idOf(channel string) int {
	q.t.Helper()
	id, err := q.client.StoredSubscription.Query().Where(storedsubscription.Channel(channel)).OnlyID(q.system())
	must(q.t, err)
	return id
}

// wait lets time pass, and waits for the work that begins meanwhile.
func (q *quietServer) wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// newCalls returns the calls with events of subscriptions since it was last called.
func (q *quietServer) newCalls() []call {
	synctest.Wait()
	q.gate.mu.Lock()
	defer q.gate.mu.Unlock()
	calls := slices.DeleteFunc(q.gate.calls, func(c call) bool {
		c.events = slices.DeleteFunc(c.events, func(e sent) bool { return strings.Contains(strings.Join(append(e.Channels, e.Channel), " "), "-user-") })
		return len(c.events) == 0
	})
	q.gate.calls = nil
	return calls
}

// sentTo returns the events in these calls that Pusher accepted for a channel, in order.
func sentTo(calls []call, channel string) (events []sent) {
	for _, c := range calls {
		for _, e := range c.events {
			if c.status == http.StatusOK && (e.Channel == channel || slices.Contains(e.Channels, channel)) {
				events = append(events, e)
			}
		}
	}
	return events
}

// bridgeEvent returns a row in bridge's form, and its topics.
func bridgeEvent(e *ent.Event, answered <-chan struct{}) (*bridge.Event, []bridge.Topic) {
	var topics []bridge.Topic
	for _, t := range outbox.TopicsOf(e) {
		topics = append(topics, bridge.Topic(t.String()))
	}
	return &bridge.Event{Seq: bridge.Seq(e.ID), At: e.CreatedAt, Value: e, Answered: answered}, topics
}

// deliver passes a row to the stored subscriptions.
func (q *quietServer) deliver(row *ent.Event, answered <-chan struct{}, done func()) {
	e, topics := bridgeEvent(row, answered)
	q.subscriptions.Publish(e, done, topics...)
}

// emit passes a row to the streams.
func (q *quietServer) emit(row *ent.Event) {
	e, topics := bridgeEvent(row, nil)
	q.subscriptions.Stream(e, topics...)
}

// newest orders events by descending id.
var newest = ent.Desc(event.FieldID)
