package bridgetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"lorebridge/bridge"
	"lorebridge/pusherapi"
	"lorebridge/pusherserver/pusherservertest"
)

// patience bounds how long a test waits for what happens at once when the code is right.
const patience = 10 * time.Second

// world is a bridge over a Fixture, with an embedded server and a schema of its own.
type world struct {
	t      *testing.T
	f      Fixture
	bridge *bridge.Bridge
	exec   *executor.Executor
	people *people
	sent   chan sent
	stop   func()
}

// sent is what a channel was sent.
type sent struct {
	channel string
	more    bool
	seq     bridge.Seq
	code    string // of the first error
}

// newWorld starts a bridge that ends with the test.
func newWorld(t *testing.T, f Fixture) *world {
	t.Helper()
	w := &world{t: t, f: f, people: &people{expelled: make(map[string]bool)}, sent: make(chan sent, 1000)}
	w.start()
	t.Cleanup(func() { w.stop() })
	return w
}

// start runs a bridge over what the Fixture has.
func (w *world) start() {
	w.t.Helper()
	server := pusherservertest.Start(w.t)
	client, err := pusherapi.New(pusherapi.Config{AppID: server.App.ID, Key: server.App.Key, Secret: server.App.Secret},
		pusherapi.Deps{Logger: slog.New(slog.DiscardHandler), Transport: tap{server.RoundTripper(), w.sent}})
	must(w.t, err)
	w.bridge, err = bridge.New(bridge.Config{}, bridge.Deps{
		Pusher: client, Log: w.f.Log, Store: w.f.Store, Identity: w.people, Logger: slog.New(slog.DiscardHandler), Sockets: server,
		Executor: func() graphql.GraphExecutor { return w.exec },
	})
	must(w.t, err)
	w.exec = executor.New(schema{w})
	must(w.t, w.bridge.Load(w.t.Context()))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.bridge.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
}

// viewer is a user in the first session.
func (w *world) viewer(user int) bridge.Viewer {
	u := w.f.Users[user]
	return bridge.Viewer{User: u.ID, Session: u.Session, ExpiresAt: time.Now().Add(time.Hour)}
}

// subscribe registers a subscription and returns its channel.
func (w *world) subscribe(user int, field string) string {
	w.t.Helper()
	ctx := graphql.StartOperationTrace(w.people.With(w.t.Context(), w.viewer(user)))
	oc, errs := w.exec.CreateOperationContext(ctx, &graphql.RawParams{Query: "subscription { " + field + " { seq } }"})
	if errs != nil {
		w.t.Fatal(errs)
	}
	response, channel := w.bridge.Register(ctx, w.exec, oc)
	if channel == "" || len(response.Errors) > 0 {
		w.t.Fatalf("got %v, want a channel", response)
	}
	return channel
}

// join has the client of a channel join.
func (w *world) join(user int, channel string) {
	w.t.Helper()
	must(w.t, w.bridge.Authorize(w.t.Context(), channel, w.viewer(user), bridge.ProtocolGraphqlRuby))
	w.bridge.Changed(bridge.Change{Channel: channel, Joined: true, Listeners: 1, Heard: time.Now()})
}

// result reads a result as a user, and returns the status.
func (w *world) result(user int, channel string, seq bridge.Seq) int {
	w.t.Helper()
	target := fmt.Sprintf("%s?channel=%s&seq=%d", bridge.DefaultResultPath, channel, seq)
	r := httptest.NewRequestWithContext(w.people.With(w.t.Context(), w.viewer(user)), http.MethodGet, target, nil)
	answer := httptest.NewRecorder()
	w.bridge.ResultHandler().ServeHTTP(answer, r)
	return answer.Code
}

// commit appends an event on the first topic and publishes it.
func (w *world) commit() bridge.Seq {
	w.t.Helper()
	e := w.f.Append(w.t, 0)
	done := make(chan struct{})
	if open := w.bridge.Publish(e, func() { close(done) }, w.f.Topics[0]); len(open) > 0 {
		select {
		case <-done:
		case <-time.After(patience):
			w.t.Fatalf("event %d is not settled", e.Seq)
		}
	}
	return e.Seq
}

// expect waits for what is sent to some channels next, each once and in any order.
func (w *world) expect(want ...sent) {
	w.t.Helper()
	open := make(map[sent]bool)
	for _, one := range want {
		open[one] = true
	}
	late := time.After(patience)
	for len(open) > 0 {
		select {
		case got := <-w.sent:
			if !open[got] {
				w.t.Fatalf("got %+v, want one of %v", got, open)
			}
			delete(open, got)
		case <-late:
			w.t.Fatalf("in vain waited for %v", open)
		}
	}
}

// people is an identity whose sessions all hold.
type people struct {
	mu       sync.Mutex
	expelled map[string]bool
	busy     int  // so many questions are not answered
	silent   bool // sources have no Allow any more
}

// unavailable is a bridge.Unavailable.
type unavailable struct{}

func (unavailable) Error() string   { return "unavailable" }
func (unavailable) Seconds() int    { return 1 }
func (unavailable) Message() string { return "try again" }

var _ bridge.Unavailable = unavailable{}

// change changes what people may.
func (p *people) change(how func(*people)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	how(p)
}

type viewerKey struct{}

func (*people) Viewer(ctx context.Context) (bridge.Viewer, error) {
	v, _ := ctx.Value(viewerKey{}).(bridge.Viewer)
	return v, nil
}

func (*people) Former(context.Context) (bridge.Viewer, bool) { return bridge.Viewer{}, false }

func (*people) With(ctx context.Context, v bridge.Viewer) context.Context {
	return context.WithValue(ctx, viewerKey{}, v)
}

func (*people) Holding(_ context.Context, sessions []string) (map[string]time.Time, error) {
	held := make(map[string]time.Time)
	for _, session := range sessions {
		held[session] = time.Now().Add(time.Hour)
	}
	return held, nil
}

func (*people) Unauthenticated(error) bool { return false }

// allow returns an error for who is expelled.
func (p *people) allow(ctx context.Context) error {
	v, err := p.Viewer(ctx)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy > 0 {
		p.busy--
		return unavailable{}
	}
	if p.expelled[v.User] {
		return errExpelled
	}
	return nil
}

// errExpelled has no code that bridge knows.
var errExpelled = errors.New("you are expelled")

func (p *people) expel(user string) { p.change(func(p *people) { p.expelled[user] = true }) }

// hasAllow reports whether sources have one.
func (p *people) hasAllow() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.silent
}

// tap notes what goes to Pusher, and carries it on.
type tap struct {
	next http.RoundTripper
	sent chan<- sent
}

func (t tap) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return t.next.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	type event struct {
		Channel  string   `json:"channel"`
		Data     string   `json:"data"`
		Channels []string `json:"channels"`
	}
	var call struct {
		event
		Batch []event `json:"batch"`
	}
	if err := json.Unmarshal(body, &call); err != nil {
		return nil, err
	}
	for _, e := range append(call.Batch, call.event) {
		for _, channel := range append(e.Channels, e.Channel) {
			if channel != "" {
				t.sent <- read(channel, e.Data)
			}
		}
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return t.next.RoundTrip(r)
}

func read(channel, data string) sent {
	var message struct {
		More   bool `json:"more"`
		Result struct {
			Errors []struct {
				Extensions struct {
					Code string `json:"code"`
				} `json:"extensions"`
			} `json:"errors"`
			Extensions struct {
				Subscription struct {
					Seq bridge.Seq `json:"seq"`
				} `json:"subscription"`
			} `json:"extensions"`
		} `json:"result"`
	}
	_ = json.Unmarshal([]byte(data), &message) // what is none is not what the test wants
	s := sent{channel: channel, more: message.More, seq: message.Result.Extensions.Subscription.Seq}
	if len(message.Result.Errors) > 0 {
		s.code = message.Result.Errors[0].Extensions.Code
	}
	return s
}

var parsed = gqlparser.MustLoadSchema(&ast.Source{Name: "bridgetest", Input: `
directive @broadcastable on FIELD_DEFINITION
type Query { nothing: Int }
type Number { seq: Int! @broadcastable }
type Subscription {
  guarded: Number! @broadcastable
  unguarded: Number! @broadcastable
}
`})

// schema is what gqlgen would generate for it.
type schema struct{ w *world }

func (schema) Schema() *ast.Schema { return parsed }

func (schema) Complexity(context.Context, string, string, int, map[string]any) (int, bool) {
	return 0, false
}

func (s schema) Exec(ctx context.Context) graphql.ResponseHandler {
	oc := graphql.GetOperationContext(ctx)
	field := graphql.CollectFields(oc, oc.Operation.SelectionSet, []string{"Subscription"})[0].Name
	source := bridge.Source[bridge.Seq]{
		Topic: s.w.f.Topics[0],
		Of:    func(_ context.Context, e *bridge.Event) (*bridge.Seq, error) { return &e.Seq, nil },
	}
	if field == "guarded" && s.w.people.hasAllow() {
		source.Allow = s.w.people.allow
	}
	values, err := bridge.Resolve(ctx, s.w.bridge, source)
	if err != nil {
		graphql.AddError(ctx, err)
		return graphql.OneShot(nil)
	}
	return func(ctx context.Context) *graphql.Response {
		select {
		case seq, open := <-values:
			if !open {
				return nil
			}
			return &graphql.Response{Data: fmt.Appendf(nil, `{"%s":{"seq":%d}}`, field, *seq)}
		case <-ctx.Done():
			return nil
		}
	}
}
