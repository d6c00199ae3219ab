package graph

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/coder/websocket"

	"lorebridge/auth"
	"lorebridge/rule"
)

const subprotocol = "graphql-transport-ws"

// webSockets serves graphql-transport-ws. Its document is graphql-ws's PROTOCOL.md.
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
	if !offersSubprotocol(r.Header) {
		t.http.reject(w, typeJSON, http.StatusBadRequest, badInput("Sec-WebSocket-Protocol", "offer the subprotocol "+subprotocol))
		return
	}
	auth.Detach(r.Context()) // connection_init decides whose session it is
	ctx, connection, err := t.connections.begin(withoutCookies(r.Context()))
	if err != nil {
		t.http.rejectConnection(w, err)
		return
	}
	defer connection.done()
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:       []string{subprotocol},
		InsecureSkipVerify: true, // of the origin: auth.Middleware compares it, as for every request
	})
	if err != nil { // and answered
		t.http.log.DebugContext(ctx, "a WebSocket was rejected", slog.Any("error", err))
		return
	}
	conn.SetReadLimit(MaxBody)
	s := newSocket(ctx, conn, connection, t, exec, r.Header)
	defer s.finish()
	s.run(ctx)
}

func offersSubprotocol(header http.Header) bool {
	for name := range strings.SplitSeq(strings.Join(header.Values("Sec-WebSocket-Protocol"), ","), ",") {
		if strings.EqualFold(strings.TrimSpace(name), subprotocol) {
			return true
		}
	}
	return false
}

// authenticate returns the context with the viewer of connection_init, or of the upgrade if connection_init has none.
func (s *socket) authenticate(ctx context.Context, payload map[string]any) (context.Context, error) {
	ctx, err := s.identify(ctx, payload)
	if err != nil {
		return ctx, err
	}
	viewer, nobody := auth.FromContext(ctx)
	if nobody == nil {
		return ctx, s.connection.bind(ctx, viewer)
	}
	if unavailable, ok := errors.AsType[*rule.UnavailableError](nobody); ok {
		return ctx, unavailable // the viewer would stay unknown on this connection
	}
	return ctx, nil
}

// identify adds the viewer of the token in the payload, if there is one.
func (s *socket) identify(ctx context.Context, payload map[string]any) (context.Context, error) {
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
