package graph

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"lorebridge/auth"
)

// eventStreams answers with server-sent events if the client prefers them: one operation for each request, which is the
// "distinct connections mode" of graphql-sse's PROTOCOL.md. A request that it cannot read it rejects as httpTransport
// does.
type eventStreams struct {
	http        httpTransport
	connections *connections
	times       StreamTimes
}

var _ graphql.Transport = eventStreams{}

func (eventStreams) Supports(r *http.Request) bool {
	return negotiate(r.Header, answerTypes) == typeEvents
}

func (t eventStreams) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	params, status, rejection := readParams(w, r)
	if rejection != nil {
		t.http.reject(w, typeJSON, status, rejection)
		return
	}
	ctx := r.Context()
	s := &eventStream{writer: w, control: http.NewResponseController(w), log: t.http.log, timeout: t.times.Write}
	operation, errs := exec.CreateOperationContext(ctx, params)
	if rejection := byPOSTOnly(w, r, params, operation); rejection != nil {
		t.http.reject(w, typeJSON, http.StatusMethodNotAllowed, rejection)
		return
	}
	if errs != nil { // sent in the stream (PROTOCOL.md), because a browser does not show the body of an error status
		s.next(exec.DispatchError(graphql.WithOperationContext(ctx, operation), errs), false)
		s.complete()
		return
	}
	exec = streamed{GraphExecutor: exec, timeout: t.http.timeout, failed: func(_ context.Context, err *gqlerror.Error) *graphql.Response {
		return &graphql.Response{Errors: gqlerror.List{err}}
	}}
	if operation.Operation.Operation != ast.Subscription {
		s.answer(ctx, exec, operation)
		s.complete()
		return
	}
	ctx, connection, err := t.connections.begin(ctx)
	if err != nil {
		t.http.rejectConnection(w, err)
		return
	}
	defer connection.done()
	if viewer, err := auth.FromContext(ctx); err == nil {
		if err := connection.count(viewer); err != nil { // its session ends the request
			connection.end(err)
		}
	}
	stop := s.begin(ctx, t.times.Ping)
	defer stop() // after a panic
	if ctx.Err() == nil {
		s.answer(ctx, exec, operation)
	}
	stop()
	s.finish(ctx, exec)
}

// eventStream is the answer to one request.
type eventStream struct {
	log     *slog.Logger
	control *http.ResponseController
	timeout time.Duration

	mu     sync.Mutex // guards writer and begun
	writer http.ResponseWriter
	begun  bool
}

// begin sends an empty comment at once, and then regularly until stop is called, so that the client sees that its
// stream is open.
func (s *eventStream) begin(ctx context.Context, every time.Duration) (stop func()) {
	s.write(":\n\n")
	ctx, cancel := context.WithCancel(ctx)
	var pings sync.WaitGroup
	pings.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				s.write(":\n\n")
			}
		}
	})
	return func() {
		cancel()
		pings.Wait()
	}
}

func (s *eventStream) answer(ctx context.Context, exec graphql.GraphExecutor, operation *graphql.OperationContext) {
	responses, ctx := exec.DispatchOperation(ctx, operation)
	for response := responses(ctx); response != nil; response = responses(ctx) {
		s.next(response, true)
	}
}

// finish ends a subscription. It sends the reason if the client can do something about it.
func (s *eventStream) finish(ctx context.Context, exec graphql.GraphExecutor) {
	err := context.Cause(ctx)
	switch {
	case err == nil:
		s.complete()
	case errors.Is(err, context.Canceled): // the client is gone
	case errors.Is(err, errStopping):
		// No complete, and not even an end of the body: the client sees a broken connection, and connects again.
		_ = s.control.SetWriteDeadline(time.Unix(1, 0))
	default:
		s.next(exec.DispatchError(context.WithoutCancel(ctx), gqlerror.List{gqlerror.Wrap(err)}), false)
		s.complete()
	}
}

func (s *eventStream) next(response *graphql.Response, ran bool) {
	s.write(fmt.Sprintf("event: next\ndata: %s\n\n", encode(s.log, response, ran)))
}

func (s *eventStream) complete() { s.write("event: complete\ndata:\n\n") }

// write sends a text, and the headers before the first one. The client has StreamTimes.Write to read it, because the
// deadline of the server is for a whole answer.
func (s *eventStream) write(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.begun {
		s.begun = true
		header := s.writer.Header()
		header.Set("Content-Type", typeEvents+"; charset=utf-8")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Accel-Buffering", "no") // nginx would keep the events until it has many
	}
	err := s.control.SetWriteDeadline(time.Now().Add(s.timeout))
	if err == nil {
		_, err = io.WriteString(s.writer, text)
	}
	if err == nil {
		err = s.control.Flush()
	}
	if err != nil { // and net/http has ended the request's context
		s.log.Debug("the client of an event stream is gone", slog.Any("error", err))
	}
}

// rejectConnection answers a request that connections.begin did not accept.
func (t httpTransport) rejectConnection(w http.ResponseWriter, err error) {
	if limited, ok := errors.AsType[*auth.RateLimitError](err); ok {
		problem := failure(codeRateLimited, "too many connections: "+limited.Error())
		problem.Extensions["retryAfter"] = limited.Seconds()
		t.reject(w, typeJSON, http.StatusTooManyRequests, problem)
		return
	}
	t.reject(w, typeJSON, http.StatusServiceUnavailable, failure(codeInternal, err.Error()))
}
