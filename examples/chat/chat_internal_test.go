package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"lorebridge/pusherserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	patience  = 10 * time.Second
	subscribe = `subscription ($room: String!) { messageAdded(room: $room) { author text } }`
)

// server is a chat that runs until its test ends.
type server struct {
	*testing.T
	address string
}

func start(t *testing.T) server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	app := pusherserver.App{ID: "1", Key: "key", Secret: "secret"}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, listener, app, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return server{t, listener.Addr().String()}
}

// answer is the answer to a GraphQL request.
type answer struct {
	Data   map[string]json.RawMessage
	Errors []struct{ Message string }

	channel string
}

// ask sends an operation by POST. Variables come in pairs of a name and a value.
func (s server) ask(query string, variables ...string) answer {
	s.Helper()
	a, err := s.post(query, variables...)
	if err != nil {
		s.Fatal(err)
	}
	return a
}

// post is ask for other goroutines than the test's.
func (s server) post(query string, variables ...string) (a answer, err error) {
	values := make(map[string]string)
	for i := 0; i < len(variables); i += 2 {
		values[variables[i]] = variables[i+1]
	}
	body, err := json.Marshal(map[string]any{"query": query, "variables": values})
	if err != nil {
		return a, err
	}
	response, err := http.Post("http://"+s.address+"/graphql", "application/json", bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	a.channel = response.Header.Get("X-Subscription-ID")
	err = json.NewDecoder(response.Body).Decode(&a)
	return a, err
}

// send sends a message to a room, and fails the test if that is rejected.
func (s server) send(room, text string) {
	s.Helper()
	a := s.ask(`mutation ($room: String!, $text: String!) { send(room: $room, author: "Ada", text: $text) { id } }`,
		"room", room, "text", text)
	if len(a.Errors) > 0 {
		s.Fatal(a.Errors)
	}
}

// socket is a WebSocket to the server.
type socket struct {
	server
	net.Conn
	in io.Reader
}

func (s server) dial(path string, protocols ...string) socket {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	conn, early, _, err := ws.Dialer{Protocols: protocols}.Dial(ctx, "ws://"+s.address+path)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		s.Fatal(err)
	}
	if early == nil {
		return socket{s, conn, conn}
	}
	return socket{s, conn, early} // has what came along with the answer
}

func (s socket) write(format string, values ...any) {
	s.Helper()
	if err := wsutil.WriteClientText(s.Conn, fmt.Appendf(nil, format, values...)); err != nil {
		s.Fatal(err)
	}
}

func (s socket) read() ([]byte, error) {
	return wsutil.ReadServerText(struct {
		io.Reader
		io.Writer
	}{s.in, s.Conn})
}

// expect reads the next frame, and fails the test unless it has a text in it.
func (s socket) expect(want string) string {
	s.Helper()
	frame, err := s.read()
	if err != nil || !strings.Contains(strings.ReplaceAll(string(frame), `\"`, `"`), want) {
		s.Fatalf("got %s, %v; want one with %s", frame, err, want)
	}
	return string(frame)
}

// join connects to the Pusher and joins a channel.
func (s server) join(channel string) socket {
	s.Helper()
	var key string
	if err := json.Unmarshal(s.ask("{ pusherKey }").Data["pusherKey"], &key); err != nil {
		s.Fatal(err)
	}
	to := s.dial("/app/" + key + "?protocol=7")
	var hello struct{ Data string }
	var data struct {
		SocketID string `json:"socket_id"`
	}
	if err := json.Unmarshal([]byte(to.expect("pusher:connection_established")), &hello); err != nil {
		s.Fatal(err)
	}
	if err := json.Unmarshal([]byte(hello.Data), &data); err != nil {
		s.Fatal(err)
	}
	response, err := http.PostForm("http://"+s.address+"/pusher/auth",
		url.Values{"socket_id": {data.SocketID}, "channel_name": {channel}})
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	var granted struct{ Auth string }
	if err := json.NewDecoder(response.Body).Decode(&granted); err != nil || response.StatusCode != http.StatusOK {
		s.Fatalf("status %d, %v", response.StatusCode, err)
	}
	to.write(`{"event":"pusher:subscribe","data":{"channel":%q,"auth":%q}}`, channel, granted.Auth)
	to.expect("pusher_internal:subscription_succeeded")
	return to
}

func TestMessagesReachWhoeverKnowsTheChannel(t *testing.T) {
	t.Parallel()
	s := start(t)
	channel := s.ask(subscribe, "room", "kitchen").channel
	s.send("kitchen", "before the channel is joined")
	s.send("garden", "to another room")
	client := s.join(channel)
	client.expect(`"author":"Ada","text":"before the channel is joined"`)
	s.send("kitchen", "one")
	s.send("kitchen", "two")
	client.expect(`"text":"one"`)
	client.expect(`"text":"two"`)

	// It comes back to what it missed, after repeats of what it may have missed.
	client.Close()
	s.send("kitchen", "while nobody listens")
	client = s.join(channel)
	for missed := ""; !strings.Contains(missed, "while nobody listens"); {
		missed = client.expect(`"event":"update"`)
	}
}

func TestMessagesThatAreSentAtOnceArriveInOneOrder(t *testing.T) {
	t.Parallel()
	s := start(t)
	client := s.join(s.ask(`subscription { messageAdded(room: "kitchen") { id } }`).channel)
	const senders, each = 4, 20
	var sending errgroup.Group
	for range senders {
		sending.Go(func() error {
			for range each {
				if _, err := s.post(`mutation { send(room: "kitchen", author: "Ada", text: "hello") { id } }`); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for id := range senders * each {
		client.expect(fmt.Sprintf(`{"messageAdded":{"id":"%d"}}`, id+1))
	}
	if err := sending.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestNobodyReceivesAMessageThatAllowRejects(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.send("kitchen", "the first one")
	client := s.join(s.ask(subscribe, "room", "kitchen").channel)
	s.send("kitchen", "before")
	client.expect(`"text":"before"`)
	s.ask(`mutation { close(room: "kitchen") }`)
	if end := client.expect(`"more":false`); strings.Contains(end, "closed") {
		t.Errorf("the end has a message: %s", end)
	}
	a := s.ask(subscribe, "room", "kitchen")
	if len(a.Errors) != 1 || a.Errors[0].Message != errClosed.Error() || a.channel != "" {
		t.Errorf("got %+v, want that the room is closed", a)
	}
}

func TestMessagesTravelOverWebSocketToo(t *testing.T) {
	t.Parallel()
	s := start(t)
	client := s.dial("/graphql", "graphql-transport-ws")
	client.write(`{"type":"connection_init"}`)
	client.expect("connection_ack")
	client.write(`{"type":"subscribe","id":"1","payload":{"query":%q,"variables":{"room":"kitchen"}}}`, subscribe)
	// Nothing says when the subscription begins: messages are sent until one arrives.
	arrived := make(chan error, 1)
	go func() {
		_, err := client.read()
		arrived <- err
	}()
	for waiting := true; waiting; {
		s.send("kitchen", "hello")
		select {
		case err := <-arrived:
			if err != nil {
				t.Fatal(err)
			}
			waiting = false
		case <-time.After(10 * time.Millisecond):
		}
	}
	s.ask(`mutation { close(room: "kitchen") }`)
	for frame := ""; !strings.Contains(frame, errClosed.Error()); {
		if frame = client.expect(`"id":"1"`); strings.Contains(frame, "This room is closed.") {
			t.Fatalf("the stream got %s", frame)
		}
	}
}
