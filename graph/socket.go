package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/coder/websocket"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"lorebridge/auth"
	"lorebridge/rule"
)

const (
	// maxOperations is how many operations a WebSocket may have at a time.
	maxOperations = 50
	// maxOperationID is how many bytes the client's name of an operation may have.
	maxOperationID = 256
	// closeTimeout is how long a client may take to answer a close frame.
	closeTimeout = 2 * time.Second
	// maxCloseReason is how many bytes fit into a close frame, RFC 6455 section 5.5.
	maxCloseReason = 123
)

// How the server closes a connection whose client breaks the protocol. graphql-ws's PROTOCOL.md has the codes.
var (
	errInvalidMessage = closing{4400, "Invalid message received"}
	errTooEarly       = closing{4401, "Unauthorized: send connection_init first"}
	errInitTimeout    = closing{4408, "Connection initialisation timeout"}
	errInitTwice      = closing{4429, "Too many initialisation requests"}
	errNoPong         = closing{4499, "no pong came in time: connect again"}
	// graphql-ws would try 4403 over and over.
	errNoBearer = closing{4400, `Authorization in the payload must be there once, as "Bearer " and a token`}
)

// socket is a connection that speaks graphql-transport-ws. One goroutine reads the client's messages, and each
// operation has a goroutine of its own. An id means one operation at a time, and nothing is sent after its end.
type socket struct {
	conn       *websocket.Conn
	connection *connection
	exec       graphql.GraphExecutor
	header     http.Header // of the upgrade
	log        *slog.Logger
	operating  time.Duration // how long a query or a mutation may take
	times      StreamTimes
	over       <-chan struct{}
	closed     chan struct{} // the close handshake is over
	read       func() (websocket.MessageType, []byte, error)
	stop       func()         // makes read fail
	goroutines sync.WaitGroup // added to only by the goroutine that reads

	initiated   bool // only the goroutine that reads
	initTimeout *time.Timer

	// pongMu guards what follows.
	pongMu  sync.Mutex
	pong    *time.Timer // ends the connection; runs while a pong is awaited
	awaited bool

	// runningMu guards what follows, and is held while a message of an operation is sent.
	runningMu sync.Mutex
	running   map[string]*running // by the client's ids
	count     int                 // of operations that have not ended, also of those that the client has left
}

// running is an operation.
type running struct {
	id     string
	cancel context.CancelFunc
}

// envelope is a message of graphql-transport-ws.
type envelope struct {
	kind    string
	id      string          // empty: the message is of no operation
	payload json.RawMessage // nil: it has none
}

// encode writes the message without a second pass over its payload.
func (m envelope) encode() ([]byte, error) {
	data := make([]byte, 0, len(m.payload)+len(m.id)+64)
	data = append(data, `{"type":"`+m.kind+`"`...)
	if m.id != "" {
		id, err := json.Marshal(m.id)
		if err != nil {
			return nil, err
		}
		data = append(append(data, `,"id":`...), id...)
	}
	if m.payload != nil {
		data = append(append(data, `,"payload":`...), m.payload...)
	}
	return append(data, '}'), nil
}

// newSocket returns the socket of conn, which is closed when ctx ends, with the cause of ctx. The caller must call
// finish.
func newSocket(ctx context.Context, conn *websocket.Conn, connection *connection, t webSockets,
	exec graphql.GraphExecutor, header http.Header,
) *socket {
	reading, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &socket{
		conn: conn, connection: connection, exec: exec, header: header,
		log: t.http.log, operating: t.http.timeout, times: t.times,
		over: ctx.Done(), closed: make(chan struct{}), stop: stop,
		read:    func() (websocket.MessageType, []byte, error) { return conn.Read(reading) },
		running: make(map[string]*running),
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

// last returns how to close a connection that err has ended.
func (s *socket) last(ctx context.Context, err error) closing {
	var known closing
	var limited *auth.RateLimitError
	var unavailable *rule.UnavailableError
	switch {
	case errors.As(err, &known):
		return known
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

// finish closes the connection if it is still open, and returns when nothing of it is left.
func (s *socket) finish() {
	s.connection.end(context.Canceled)
	for err := error(nil); err == nil; { // what the client sent before it got the close frame
		_, _, err = s.read()
	}
	<-s.closed
	s.stop()
	s.goroutines.Wait()
	s.initTimeout.Stop()
	s.await(false)
}

// run answers the client's messages until its connection is closed. A message that breaks the protocol closes the
// connection. After that run reads only the client's close frame.
func (s *socket) run(ctx context.Context) {
	for {
		kind, data, err := s.read()
		if err != nil {
			return
		}
		select {
		case <-s.over:
			continue
		default:
		}
		if ctx, err = s.receive(ctx, kind, data); err != nil {
			s.connection.end(err)
		}
	}
}

// message is a message of a client.
type message struct {
	kind, id string
	payload  any             // as rule.Object returns it
	problem  *gqlerror.Error // in the payload
}

// readMessage reads a message as strictly as the body of a request. A fault in the payload of an operation is an error
// of this operation only, and the message is sound: the other operations of the connection go on.
func readMessage(data []byte) (m message, sound bool) {
	members, problem := decodeObject("message", data)
	if problem != nil {
		place, _ := problem.Extensions["field"].(string)
		if place != "payload" && !strings.HasPrefix(place, "payload.") {
			return m, false
		}
		var raw map[string]json.RawMessage // its names differ by case
		m.problem = problem
		sound = json.Unmarshal(data, &raw) == nil && json.Unmarshal(raw["type"], &m.kind) == nil && m.kind == "subscribe"
		return m, sound && json.Unmarshal(raw["id"], &m.id) == nil
	}
	m.kind, sound = members["type"].(string)
	id, isText := members["id"].(string)
	m.id, m.payload = id, members["payload"]
	return m, sound && (isText || members["id"] == nil)
}

// receive handles a message of the client. It returns the context for the messages that follow. An error ends the
// connection.
func (s *socket) receive(ctx context.Context, kind websocket.MessageType, data []byte) (context.Context, error) {
	started := graphql.Now()
	m, sound := readMessage(data)
	if kind != websocket.MessageText || !sound {
		return ctx, errInvalidMessage
	}
	switch m.kind {
	case "subscribe":
		switch {
		case !s.initiated:
			return ctx, errTooEarly
		case m.id == "" || len(m.id) > maxOperationID:
			return ctx, errInvalidMessage
		}
		return ctx, s.subscribe(ctx, m, started)
	case "complete":
		if m.id == "" {
			return ctx, errInvalidMessage
		}
		s.leave(m.id)
		return ctx, nil
	}
	payload, isObject := m.payload.(map[string]any)
	if !isObject && m.payload != nil {
		return ctx, errInvalidMessage
	}
	switch m.kind {
	case "connection_init":
		if s.initiated {
			return ctx, errInitTwice
		}
		return s.initiate(ctx, payload)
	case "ping":
		return ctx, s.answerPing(payload)
	case "pong":
		s.await(false)
		return ctx, nil
	}
	return ctx, errInvalidMessage
}

// initiate handles connection_init: from then on the client may send operations, and gets pings.
func (s *socket) initiate(ctx context.Context, payload map[string]any) (context.Context, error) {
	s.initiated = true
	s.initTimeout.Stop()
	ctx, err := s.authenticate(ctx, payload)
	if err != nil {
		return ctx, err
	}
	s.goroutines.Go(s.ping)
	return ctx, s.send(envelope{kind: "connection_ack"})
}

// ping regularly sends a ping until the connection ends.
func (s *socket) ping() {
	ticker := time.NewTicker(s.times.Ping)
	defer ticker.Stop()
	for {
		select {
		case <-s.over:
			return
		case <-ticker.C:
		}
		s.await(true)
		if s.send(envelope{kind: "ping"}) != nil {
			return
		}
	}
}

// await records that a pong is awaited, or has come. If it does not come in time, the connection ends.
func (s *socket) await(pong bool) {
	s.pongMu.Lock()
	defer s.pongMu.Unlock()
	if s.awaited == pong {
		return
	}
	s.awaited = pong
	if pong {
		s.pong = time.AfterFunc(2*s.times.Ping, func() { s.connection.end(errNoPong) })
	} else {
		s.pong.Stop()
	}
}

// answerPing sends a pong with the payload of the client's ping.
func (s *socket) answerPing(payload map[string]any) error {
	answer := envelope{kind: "pong"}
	if payload != nil {
		var err error
		if answer.payload, err = json.Marshal(payload); err != nil {
			return err
		}
	}
	return s.send(answer)
}

// subscribe runs an operation beside the others. A fault of the operation is sent as an error for its id.
func (s *socket) subscribe(ctx context.Context, m message, started time.Time) error {
	params, problem := paramsOf(m)
	op := &running{id: m.id}
	s.runningMu.Lock()
	_, taken := s.running[m.id]
	full := s.count >= maxOperations
	if problem == nil && !taken && !full {
		ctx, op.cancel = context.WithCancel(graphql.StartOperationTrace(ctx))
		s.count++
		s.running[m.id] = op
	}
	s.runningMu.Unlock()
	switch {
	case taken:
		return closing{4409, "Subscriber for " + m.id + " already exists"}
	case problem != nil:
		return s.fail(m.id, problem)
	case full:
		problem := failure(codeRateLimited, fmt.Sprintf(
			"%d operations are running on this connection: wait until one of them is complete", maxOperations))
		problem.Extensions["retryAfter"] = 1
		return s.fail(m.id, problem)
	}
	params.Headers = s.header
	params.ReadTime = graphql.TraceTiming{Start: started, End: graphql.Now()}
	operation, errs := s.exec.CreateOperationContext(ctx, params)
	ctx = graphql.WithOperationContext(ctx, operation)
	if errs != nil {
		s.end(op, s.exec.DispatchError(ctx, errs).Errors)
		return nil
	}
	s.goroutines.Go(func() { s.operate(ctx, op, operation) })
	return nil
}

// paramsOf reads the payload of an operation.
func paramsOf(m message) (*graphql.RawParams, *gqlerror.Error) {
	if m.problem != nil {
		return nil, m.problem
	}
	members, isObject := m.payload.(map[string]any)
	if !isObject {
		return nil, badInput("payload", "payload must be "+requestForm)
	}
	return newParams(members)
}

// operate runs an operation, sends its responses, and then sends how it has ended.
func (s *socket) operate(ctx context.Context, op *running, operation *graphql.OperationContext) {
	var failed gqlerror.List
	defer func() {
		if reason := recover(); reason != nil {
			failed = s.exec.DispatchError(ctx, gqlerror.List{gqlerror.Wrap(operation.Recover(ctx, reason))}).Errors
		}
		s.end(op, failed)
	}()
	fail := func(_ context.Context, err *gqlerror.Error) *graphql.Response {
		failed = gqlerror.List{err}
		return nil
	}
	exec := streamed{GraphExecutor: s.exec, timeout: s.operating, failed: fail}
	responses, answering := exec.DispatchOperation(ctx, operation)
	for response := responses(answering); response != nil; response = responses(answering) {
		s.next(op, encode(s.log, response, true))
	}
}

// next sends a response, unless the client has left its operation.
func (s *socket) next(op *running, response []byte) {
	s.runningMu.Lock()
	defer s.runningMu.Unlock()
	if s.running[op.id] == op {
		_ = s.send(envelope{kind: "next", id: op.id, payload: response}) // the operation ends with the connection
	}
}

// end removes an operation. Unless the client has left it, end sends that it is complete, or why it failed. It sends
// nothing if the connection ends, because then the operation is not complete.
func (s *socket) end(op *running, failed gqlerror.List) {
	s.runningMu.Lock()
	defer s.runningMu.Unlock()
	s.count--
	op.cancel()
	if s.running[op.id] != op {
		return
	}
	delete(s.running, op.id)
	select {
	case <-s.over:
		return
	default:
	}
	if len(failed) > 0 {
		_ = s.fail(op.id, failed...)
		return
	}
	_ = s.send(envelope{kind: "complete", id: op.id})
}

// leave ends an operation that the client has completed, if there is one.
func (s *socket) leave(id string) {
	s.runningMu.Lock()
	defer s.runningMu.Unlock()
	if op := s.running[id]; op != nil {
		delete(s.running, id)
		op.cancel()
	}
}

// fail sends the errors for which an operation has no result.
func (s *socket) fail(id string, problems ...*gqlerror.Error) error {
	payload, err := json.Marshal(problems)
	if err != nil {
		return err
	}
	return s.send(envelope{kind: "error", id: id, payload: payload})
}

// send sends a message. If the client does not read it within StreamTimes.Write, the connection ends.
func (s *socket) send(m envelope) error {
	data, err := m.encode()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.times.Write)
	defer cancel()
	if err := s.conn.Write(ctx, websocket.MessageText, data); err != nil {
		s.connection.end(context.Canceled) // nothing can be sent any more
		return err
	}
	return nil
}
