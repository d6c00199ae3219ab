package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/coder/websocket"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"lorebridge/auth"
	"lorebridge/ent/rule"
)

const (
	// maxOperations is how many operations a WebSocket may have at a time.
	maxOperations = 50
	// maxOperationID is how many bytes the client's name of an operation may have.
	maxOperationID = 256
	// closeTimeout is how long a client may take to answer that its connection is closed.
	closeTimeout = 2 * time.Second
	// maxCloseReason is how many bytes fit into a close frame, RFC 6455 section 5.5.
	maxCloseReason = 123
)

// What a client is told that breaks the protocol; graphql-ws's PROTOCOL.md has the codes.
var (
	errInvalidMessage = closing{4400, "Invalid message received"}
	errTooEarly       = closing{4401, "Unauthorized: send connection_init first"}
	errNoBearer       = closing{4400, "Authorization in the payload must be there once, as \"Bearer \" and a token"} // graphql-ws would try 4403 over and over
	errInitTimeout    = closing{4408, "Connection initialisation timeout"}
	errInitTwice      = closing{4429, "Too many initialisation requests"}
	errNoPong         = closing{4499, "no pong came in time: connect again"}
)

// socket is a WebSocket as gqlgen sees it: its messages follow the protocol, and no id comes twice. The client's messages are checked
// on their way in; ids are exchanged in both directions, for gqlgen loses an operation whose id is used again.
type socket struct {
	conn       *websocket.Conn
	connection *connection
	log        *slog.Logger
	timeout    time.Duration // of a write
	over       <-chan struct{}
	closed     chan struct{} // the close handshake is over
	read       func() (websocket.MessageType, []byte, error)
	stop       func()         // makes read fail
	operations sync.WaitGroup // added to only by the goroutine that reads

	initiated   bool // only the goroutine that reads
	initTimeout *time.Timer

	mu       sync.Mutex // guards everything below
	deadline *time.Timer
	count    int               // of operations so far
	inner    map[string]string // what gqlgen calls the client's operations
	clients  map[string]string // what the client calls gqlgen's; empty: the client has left it
}

var (
	_ transport.WebsocketConn          = (*socket)(nil)
	_ transport.WebsocketReadDeadliner = (*socket)(nil)
)

// envelope is a message of graphql-transport-ws.
type envelope struct {
	Type    string          `json:"type"`
	ID      string          `json:"id,omitempty"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// newSocket returns the socket of conn, which is closed when ctx ends: with its cause. Whoever has it calls finish.
func newSocket(ctx context.Context, conn *websocket.Conn, connection *connection, t webSockets) *socket {
	reading, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &socket{
		conn: conn, connection: connection, log: t.http.log, timeout: t.times.Write,
		over: ctx.Done(), closed: make(chan struct{}), stop: stop,
		read:  func() (websocket.MessageType, []byte, error) { return conn.Read(reading) },
		inner: make(map[string]string), clients: make(map[string]string),
	}
	s.initTimeout = time.AfterFunc(t.times.Init, func() { connection.end(errInitTimeout) })
	context.AfterFunc(ctx, func() {
		defer close(s.closed)
		last := s.last(ctx, context.Cause(ctx))
		cut := time.AfterFunc(closeTimeout, stop)
		defer cut.Stop()
		reason := strings.ToValidUTF8(last.reason[:min(len(last.reason), maxCloseReason)], "")
		err := conn.Close(last.code, reason)
		s.log.DebugContext(ctx, "a WebSocket is closed", slog.Int("code", int(last.code)), slog.String("reason", reason), slog.Any("error", err))
	})
	return s
}

// last is how the client is told of the error that ended its connection.
func (s *socket) last(ctx context.Context, err error) closing {
	var told closing
	var limited *auth.RateLimitError
	var unavailable *rule.UnavailableError
	switch {
	case errors.As(err, &told):
		return told
	case errors.As(err, &limited): // graphql-ws connects again after this
		return closing{websocket.StatusTryAgainLater, "too many connections: close some, or try again later"}
	case errors.As(err, &unavailable):
		s.log.WarnContext(ctx, "a WebSocket failed", slog.Any("error", err))
		return closing{websocket.StatusTryAgainLater, unavailable.Message()}
	case errors.Is(err, auth.ErrUnauthenticated): // graphql-ws gives up, so that its application signs in again
		return closing{4401, "Unauthorized: " + err.Error()}
	case errors.Is(err, context.Canceled):
		return closing{websocket.StatusNormalClosure, ""}
	}
	s.log.ErrorContext(ctx, "a WebSocket failed", slog.Any("error", err))
	return closing{4500, "Internal server error"}
}

// finish closes the connection if it is not, and returns when nothing of it is left.
func (s *socket) finish() {
	s.connection.end(context.Canceled)
	for err := error(nil); err == nil; { // what the client sent before it knew
		_, _, err = s.read()
	}
	<-s.closed
	s.stop()
	s.operations.Wait()
	s.initTimeout.Stop()
	_ = s.SetReadDeadline(time.Time{})
}

// NextReader returns the next message for gqlgen. What breaks the protocol closes the connection; then the only thing left to read is
// how the client closes it.
func (s *socket) NextReader() (int, io.Reader, error) {
	for {
		kind, data, err := s.read()
		if err != nil {
			return 0, nil, err
		}
		select {
		case <-s.over:
			continue
		default:
		}
		m, err := s.receive(kind, data)
		if err != nil {
			s.connection.end(err)
			continue
		}
		if m == nil {
			continue
		}
		data, err = json.Marshal(m)
		return int(kind), bytes.NewReader(data), err
	}
}

// message is an envelope of the client's, and what is in it.
type message struct {
	envelope
	payload any             // as rule.Object has it
	problem *gqlerror.Error // in the payload
}

// readMessage reads a message as strictly as the body of a request. Only what is wrong in the payload of an operation is left to it: the
// others of the connection go on.
func readMessage(data []byte) (m message, sound bool) {
	members, problem := decodeObject("message", data)
	if problem != nil {
		place, _ := problem.Extensions["field"].(string)
		if place != "payload" && !strings.HasPrefix(place, "payload.") {
			return m, false
		}
		m.problem = problem
	}
	var raw map[string]json.RawMessage
	if json.Unmarshal(data, &raw) != nil || json.Unmarshal(raw["type"], &m.Type) != nil {
		return m, false
	}
	if id, there := raw["id"]; there && json.Unmarshal(id, &m.ID) != nil {
		return m, false
	}
	m.Payload, m.payload = raw["payload"], members["payload"]
	return m, m.problem == nil || m.Type == "subscribe"
}

// receive returns what gqlgen is to see of the client's message, or nil if that is nothing.
func (s *socket) receive(kind websocket.MessageType, data []byte) (*envelope, error) {
	m, sound := readMessage(data)
	if kind != websocket.MessageText || !sound {
		return nil, errInvalidMessage
	}
	switch m.Type {
	case "subscribe":
		switch {
		case !s.initiated:
			return nil, errTooEarly
		case m.ID != "" && len(m.ID) <= maxOperationID:
			return s.subscribe(m)
		}
		return nil, errInvalidMessage
	case "complete":
		if m.ID == "" {
			return nil, errInvalidMessage
		}
		return s.leave(m.ID), nil
	}
	if _, object := m.payload.(map[string]any); !object && m.payload != nil {
		return nil, errInvalidMessage
	}
	switch {
	case m.Type == "connection_init" && s.initiated:
		return nil, errInitTwice
	case m.Type == "connection_init":
		s.initiated = true
		s.initTimeout.Stop()
		return &m.envelope, nil
	case m.Type == "ping" && !s.initiated: // gqlgen would not answer yet
		return nil, s.send(&envelope{Type: "pong", Payload: m.Payload})
	case m.Type == "ping", m.Type == "pong" && s.initiated:
		return &m.envelope, nil
	case m.Type == "pong":
		return nil, nil
	}
	return nil, errInvalidMessage
}

// subscribe gives the operation a name that gqlgen has not seen yet, and a payload that gqlgen, which takes names in any case, cannot
// read in another way.
func (s *socket) subscribe(m message) (*envelope, error) {
	if m.problem != nil {
		return nil, s.fail(m.ID, m.problem)
	}
	members, object := m.payload.(map[string]any)
	if !object {
		return nil, s.fail(m.ID, badInput("payload", "payload must be "+requestForm))
	}
	params, problem := newParams(members)
	if problem != nil {
		return nil, s.fail(m.ID, problem)
	}
	payload, err := json.Marshal(params)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	_, taken := s.inner[m.ID]
	full := len(s.clients) >= maxOperations
	inner := strconv.Itoa(s.count)
	if !taken && !full {
		s.count++
		s.inner[m.ID], s.clients[inner] = inner, m.ID
	}
	s.mu.Unlock()
	switch {
	case taken:
		return nil, closing{4409, "Subscriber for " + m.ID + " already exists"}
	case full:
		problem := failure(codeRateLimited, fmt.Sprintf("%d operations are running on this connection: wait until one of them is complete", maxOperations))
		problem.Extensions["retryAfter"] = 1
		return nil, s.fail(m.ID, problem)
	}
	return &envelope{Type: m.Type, ID: inner, Payload: payload}, nil
}

// leave lets gqlgen end an operation, and forgets what the client calls it. It is nil where there is none, any more.
func (s *socket) leave(id string) *envelope {
	s.mu.Lock()
	defer s.mu.Unlock()
	inner, running := s.inner[id]
	if !running {
		return nil
	}
	delete(s.inner, id)
	s.clients[inner] = ""
	return &envelope{Type: "complete", ID: inner}
}

// WriteJSON sends a message of gqlgen's, unless its operation has ended for the client.
func (s *socket) WriteJSON(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	m := &envelope{} // gqlgen's own type is not exported
	if err := json.Unmarshal(data, m); err != nil {
		return err
	}
	if m.ID == "" {
		return s.send(m)
	}
	inner := m.ID
	s.mu.Lock()
	m.ID = s.clients[inner]
	if m.Type == "complete" || m.Type == "error" {
		delete(s.clients, inner)
		delete(s.inner, m.ID)
	}
	s.mu.Unlock()
	if m.ID == "" {
		return nil
	}
	return s.send(m)
}

// fail answers an operation that gqlgen does not see.
func (s *socket) fail(id string, problem *gqlerror.Error) error {
	payload, err := json.Marshal(gqlerror.List{problem})
	if err != nil {
		return err
	}
	return s.send(&envelope{Type: "error", ID: id, Payload: payload})
}

// send gives the client some time to take the message, and cuts it off if it does not.
func (s *socket) send(m *envelope) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	if err := s.conn.Write(ctx, websocket.MessageText, data); err != nil {
		s.connection.end(context.Canceled) // nobody is left to be told anything
		return err
	}
	return nil
}

// WriteClose closes the connection for gqlgen, if nothing has closed it yet. What gqlgen finds wrong, receive finds first.
func (s *socket) WriteClose(code int, reason string) error {
	s.connection.end(closing{websocket.StatusCode(code), reason})
	return nil
}

// Close does nothing: finish does it.
func (s *socket) Close() error { return nil }

// Subprotocol is the only one, in gqlgen's spelling.
func (s *socket) Subprotocol() string { return subprotocol }

// SetReadDeadline is how long gqlgen waits for a pong.
func (s *socket) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deadline != nil {
		s.deadline.Stop()
	}
	if !t.IsZero() {
		s.deadline = time.AfterFunc(time.Until(t), func() { s.connection.end(errNoPong) })
	}
	return nil
}
