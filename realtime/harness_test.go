package realtime_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"go.uber.org/goleak"

	"lorebridge/bridge"
	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/pusherapi"
	"lorebridge/pusherserver"
	"lorebridge/pusherserver/pusherservertest"
	"lorebridge/realtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	appID  = "lorebridge"
	key    = "b5f2a9c3d1e4"
	secret = "0c7e-the-secret-4a1f"

	// patience is how long a test waits for something that happens at once if the code is right.
	patience = 10 * time.Second
)

var masterKey = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ourPusher returns a configuration with the embedded server.
func ourPusher() realtime.Config {
	return realtime.Config{AppID: appID, Key: key, Secret: secret, Scheme: "https"}
}

// sockets runs a real server until the test ends. change may be nil.
func sockets(t *testing.T, change func(*pusherserver.Config)) *pusherservertest.Pusher {
	t.Helper()
	return pusherservertest.Start(t, func(c *pusherserver.Config) {
		c.Apps[0] = pusherserver.App{ID: appID, Key: key, Secret: secret}
		if change != nil {
			change(c)
		}
	})
}

// wire records the calls to Pusher, and forwards them.
type wire struct {
	next http.RoundTripper

	mu    sync.Mutex
	calls []call
}

// call is one call of the HTTP API.
type call struct {
	path   string
	events []sent
	status int
}

// sent is one event on the wire.
type sent struct {
	Channel, Name, Data string
	Channels            []string
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var batch struct {
		sent
		Batch []sent
	}
	if err := json.Unmarshal(body, &batch); err != nil {
		return nil, err
	}
	c := call{path: r.URL.Path, events: batch.Batch}
	if batch.Batch == nil {
		c.events = []sent{batch.sent}
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	response, err := w.next.RoundTrip(r)
	if response != nil {
		c.status = response.StatusCode
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, c)
	return response, err
}

// take returns the calls since the last take.
func (w *wire) take() []call {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls := w.calls
	w.calls = nil
	return calls
}

// side is our part of Pusher without a database: people's channels, the client that sends to them, and the route that
// grants channels. There are no subscriptions.
type side struct {
	*realtime.People
	http.Handler
	realtime.Sessions
	client *pusherapi.Client
}

// newSide returns our part of Pusher for an app. The viewer in the context is signed in as long as holds returns true.
func newSide(t *testing.T, c realtime.Config, transport http.RoundTripper, holds func() (bool, error), sockets bridge.Sockets, log *slog.Logger) side {
	t.Helper()
	client, err := realtime.NewClient(c, pusherapi.DefaultPayloadLimit, transport, log)
	must(t, err)
	subscriptions, err := bridge.New(bridge.Config{}, bridge.Deps{
		Pusher: client, Log: bridge.NewMemoryLog(1), Store: bridge.NewMemoryStore(), Identity: contextual{realtime.Identity{}, holds},
		Logger: log, Executor: func() graphql.GraphExecutor { return nil }, Sockets: sockets,
	})
	must(t, err)
	people := realtime.NewPeople(c, client, "")
	return side{people, subscriptions.AuthorizeHandler(people.Owns), realtime.NewSessions(subscriptions), client}
}

// contextual is an identity without a database.
type contextual struct {
	realtime.Identity
	holds func() (bool, error)
}

func (c contextual) Holding(_ context.Context, sessions []string) (map[string]time.Time, error) {
	held := make(map[string]time.Time)
	holds, err := c.holds()
	for _, session := range sessions {
		if holds {
			held[session] = time.Now().Add(time.Hour)
		}
	}
	return held, err
}

// always is the result of holds for a session that has not ended.
func always() (bool, error) { return true, nil }

// embedded returns our part of Pusher with a server in the same process, and the wire between them.
func embedded(t *testing.T, c realtime.Config, server *pusherservertest.Pusher) (side, *wire) {
	t.Helper()
	w := &wire{next: server.RoundTripper()}
	return newSide(t, c, w, always, server, discard), w
}

// to returns our part of Pusher with a server at a URL, over the network.
func to(t *testing.T, url string) side {
	t.Helper()
	c := ourPusher()
	scheme, host, _ := strings.Cut(url, "://")
	c.Scheme, c.Host = scheme, host
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return newSide(t, c, transport, always, nil, discard)
}

// over returns our part of Pusher with next as its transport.
func over(t *testing.T, c realtime.Config, next http.RoundTripper) side {
	t.Helper()
	c.Host, c.Scheme = "pusher.test", "http"
	return newSide(t, c, next, always, nil, discard)
}

// answering starts a Pusher that gives every call the same answer.
func answering(t *testing.T, status int, body string, header ...string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return server
}

// row returns an event for a person, as outbox stores it.
func row(id, recipient int, payload string) *ent.Event {
	return &ent.Event{ID: id, Kind: event.KindKnowledgeRequest, RecipientID: &recipient, Payload: json.RawMessage(payload)}
}

// question returns the payload of a request.
func question(text string) string {
	encoded, err := json.Marshal(text)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf(`{"type":"knowledge-request","requestId":12884901889,"question":%s,"requesterName":"Ada","createdAt":"2026-11-23T10:00:00.000Z"}`, encoded)
}

// browser is a client of Pusher's WebSocket protocol.
type browser struct {
	t        *testing.T
	conn     net.Conn
	stream   io.ReadWriter // conn, after the bytes that arrived with the upgrade
	socketID string
}

// message is one message that a browser receives.
type message struct {
	Event, Channel, Data string
}

// browse connects to a server that is served at url.
func browse(t *testing.T, url string) *browser {
	t.Helper()
	conn, early, _, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(url, "http")+"/app/"+key+"?protocol=7&client=js&version=8.6.0")
	must(t, err)
	b := &browser{t: t, conn: conn, stream: conn}
	if early != nil { // the first message came with the answer to the upgrade
		b.stream = struct {
			io.Reader
			io.Writer
		}{io.MultiReader(io.LimitReader(early, int64(early.Buffered())), conn), conn}
	}
	t.Cleanup(func() { _ = conn.Close() }) // most have been closed by the server
	var established struct {
		SocketID string `json:"socket_id"`
	}
	must(t, json.Unmarshal([]byte(b.next().Data), &established))
	b.socketID = established.SocketID
	return b
}

// next returns the next message, or fails.
func (b *browser) next() message {
	b.t.Helper()
	m, err := b.read()
	must(b.t, err)
	return m
}

func (b *browser) read() (message, error) {
	_ = b.conn.SetReadDeadline(time.Now().Add(patience)) // an error shows when reading
	text, err := wsutil.ReadServerText(b.stream)
	if err != nil {
		return message{}, err
	}
	var m struct {
		message
		Data json.RawMessage
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return message{}, err
	}
	m.message.Data = string(m.Data) // the data of errors is an object
	_ = json.Unmarshal(m.Data, &m.message.Data)
	return m.message, nil
}

// join subscribes with the answer of /pusher/auth, and returns the server's answer.
func (b *browser) join(channel, granted string) message {
	b.t.Helper()
	data := map[string]string{}
	must(b.t, json.Unmarshal([]byte(granted), &data))
	data["channel"] = channel
	text, err := json.Marshal(map[string]any{"event": "pusher:subscribe", "data": data})
	must(b.t, err)
	must(b.t, wsutil.WriteClientText(b.conn, text))
	return b.next()
}

// closed waits for the end of the socket and returns its code.
func (b *browser) closed() ws.StatusCode {
	b.t.Helper()
	for {
		_, err := b.read()
		var closed wsutil.ClosedError
		switch {
		case errors.As(err, &closed):
			return closed.Code
		case err != nil:
			b.t.Fatal(err)
		}
	}
}
