package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/outbox"
)

// executionTimeout is how long one execution may take.
const executionTimeout = 10 * time.Second

// outcome is what an execution gave.
type outcome struct {
	at      outbox.Cursor // the event's place
	when    time.Time     // it happened
	result  []byte        // the GraphQL result as JSON; nil where nothing is to be sent
	end     string        // why the subscription ends with this; empty where it goes on
	failure string        // what went wrong, for whoever looks after the server

	variants map[variant]rendering // for all who need the same
}

// Why subscriptions end.
const (
	reasonCompleted   = "nothing more will follow"
	reasonRevoked     = "the rights have been revoked: "
	reasonInvalid     = "the schema no longer accepts its document: "
	reasonExpired     = "its session has ended"
	reasonLeft        = "its client left the channel"
	reasonNoPlace     = "its person's places were taken when its client came back"
	reasonTooManyAway = "too many others of its person were away for less long"
	reasonLifetime    = "it has reached its greatest age"
	reasonTooLarge    = "a result was too large for Pusher"
	reasonRenamed     = "encryption was turned on or off, or the namespace of channels changed"
)

// revoking are the codes of errors that say that the viewer may no longer subscribe. Contract: graph gives them.
var revoking = map[any]bool{"UNAUTHENTICATED": true, "FORBIDDEN": true, "NOT_FOUND": true}

// execute runs a stored operation for one event as soon as one more may run.
func (s *Subscriptions) execute(ctx context.Context, op operation, viewer auth.Viewer, t outbox.Topic, e *ent.Event) outcome {
	select {
	case s.running <- struct{}{}:
		defer func() { <-s.running }()
	case <-ctx.Done():
		return outcome{at: outbox.At(e), when: e.CreatedAt, failure: "the server is stopping"}
	}
	return s.run(ctx, op, viewer, t, e)
}

// run runs a stored operation for one event with the rights of now. Whatever happens in it, only its outcome suffers.
func (s *Subscriptions) run(ctx context.Context, op operation, viewer auth.Viewer, t outbox.Topic, e *ent.Event) (o outcome) {
	s.mu.Lock()
	s.stats.Executions++
	s.mu.Unlock()
	defer func() {
		if reason := recover(); reason != nil {
			s.log.ErrorContext(ctx, "a subscription panicked", slog.Any("reason", reason), slog.String("stack", string(debug.Stack())))
			o = newOutcome(e, &graphql.Response{Errors: gqlerror.List{{
				Message: "internal error", Extensions: map[string]any{"code": "INTERNAL"},
			}}}, false)
		}
	}()
	ctx, cancel := context.WithTimeout(auth.NewContext(ctx, viewer), executionTimeout)
	defer cancel()
	call := &delivering{topic: t, event: e}
	ctx = graphql.StartOperationTrace(context.WithValue(ctx, callKey{}, call))
	oc, errs := s.exec.CreateOperationContext(ctx, &graphql.RawParams{
		Query: op.document, OperationName: op.name, Variables: op.variables,
	})
	if errs != nil {
		return outcome{at: outbox.At(e), when: e.CreatedAt, end: reasonInvalid + errs.Error(), failure: errs.Error()}
	}
	responses, ctx := s.exec.DispatchOperation(ctx, oc)
	response := responses(ctx)
	if response == nil && ctx.Err() != nil { // not that there is nothing to tell: it came to no end
		response = s.exec.DispatchError(ctx, gqlerror.List{gqlerror.Wrap(ctx.Err())})
	}
	return newOutcome(e, response, call.last)
}

// newOutcome reads a response. Without one there is nothing to tell. Errors beside data are sent as GraphQL has them;
// where there is no data they say that the subscription has ended, or are sent, for they stand for an update that its
// client would else miss.
func newOutcome(e *ent.Event, response *graphql.Response, last bool) outcome {
	return outcomeOf(outbox.At(e), e.CreatedAt, response, last)
}

func outcomeOf(at outbox.Cursor, when time.Time, response *graphql.Response, last bool) outcome {
	o := outcome{at: at, when: when}
	if last {
		o.end = reasonCompleted
	}
	if response == nil {
		return o
	}
	if len(response.Errors) > 0 {
		o.failure = response.Errors.Error()
		if code := response.Errors[0].Extensions["code"]; len(response.Data) == 0 && revoking[code] {
			o.end = reasonRevoked + response.Errors[0].Message
			return o
		}
	}
	result, err := encodeResult(o.at, o.when, response.Data, response.Errors)
	if err != nil {
		o.failure = err.Error()
		return o
	}
	o.result = result
	return o
}

// encodeResult writes a GraphQL result with the event's place in the log, and when it happened.
func encodeResult(at outbox.Cursor, when time.Time, data []byte, errs gqlerror.List) ([]byte, error) {
	var text bytes.Buffer
	text.WriteString(`{"data":`)
	if len(data) == 0 {
		text.WriteString("null")
	} else {
		text.Write(data)
	}
	if len(errs) > 0 {
		encoded, err := json.Marshal(errs)
		if err != nil {
			return nil, fmt.Errorf("encode the errors of a result: %w", err)
		}
		text.WriteString(`,"errors":`)
		text.Write(encoded)
	}
	text.WriteString(`,"extensions":{"subscription":{"seq":` + strconv.Itoa(at.Seq()) + `,"ts":"` + outbox.FormatTime(when) + `"}}}`)
	return text.Bytes(), nil
}
