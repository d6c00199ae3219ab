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

// quiet is a house without a network: requests are function calls, and whoever joins a channel is said to. In a
// bubble of synctest it is known when nothing is left to do, and hours pass at once.
type quiet struct {
	t             testing.TB
	plan          quietPlan
	gate          *gate
	path          string
	client        *ent.Client
	events        *outbox.Log
	relay         *outbox.Relay
	sessions      realtime.Sessions
	subscriptions *realtime.Subscriptions
	api           *graph.Handler
	stop          func() // in good order; start begins again on the same database

	begun int // sessions

	mu     sync.Mutex
	joined map[string]struct{} // channels
}

// quietPlan is what a test changes of a quiet house before it is built.
type quietPlan struct {
	pusher        realtime.Config
	subscriptions realtime.SubscriptionsConfig
	// executor stands before the one that runs stored operations; nil: nothing does.
	executor func(graphql.GraphExecutor) graphql.GraphExecutor
	log      slog.Handler  // nil: nowhere
	direct   bool          // calls of Pusher's HTTP API are not looked at
	sessions time.Duration // how long they last; 0: a day
}

// elsewhere has Pusher reached as over a network.
func elsewhere(p *quietPlan) { p.pusher.Host, p.pusher.Scheme = "pusher.test", "http" }

// encrypting turns encryption on.
func encrypting(p *quietPlan) { p.pusher.MasterKey = masterKey }

// newQuiet starts a quiet house that ends with the test.
func newQuiet(t testing.TB, change ...func(*quietPlan)) *quiet {
	t.Helper()
	q := &quiet{t: t, gate: &gate{}, joined: make(map[string]struct{}), path: filepath.Join(t.TempDir(), "lorebridge.db"), plan: quietPlan{
		pusher: ourPusher(),
		subscriptions: realtime.SubscriptionsConfig{
			PerPerson: 100_000, Grace: time.Minute, Lifetime: 24 * time.Hour, Sweep: time.Minute,
			Oversize: bridge.OversizeError, PayloadLimit: pusherapi.DefaultPayloadLimit,
		},
	}}
	for _, change := range change {
		change(&q.plan)
	}
	q.start()
	t.Cleanup(func() { q.stop() })
	return q
}

// start joins the rooms and runs those that need no network.
func (q *quiet) start() {
	q.t.Helper()
	handler := q.plan.log
	if handler == nil {
		handler = slog.DiscardHandler
	}
	log := slog.New(handler)
	c := config(q.path, q.plan.pusher, q.plan.subscriptions)
	c.Graph = graph.Settings{RequestsPerMinute: 10_000_000}
	client, health, err := database.OpenWatched(q.t.Context(), c.Database, log)
	must(q.t, err)
	q.client = client
	a, err := app.New(q.t.Context(), c, app.Deps{Client: client, Health: health, Logger: log, Seams: app.Seams{
		Drain: 100 * time.Millisecond, Transport: q.carry, Executor: q.plan.executor,
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

// carry is how Pusher is called: its server, and what it says of channels, which nobody has really joined.
func (q *quiet) carry(server http.RoundTripper) http.RoundTripper {
	if server == nil {
		apart, err := pusherserver.New(pusherserver.Config{
			Apps:              []pusherserver.App{{ID: appID, Key: key, Secret: secret}},
			MaxEventDataBytes: max(pusherserver.DefaultMaxEventDataBytes, q.plan.subscriptions.PayloadLimit),
		})
		must(q.t, err)
		server = apart.RoundTripper()
	}
	if q.plan.direct {
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

// run runs a part and returns what stops it and waits for its end.
func (q *quiet) run(part interface{ Run(context.Context) error }) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- part.Run(ctx) }()
	return func() {
		cancel()
		must(q.t, <-ended)
	}
}

// occupied answers what channels there are, or whether there is the one that is asked for: those whose clients were
// said to have joined.
func (q *quiet) occupied(r *http.Request) (*http.Response, error) {
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

// viewer is who asks with the person's session.
func (p person) viewer() auth.Viewer {
	return auth.Viewer{UserID: p.id, SessionID: p.session, ExpiresAt: time.Now().Add(cmp.Or(p.lasts, 24*time.Hour))}
}

// person makes an account with a session.
func (q *quiet) person(name string) person {
	q.t.Helper()
	account, err := q.client.User.Create().SetName(name).SetEmail(strings.ToLower(name) + "@example.com").SetPasswordHash("none").Save(q.system())
	must(q.t, err)
	return q.session(person{id: account.ID})
}

// people makes n accounts.
func (q *quiet) people(n int) []person {
	q.t.Helper()
	all := make([]person, n)
	for i := range all {
		all[i] = q.person(fmt.Sprintf("Person%d", i))
	}
	return all
}

// session begins another session of a person.
func (q *quiet) session(p person) person {
	q.t.Helper()
	q.begun++
	p.token, p.lasts = fmt.Sprintf("%032d", q.begun), q.plan.sessions
	row, err := q.client.Session.Create().SetUserID(p.id).SetTokenHash([]byte(p.token)).SetExpiresAt(p.viewer().ExpiresAt.UTC()).Save(q.system())
	must(q.t, err)
	p.session = row.ID
	return p
}

// rows is how many subscriptions the database knows.
func (q *quiet) rows() int {
	q.t.Helper()
	n, err := q.client.StoredSubscription.Query().Count(q.system())
	must(q.t, err)
	return n
}

// system is a context that sees everything.
func (q *quiet) system() context.Context { return auth.AsSystem(q.t.Context()) }

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

// channel is what a subscription was given, or empty.
func (r reply) channel() string { return r.header.Get("X-Subscription-ID") }

// into reads the data of an answer without errors.
func (r reply) into(v any) {
	r.t.Helper()
	if len(r.Errors) > 0 {
		r.t.Fatal(r.body)
	}
	must(r.t, json.Unmarshal(r.Data, v))
}

// code is that of the first error, with its field behind a colon if it names one.
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

// post sends an operation; nobody asks it signed out. header holds pairs.
func (q *quiet) post(p person, query string, variables map[string]any, header ...string) reply {
	q.t.Helper()
	return q.send(p, map[string]any{"query": query, "variables": variables}, header...)
}

func (q *quiet) send(p person, request map[string]any, header ...string) reply {
	q.t.Helper()
	body, err := json.Marshal(request)
	must(q.t, err)
	ctx, answered := context.WithCancel(q.t.Context()) // as net/http's requests end
	defer answered()
	switch {
	case p.id == -1: // the neutral viewer, as which subscriptions run what all share
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
func (q *quiet) subscribe(p person, document string, header ...string) string {
	q.t.Helper()
	a := q.post(p, document, nil, header...)
	if a.channel() == "" || len(a.Errors) > 0 {
		q.t.Fatalf("got %s, want a channel", a.body)
	}
	return a.channel()
}

// attend subscribes, and joins the channel with a client of graphql-ruby.
func (q *quiet) attend(p person, document string) string {
	q.t.Helper()
	channel := q.subscribe(p, document)
	q.join(p, channel, bridge.ProtocolGraphqlRuby)
	return channel
}

// join has a client join: granted its channel, where graphql-ruby's clients ask unless hint says otherwise, and then
// there.
func (q *quiet) join(p person, channel string, hint bridge.Protocol) {
	q.t.Helper()
	must(q.t, q.subscriptions.Authorize(q.t.Context(), channel, p.known(), cmp.Or(hint, bridge.ProtocolGraphqlRuby)))
	q.mu.Lock()
	q.joined[channel] = struct{}{}
	q.mu.Unlock()
	q.subscriptions.Changed(bridge.Change{Channel: channel, Joined: true, Listeners: 1, Heard: time.Now()})
}

// known is the person as bridge knows who is asking.
func (p person) known() bridge.Viewer {
	v := p.viewer()
	return bridge.Viewer{User: strconv.Itoa(v.UserID), Session: strconv.Itoa(v.SessionID), ExpiresAt: v.ExpiresAt}
}

// publish adds an item to a person's knowledge, of which everybody is told.
func (q *quiet) publish(p person, title, content string) (id string) {
	q.t.Helper()
	var data struct {
		CreateKnowledge struct{ Knowledge struct{ ID string } }
	}
	q.post(p, `mutation ($title: String!, $content: String!) { createKnowledge(input: {title: $title, content: $content}) { knowledge { id } } }`,
		map[string]any{"title": title, "content": content}).into(&data)
	return data.CreateKnowledge.Knowledge.ID
}

// ask has one person ask another.
func (q *quiet) ask(asker, owner person, question string) (id string) {
	q.t.Helper()
	var data struct {
		CreateKnowledgeRequest struct{ KnowledgeRequest struct{ ID string } }
	}
	q.post(asker, `mutation ($owner: ID!, $question: String!) {
		createKnowledgeRequest(input: {ownerId: $owner, question: $question}) { knowledgeRequest { id } }
	}`, map[string]any{"owner": fmt.Sprint(owner.id), "question": question}).into(&data)
	return data.CreateKnowledgeRequest.KnowledgeRequest.ID
}

// respond answers a request.
func (q *quiet) respond(owner person, request, status string) {
	q.t.Helper()
	q.post(owner, `mutation ($id: ID!, $status: KnowledgeResponse!) {
		respondToRequest(input: {requestId: $id, status: $status}) { knowledgeRequest { id } }
	}`, map[string]any{"id": request, "status": status}).into(&struct{}{})
}

// row is what the database says of a subscription once what is in memory was written.
func (q *quiet) row(channel string) *ent.StoredSubscription {
	q.t.Helper()
	q.wait(6 * time.Second)
	row, err := q.client.StoredSubscription.Query().Where(storedsubscription.Channel(channel)).Only(q.system())
	must(q.t, err)
	return row
}

// idOf returns the id of a subscription.
func (q *quiet) idOf(channel string) int {
	q.t.Helper()
	id, err := q.client.StoredSubscription.Query().Where(storedsubscription.Channel(channel)).OnlyID(q.system())
	must(q.t, err)
	return id
}

// wait lets time pass, and then whatever it brought about.
func (q *quiet) wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// taken returns the calls with events since it was last called, those of subscriptions alone.
func (q *quiet) taken() []call {
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

// mail returns, of these calls, what was taken for a channel, in order.
func mail(calls []call, channel string) (events []sent) {
	for _, c := range calls {
		for _, e := range c.events {
			if c.status == http.StatusOK && (e.Channel == channel || slices.Contains(e.Channels, channel)) {
				events = append(events, e)
			}
		}
	}
	return events
}

// handed is a row as it is handed to bridge.
func handed(e *ent.Event, answered <-chan struct{}) (*bridge.Event, []bridge.Topic) {
	var topics []bridge.Topic
	for _, t := range outbox.TopicsOf(e) {
		topics = append(topics, bridge.Topic(t.String()))
	}
	return &bridge.Event{Seq: bridge.Seq(e.ID), At: e.CreatedAt, Value: e, Answered: answered}, topics
}

// deliver hands a row to the stored subscriptions.
func (q *quiet) deliver(row *ent.Event, answered <-chan struct{}, done func()) {
	e, topics := handed(row, answered)
	q.subscriptions.Publish(e, done, topics...)
}

// emit hands a row to the streams.
func (q *quiet) emit(row *ent.Event) {
	e, topics := handed(row, nil)
	q.subscriptions.Stream(e, topics...)
}

// newest orders events.
var newest = ent.Desc(event.FieldID)
