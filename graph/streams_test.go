package graph_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"lorebridge/bridge"
	"lorebridge/graph"
	"lorebridge/outbox"
)

// tap notifies a test when a stream has its feed, and when its context ends.
type tap struct {
	graph.Subscriptions
	begun, ended chan outbox.Topic
	hold         chan struct{} // until it is closed, no feed is handed over; nil holds none
}

// tapped lets a test wait for streams.
func tapped() (*tap, func(*plan)) {
	t := &tap{begun: make(chan outbox.Topic, 1000), ended: make(chan outbox.Topic, 1000)}
	return t, func(p *plan) {
		p.seams.Subscriptions = func(s graph.Subscriptions) graph.Subscriptions {
			t.Subscriptions = s
			return t
		}
	}
}

func (t *tap) Subscribe(ctx context.Context, in bridge.Interest) (bridge.Feed, error) {
	feed, err := t.Subscriptions.Subscribe(ctx, in)
	if err == nil {
		topic, err := outbox.ParseTopic(string(in.Topic))
		if err != nil {
			return feed, err
		}
		context.AfterFunc(ctx, func() { t.ended <- topic })
		t.begun <- topic
	}
	if t.hold != nil {
		<-t.hold
	}
	return feed, err
}

// wait fails the test if nothing comes.
func wait[T any](t testing.TB, from <-chan T) (value T) {
	t.Helper()
	select {
	case value = <-from:
	case <-time.After(patience):
		t.Fatal("nothing happens")
	}
	return value
}

// frame is a message of graphql-transport-ws, or an event of a stream; what is in its payload is read where there is
// one.
type frame struct {
	Type    string          `json:"type"`
	ID      string          `json:"id,omitempty"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// get returns the value at a path of keys, as JSON without its quotes if it is a string.
func (f frame) get(t testing.TB, path ...string) string {
	t.Helper()
	a := answer{t: t, status: http.StatusOK, body: string(f.Payload)}
	must(t, json.Unmarshal(f.Payload, &a))
	return a.get(path...)
}

// code is the code of the first error in the frame.
func (f frame) code(t testing.TB) string {
	t.Helper()
	var problems []problem
	if json.Unmarshal(f.Payload, &problems) != nil {
		a := answer{}
		must(t, json.Unmarshal(f.Payload, &a))
		problems = a.Errors
	}
	if len(problems) == 0 {
		return ""
	}
	return problems[0].Extensions.Code
}

// wire is a client's WebSocket.
type wire struct {
	t    testing.TB
	conn *websocket.Conn
}

// upgrade opens a WebSocket; header holds pairs. The subprotocol is graphql-transport-ws unless header has
// another.
func (h *harness) upgrade(header ...string) (*wire, *http.Response, error) {
	h.t.Helper()
	options := &websocket.DialOptions{HTTPHeader: http.Header{}, Subprotocols: []string{"graphql-transport-ws"}}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Sec-WebSocket-Protocol" {
			options.Subprotocols = strings.Fields(header[i+1])
			continue
		}
		options.HTTPHeader.Set(header[i], header[i+1])
	}
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	conn, response, err := websocket.Dial(ctx, h.url+"/graphql", options)
	if err != nil {
		return nil, response, err
	}
	conn.SetReadLimit(-1)
	h.t.Cleanup(func() { _ = conn.CloseNow() })
	return &wire{t: h.t, conn: conn}, response, nil
}

// dial opens a WebSocket without a word on it.
func (h *harness) dial(header ...string) *wire {
	h.t.Helper()
	w, _, err := h.upgrade(header...)
	must(h.t, err)
	return w
}

// socket opens a WebSocket on which p asks.
func (h *harness) socket(p person) *wire {
	h.t.Helper()
	w := h.dial()
	payload := ""
	if p.token != "" {
		payload = fmt.Sprintf(`,"payload":{"Authorization":"Bearer %s"}`, p.token)
	}
	w.send(`{"type":"connection_init"` + payload + `}`)
	if got := w.next(); got.Type != "connection_ack" {
		h.t.Fatalf("got %v, want connection_ack", got)
	}
	return w
}

func (w *wire) send(text string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	must(w.t, w.conn.Write(ctx, websocket.MessageText, []byte(text)))
}

func (w *wire) subscribe(id, query string) {
	w.t.Helper()
	payload, err := json.Marshal(map[string]string{"query": query})
	must(w.t, err)
	w.send(fmt.Sprintf(`{"type":"subscribe","id":%q,"payload":%s}`, id, payload))
}

// read returns the next message but pings, which it answers, or how the connection was closed.
func (w *wire) read() (f frame, err error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	for f.Type == "" || f.Type == "ping" {
		_, data, err := w.conn.Read(ctx)
		if err != nil {
			return frame{}, err
		}
		f = frame{}
		must(w.t, json.Unmarshal(data, &f))
		if f.Type == "ping" {
			w.send(`{"type":"pong"}`)
		}
	}
	return f, nil
}

func (w *wire) next() frame {
	w.t.Helper()
	f, err := w.read()
	must(w.t, err)
	return f
}

// want fails the test unless the next message is of this type and id.
func (w *wire) want(kind, id string) frame {
	w.t.Helper()
	f := w.next()
	if f.Type != kind || f.ID != id {
		w.t.Fatalf("got %s %s %s, want %s %s", f.Type, f.ID, f.Payload, kind, id)
	}
	return f
}

// wantClose fails the test unless the server closes the connection with this code, whatever it sent before.
func (w *wire) wantClose(code websocket.StatusCode) {
	w.t.Helper()
	for {
		f, err := w.read()
		if err == nil {
			w.t.Logf("before it closes: %s %s %s", f.Type, f.ID, f.Payload)
			continue
		}
		if got := websocket.CloseStatus(err); got != code {
			w.t.Errorf("closed with %v, want %d", err, code)
		}
		return
	}
}

// stream is the answer to a POST as server-sent events.
type stream struct {
	t        testing.TB
	response *http.Response
	lines    *bufio.Reader
}

// events sends an operation and asks for events.
func (h *harness) events(p person, query string) *stream {
	h.t.Helper()
	body, err := json.Marshal(map[string]string{"query": query})
	must(h.t, err)
	ctx, cancel := context.WithTimeout(h.t.Context(), 2*patience)
	h.t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+"/graphql", strings.NewReader(string(body)))
	must(h.t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "text/event-stream")
	if p.token != "" {
		request.Header.Set("Authorization", "Bearer "+p.token)
	}
	response, err := h.http.Do(request)
	must(h.t, err)
	h.t.Cleanup(func() { response.Body.Close() })
	if kind := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || kind != "text/event-stream; charset=utf-8" {
		h.t.Fatalf("got %d %s", response.StatusCode, kind)
	}
	return &stream{t: h.t, response: response, lines: bufio.NewReader(response.Body)}
}

// block returns the lines up to an empty one.
func (s *stream) block() (lines []string, err error) {
	s.t.Helper()
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return nil, err
		}
		if line == "\n" {
			return lines, nil
		}
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
}

// read returns the next event; comments are none.
func (s *stream) read() (f frame, err error) {
	s.t.Helper()
	for f.Type == "" {
		lines, err := s.block()
		if err != nil {
			return frame{}, err
		}
		for _, line := range lines {
			name, value, _ := strings.Cut(line, ":")
			switch name {
			case "event":
				f.Type = strings.TrimPrefix(value, " ")
			case "data":
				f.Payload = json.RawMessage(strings.TrimPrefix(value, " "))
			}
		}
	}
	return f, nil
}

func (s *stream) want(kind string) frame {
	s.t.Helper()
	f, err := s.read()
	must(s.t, err)
	if f.Type != kind {
		s.t.Fatalf("got %s %s, want %s", f.Type, f.Payload, kind)
	}
	return f
}

// wantEnd fails the test unless the answer ends here, in good order or not.
func (s *stream) wantEnd(want error) {
	s.t.Helper()
	if f, err := s.read(); !errors.Is(err, want) {
		s.t.Errorf("got %s %s and %v, want %v", f.Type, f.Payload, err, want)
	}
}

const (
	received = `subscription { r: knowledgeRequestReceived { question requester { name } } }`
	askOwner = `mutation($owner: ID!, $question: String!) {
		createKnowledgeRequest(input: {ownerId: $owner, question: $question}) { knowledgeRequest { id } } }`
)

// ask lets p ask the owner a question, and returns the request.
func (h *harness) askFor(p, owner person, question string) string {
	h.t.Helper()
	return h.ask(p, askOwner, map[string]any{"owner": strconv.Itoa(owner.id), "question": question}).
		get("createKnowledgeRequest", "knowledgeRequest", "id")
}

// Point 7 of the conformance list of subscriptions.
func TestPoint7WebSocketsAndEventStreamsShowMutations(t *testing.T) {
	t.Parallel()
	tap, tapping := tapped()
	h := build(t, tapping)
	ada, grace := h.person("Ada"), h.person("Grace")
	socket := h.socket(grace)
	socket.subscribe("1", received)
	events := h.events(grace, received)
	wait(t, tap.begun)
	wait(t, tap.begun)
	for _, question := range []string{"What is a compiler?", "Where is the <moth>?"} {
		h.askFor(ada, grace, question)
		for _, f := range []frame{socket.want("next", "1"), events.want("next")} {
			if got, who := f.get(t, "r", "question"), f.get(t, "r", "requester"); got != question || who != `{"name":"Ada"}` {
				t.Errorf("got %s", f.Payload)
			}
		}
	}
}

func TestWebSocketsAndEventStreamsShowWhatAPersonDoesElsewhere(t *testing.T) {
	t.Parallel()
	const acted = `subscription { r: viewerActed { question status } }`
	tap, tapping := tapped()
	h := build(t, tapping)
	ada, grace := h.person("Ada"), h.person("Grace")
	phone := grace // with a session of its own
	phone.token = h.session(grace, time.Now().UTC().Add(time.Hour))
	socket, events := h.socket(phone), h.events(phone, acted)
	socket.subscribe("1", acted)
	wait(t, tap.begun)
	wait(t, tap.begun)
	wantUpdate := func(want string) {
		t.Helper()
		for _, f := range []frame{socket.want("next", "1"), events.want("next")} {
			if got := f.get(t, "r"); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	}
	id := h.askFor(ada, grace, "Hers?") // of which Grace has done nothing yet
	h.askFor(grace, ada, "Mine?")
	wantUpdate(`{"question":"Mine?","status":"PENDING"}`)
	h.ask(grace, `mutation { respondToRequest(input: {requestId: `+id+`, status: APPROVED}) { knowledgeRequest { id } } }`).get("respondToRequest")
	wantUpdate(`{"question":"Hers?","status":"APPROVED"}`)
}

func TestASubscriptionThatEndsCompletes(t *testing.T) {
	t.Parallel()
	h := build(t)
	ada, grace := h.person("Ada"), h.person("Grace")
	id := h.askFor(ada, grace, "Why?")
	query := fmt.Sprintf(`subscription { r: knowledgeRequestChanged(id: %s) { status } }`, id)
	socket := h.socket(ada)
	socket.subscribe("1", query)
	events := h.events(ada, query)
	status := func(want string) {
		t.Helper()
		for _, f := range []frame{socket.want("next", "1"), events.want("next")} {
			if got := f.get(t, "r", "status"); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	}
	status("PENDING")
	h.ask(grace, `mutation { respondToRequest(input: {requestId: `+id+`, status: DENIED}) { knowledgeRequest { id } } }`).get("respondToRequest")
	status("DENIED")
	socket.want("complete", "1")
	events.want("complete")
	events.wantEnd(io.EOF)
	socket.subscribe("1", `{ me { name } }`)
	socket.want("next", "1")
}

// gapped gives feeds whose reader was too slow.
type gapped struct{ graph.Subscriptions }

func (gapped) Subscribe(ctx context.Context, _ bridge.Interest) (bridge.Feed, error) {
	events := make(chan *bridge.Event)
	close(events)
	return bridge.Feed{
		Fresh: true, Events: events, Err: func() error { return bridge.ErrGap }, End: func() {},
		Fail: func(err error) { graph.EndStream(ctx, err) },
	}, nil
}

func TestAStreamThatMissedUpdatesEndsWithAGap(t *testing.T) {
	t.Parallel()
	h := build(t, func(p *plan) {
		p.seams.Subscriptions = func(s graph.Subscriptions) graph.Subscriptions { return gapped{s} }
	})
	ada := h.person("Ada")
	socket := h.socket(ada)
	socket.subscribe("1", received)
	if f := socket.want("error", "1"); f.code(t) != "SUBSCRIPTION_GAP" {
		t.Errorf("got %s", f.Payload)
	}
	socket.subscribe("1", `{ me { name } }`) // and there is no complete after an error
	socket.want("next", "1")
	events := h.events(ada, received)
	if f := events.want("next"); f.code(t) != "SUBSCRIPTION_GAP" {
		t.Errorf("got %s", f.Payload)
	}
	events.want("complete")
}

func TestAStreamEndsWithItsSession(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(h *harness, ada person){
		"signed out": func(h *harness, ada person) { h.ask(ada, `mutation { signOut { signedOut } }`).get("signOut") },
		"expired":    func(*harness, person) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tap, tapping := tapped()
			h := build(t, tapping)
			ada := h.person("Ada")
			other := ada // with a session that stays
			if name == "expired" {
				ada.token = h.session(ada, time.Now().UTC().Add(2*time.Second))
			} else {
				ada.token = h.session(ada, time.Now().UTC().Add(time.Hour))
			}
			socket, stays := h.socket(ada), h.socket(other)
			socket.subscribe("1", received)
			stays.subscribe("1", received)
			events := h.events(ada, received)
			for range 3 {
				wait(t, tap.begun)
			}
			end(h, ada)
			socket.wantClose(4401)
			if f := events.want("next"); f.code(t) != "UNAUTHENTICATED" {
				t.Errorf("got %s", f.Payload)
			}
			events.want("complete")
			events.wantEnd(io.EOF)
			h.askFor(h.person("Grace"), other, "Are you there?")
			stays.want("next", "1")
		})
	}
}

func TestASessionThatEndedDuringTheUpgradeGetsNoConnection(t *testing.T) {
	t.Parallel()
	h := build(t)
	ada := h.person("Ada")
	socket := h.dial("Authorization", "Bearer "+ada.token)
	h.ask(ada, `mutation { signOut { signedOut } }`).get("signOut")
	socket.send(`{"type":"connection_init"}`)
	socket.wantClose(4401)
}

func TestStreamsEndWithTheServer(t *testing.T) {
	t.Parallel()
	tap, tapping := tapped()
	h := build(t, tapping)
	ada := h.person("Ada")
	idle, socket := h.dial(), h.socket(ada)
	socket.subscribe("1", received)
	events := h.events(ada, received)
	wait(t, tap.begun)
	wait(t, tap.begun)
	var closing sync.WaitGroup
	closing.Go(h.api.Close)
	idle.wantClose(websocket.StatusServiceRestart)
	socket.wantClose(websocket.StatusServiceRestart)
	events.wantEnd(io.ErrUnexpectedEOF) // graphql-sse takes it for a network error, and connects again
	closing.Wait()
	wait(t, tap.ended)
	wait(t, tap.ended)
	if _, response, err := h.upgrade(); err == nil || response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a new WebSocket: %v", err)
	}
	if a := h.post(ada, `{"query":"subscription { knowledgePublished { id } }"}`, "Accept", "text/event-stream"); a.status != http.StatusServiceUnavailable {
		t.Errorf("a new stream: %d %s", a.status, a.body)
	}
	if name := h.ask(ada, `{ me { name } }`).get("me", "name"); name != "Ada" {
		t.Errorf("a request: %s", name)
	}
}

// Each update is half a megabyte, which the buffers of a connection cannot hold for long.
func TestAClientThatReadsNothingIsCutOff(t *testing.T) {
	t.Parallel()
	tap, tapping := tapped()
	h := build(t, tapping, func(p *plan) { p.seams.Times.Write = 100 * time.Millisecond })
	ada := h.person("Ada")
	var fields strings.Builder
	for i := range 9 {
		fmt.Fprintf(&fields, "f%d: content ", i)
	}
	query := `subscription { knowledgePublished { ` + fields.String() + ` } }`
	socket := h.socket(ada)
	socket.subscribe("1", query)
	events := h.events(ada, query)
	wait(t, tap.begun)
	wait(t, tap.begun)
	mutation := `mutation($content: String!) { createKnowledge(input: {title: "x", content: $content}) { knowledge { id } } }`
	large := map[string]any{"content": strings.Repeat("x", 60_000)}
	for cut := 0; cut < 2; {
		h.ask(ada, mutation, large).get("createKnowledge")
		select {
		case <-tap.ended:
			cut++
		default:
		}
	}
	_, err := io.Copy(io.Discard, events.lines)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the stream ends with %v", err)
	}
	for err = nil; err == nil; {
		_, err = socket.read()
	}
	if code := websocket.CloseStatus(err); code != -1 {
		t.Errorf("the WebSocket ends with %v", err)
	}
}

func TestOneClientCannotHaveAllConnections(t *testing.T) {
	t.Parallel()
	h := build(t)
	ada := h.person("Ada")
	for range 100 {
		h.socket(ada)
	}
	socket := h.dial("Authorization", "Bearer "+ada.token)
	socket.send(`{"type":"connection_init"}`)
	socket.wantClose(websocket.StatusTryAgainLater)
	for range 100 {
		h.dial()
	}
	if _, response, err := h.upgrade(); err == nil || response.StatusCode != http.StatusTooManyRequests {
		t.Errorf("the 101st WebSocket of nobody: %v", err)
	}
	h.post(nobody, `{"query":"subscription { knowledgePublished { id } }"}`, "Accept", "text/event-stream").rejected("RATE_LIMITED")
}
