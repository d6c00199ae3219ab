package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// executionTimeout is how long one execution may take.
const executionTimeout = 10 * time.Second

// executor runs the operations of subscriptions. It may be used concurrently.
type executor struct {
	*registry
	log      *slog.Logger
	identity Identity
	executor func() graphql.GraphExecutor
	revokes  func(code any) bool // an error with this code ends a subscription
	running  chan struct{}       // as many executions as may run at a time
}

// outcome is what an execution gave.
type outcome struct {
	at      Seq       // the event's place
	when    time.Time // it happened
	result  []byte    // the GraphQL result as JSON; nil if nothing is to be sent
	end     string    // why the subscription ends with this; empty if it goes on
	failure string    // what went wrong, for the operator

	open  bool                        // the source of the result has no Allow
	allow func(context.Context) error // asked for each member before it is sent the result; nil for nobody

	variants map[variant]rendering // for all who need the same
}

// Why subscriptions end.
const (
	reasonCompleted   = "nothing more will follow"
	reasonRevoked     = "the rights have been revoked: "
	reasonInvalid     = "the schema no longer accepts its document: "
	reasonExpired     = "its session has ended"
	reasonUnjoined    = "nobody joined its channel"
	reasonLeft        = "its client left the channel"
	reasonNoPlace     = "its person's places were taken when its client came back"
	reasonTooManyAway = "too many others of its person were away for less long"
	reasonLifetime    = "it has reached its greatest age"
	reasonTooLarge    = "a result was too large for Pusher"
	reasonRenamed     = "encryption was turned on or off, or the namespace of channels changed"
)

// revoking are the codes of errors that by default mean that the viewer may no longer subscribe.
var revoking = map[any]bool{codeUnauthenticated: true, codeForbidden: true, codeNotFound: true}

// execute runs a stored operation for one event as soon as one more may run.
func (x *executor) execute(ctx context.Context, op operation, viewer Viewer, t Topic, e *Event) outcome {
	select {
	case x.running <- struct{}{}:
		defer func() { <-x.running }()
	case <-ctx.Done():
		return outcome{at: e.Seq, when: e.At, failure: "the server is stopping"}
	}
	return x.run(ctx, op, viewer, t, e)
}

// run runs a stored operation for one event with the rights of now. Whatever happens in it, only its outcome suffers.
func (x *executor) run(ctx context.Context, op operation, viewer Viewer, t Topic, e *Event) (o outcome) {
	x.mu.Lock()
	x.stats.Executions++
	x.mu.Unlock()
	defer func() {
		if reason := recover(); reason != nil {
			x.log.ErrorContext(ctx, "a subscription panicked", slog.Any("reason", reason), slog.String("stack", string(debug.Stack())))
			o = x.newOutcome(e, &graphql.Response{Errors: gqlerror.List{{
				Message: "internal error", Extensions: map[string]any{"code": CodeInternal},
			}}}, false)
		}
	}()
	ctx, cancel := context.WithTimeout(x.identity.With(ctx, viewer), executionTimeout)
	defer cancel()
	exec := x.executor()
	call := &delivering{topic: t, event: e}
	ctx = graphql.StartOperationTrace(context.WithValue(ctx, callKey{}, call))
	oc, errs := exec.CreateOperationContext(ctx, &graphql.RawParams{
		Query: op.document, OperationName: op.name, Variables: op.variables,
	})
	if errs != nil {
		return outcome{at: e.Seq, when: e.At, end: reasonInvalid + errs.Error(), failure: errs.Error()}
	}
	responses, ctx := exec.DispatchOperation(ctx, oc)
	response := responses(ctx)
	if response == nil && ctx.Err() != nil { // it was cut short, which is not the same as nothing to send
		response = exec.DispatchError(ctx, gqlerror.List{gqlerror.Wrap(ctx.Err())})
	}
	o = x.newOutcome(e, response, call.last)
	o.allow, o.open = call.allow, call.open
	if call.foreign && o.end == "" {
		return outcome{at: e.Seq, when: e.At, failure: ErrForbidden.Error(), end: reasonRevoked + ErrForbidden.Error()}
	}
	return o
}

// newOutcome reads a response. Without one there is nothing to send. Errors beside data are sent as GraphQL has them.
// Without data they end the subscription if their code does. Otherwise they are sent too: they stand for an update that
// its client would miss.
func (x *executor) newOutcome(e *Event, response *graphql.Response, last bool) outcome {
	return x.outcomeOf(e.Seq, e.At, response, last)
}

func (x *executor) outcomeOf(at Seq, when time.Time, response *graphql.Response, last bool) outcome {
	o := outcome{at: at, when: when}
	if last {
		o.end = reasonCompleted
	}
	if response == nil {
		return o
	}
	if len(response.Errors) > 0 {
		o.failure = response.Errors.Error()
		if code := response.Errors[0].Extensions["code"]; len(response.Data) == 0 && x.revokes(code) {
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
func encodeResult(at Seq, when time.Time, data []byte, errs gqlerror.List) ([]byte, error) {
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
	text.WriteString(`,"extensions":{"subscription":{"seq":` + strconv.FormatInt(int64(at), 10) + `,"ts":"` + formatTime(when) + `"}}}`)
	return text.Bytes(), nil
}

// formatTime is a moment as clients read it: in UTC, with milliseconds.
func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// ask asks whether a viewer may have an outcome, and returns what ends the subscription if the answer is no. An error
// is no answer, because time was up or something is unavailable: the question is repeated later.
func (x *executor) ask(ctx context.Context, o *outcome, viewer Viewer) (end *outcome, err error) {
	err = x.allow(ctx, o.allow, viewer)
	switch unavailable := Unavailable(nil); {
	case err == nil:
		return nil, nil
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		errors.As(err, &unavailable):
		return nil, fmt.Errorf("ask whether the viewer may have a result: %w", err)
	}
	return &outcome{at: o.at, when: o.when, failure: err.Error(), end: reasonRevoked + err.Error()}, nil
}

// allow asks a source for a viewer. A panic is an error.
func (x *executor) allow(ctx context.Context, allow func(context.Context) error, viewer Viewer) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			x.log.ErrorContext(ctx, "an Allow panicked", slog.Any("reason", reason), slog.String("stack", string(debug.Stack())))
			err = errInternal
		}
	}()
	return allow(x.identity.With(ctx, viewer))
}

// gap is the result for a client that missed more than can be sent once more, up to a place.
func (x *executor) gap(at Seq, when time.Time) outcome {
	return x.outcomeOf(at, when, &graphql.Response{Errors: gqlerror.List{{
		Message: ErrGap.Error(), Extensions: map[string]any{"code": CodeGap},
	}}}, false)
}
