package graph

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/coder/websocket"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"lorebridge/auth"
	"lorebridge/ent/rule"
)

const subprotocol = "graphql-transport-ws"

// webSockets serves graphql-transport-ws, as graphql-ws's PROTOCOL.md says. gqlgen's transport runs the operations; a socket stands
// between it and the client, and keeps the rules that gqlgen does not.
type webSockets struct {
	http        httpTransport
	connections *connections
	times       StreamTimes
}

var _ graphql.Transport = webSockets{}

func (webSockets) Supports(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

func (t webSockets) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	if !offersSubprotocol(r.Header) { // without any, gqlgen would speak an older one
		t.http.refuse(w, typeJSON, http.StatusBadRequest, badInput("Sec-WebSocket-Protocol", "offer the subprotocol "+subprotocol))
		return
	}
	auth.Detach(r.Context()) // connection_init has the last word on whose session it is
	ctx, connection, err := t.connections.begin(withoutCookies(r.Context()))
	if err != nil {
		t.http.refuseConnection(w, err)
		return
	}
	defer connection.done()
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:       []string{subprotocol},
		InsecureSkipVerify: true, // of the origin: auth.Middleware compares it, as for every request
	})
	if err != nil { // and answered
		t.http.log.DebugContext(ctx, "a WebSocket was refused", slog.Any("error", err))
		return
	}
	conn.SetReadLimit(MaxBody)
	s := newSocket(ctx, conn, connection, t)
	defer s.finish()
	transport.Websocket{Implementation: accepted{s}, InitFunc: s.authenticate, PingPongInterval: t.times.Ping}.
		Do(w, r.WithContext(ctx), operations{
			streamed{GraphExecutor: exec, timeout: t.http.timeout, failed: failSubscription}, &s.operations,
		})
}

func offersSubprotocol(header http.Header) bool {
	for name := range strings.SplitSeq(strings.Join(header.Values("Sec-WebSocket-Protocol"), ","), ",") {
		if strings.EqualFold(strings.TrimSpace(name), subprotocol) {
			return true
		}
	}
	return false
}

// accepted gives gqlgen a socket that is there already.
type accepted struct{ *socket }

func (a accepted) Accept(http.ResponseWriter, *http.Request, transport.WebsocketAcceptOptions) (transport.WebsocketConn, error) {
	return a.socket, nil
}

// authenticate lets the viewer of connection_init ask, or else the viewer of the upgrade, or nobody.
func (s *socket) authenticate(ctx context.Context, payload transport.InitPayload) (context.Context, *transport.InitPayload, error) {
	ctx, err := s.identify(ctx, payload)
	if err == nil {
		viewer, nobody := auth.FromContext(ctx)
		switch unavailable, ok := errors.AsType[*rule.UnavailableError](nobody); {
		case nobody == nil:
			err = s.connection.bind(ctx, viewer)
		case ok: // who is asking stays unknown on this connection
			err = unavailable
		}
	}
	if err != nil {
		s.connection.end(err)
	}
	return ctx, nil, err
}

// identify adds the viewer of the token in the payload, if there is one.
func (s *socket) identify(ctx context.Context, payload transport.InitPayload) (context.Context, error) {
	var given any
	for key, value := range payload { // as with a header, case does not matter
		if !strings.EqualFold(key, "Authorization") || value == nil || value == "" {
			continue
		}
		if given != nil {
			return ctx, errNoBearer
		}
		given = value
	}
	if given == nil {
		return ctx, nil
	}
	text, _ := given.(string)
	scheme, token, _ := strings.Cut(text, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ctx, errNoBearer
	}
	viewer, err := s.connection.all.accounts.ViewerOf(ctx, strings.TrimSpace(token))
	if err != nil {
		return ctx, err
	}
	return auth.NewContext(ctx, viewer), nil
}

// failSubscription ends an operation of a WebSocket with an error message.
func failSubscription(ctx context.Context, err *gqlerror.Error) *graphql.Response {
	transport.AddSubscriptionError(ctx, err)
	return nil
}

// operations lets one wait for the operations that gqlgen runs: it does not.
type operations struct {
	streamed
	running *sync.WaitGroup
}

// CreateOperationContext is called before gqlgen begins to run an operation.
func (o operations) CreateOperationContext(ctx context.Context, params *graphql.RawParams) (*graphql.OperationContext, gqlerror.List) {
	operation, errs := o.streamed.CreateOperationContext(ctx, params)
	if errs != nil { // gqlgen sends an error message only for codes that it knows: DispatchError gives it what is in here
		return operation, gqlerror.List{{Err: errs, Extensions: map[string]any{"code": codeValidationFailed}}}
	}
	o.running.Add(1)
	return operation, nil
}

func (o operations) DispatchError(ctx context.Context, list gqlerror.List) *graphql.Response {
	if errs, wrapped := errors.AsType[gqlerror.List](list[0].Err); wrapped {
		list = errs
	}
	return o.streamed.DispatchError(ctx, list)
}

func (o operations) DispatchOperation(ctx context.Context, operation *graphql.OperationContext) (graphql.ResponseHandler, context.Context) {
	over := sync.OnceFunc(o.running.Done)
	panicked := true
	defer func() {
		if panicked {
			over()
		}
	}()
	responses, ctx := o.streamed.DispatchOperation(ctx, operation)
	panicked = false
	return func(ctx context.Context) *graphql.Response {
		var response *graphql.Response
		defer func() { // after a panic, too
			if response == nil {
				over()
			}
		}()
		response = responses(ctx)
		return response
	}, ctx
}
