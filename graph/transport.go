package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

const (
	// MaxBody is how many bytes a request may have.
	MaxBody = 1 << 20
	// DefaultTimeout is how long an operation may take.
	DefaultTimeout = 30 * time.Second
)

// httpTransport answers GET and POST by the GraphQL-over-HTTP specification, and every other request with an error. It
// is the last transport, because it supports every request.
type httpTransport struct {
	log           *slog.Logger
	timeout       time.Duration
	subscriptions Subscriptions
}

var _ graphql.Transport = httpTransport{}

func (httpTransport) Supports(*http.Request) bool { return true }

func (t httpTransport) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	ctx, cancel := context.WithTimeout(r.Context(), t.timeout)
	defer cancel()
	answerType := negotiate(r.Header, answerTypes)
	params, status, rejection := readParams(w, r)
	switch {
	case answerType == "":
		t.reject(w, typeJSON, http.StatusNotAcceptable,
			failure(codeNotAcceptable, "accept "+typeGraphQL+", "+typeJSON+" or "+typeEvents))
		return
	case rejection != nil:
		t.reject(w, answerType, status, rejection)
		return
	}
	operation, errs := exec.CreateOperationContext(ctx, params)
	if rejection := byPOSTOnly(w, r, params, operation); rejection != nil {
		t.reject(w, answerType, http.StatusMethodNotAllowed, rejection)
		return
	}
	if errs != nil { // nothing ran: no data, and only the newer media type has a status for it
		status := http.StatusOK
		if answerType == typeGraphQL {
			status = http.StatusBadRequest
		}
		t.write(w, answerType, status, exec.DispatchError(graphql.WithOperationContext(ctx, operation), errs), false)
		return
	}
	if operation.Operation.Operation == ast.Subscription {
		response, channel := t.subscriptions.Register(ctx, exec, operation)
		if channel != "" {
			w.Header().Set("X-Subscription-ID", channel)
		}
		t.write(w, answerType, http.StatusOK, response, true)
		return
	}
	responses, ctx := exec.DispatchOperation(ctx, operation)
	response := responses(ctx)
	if response == nil { // the context ended before anything was resolved
		response = exec.DispatchError(ctx, gqlerror.List{gqlerror.Wrap(context.DeadlineExceeded)})
	}
	t.write(w, answerType, http.StatusOK, response, true)
}

// readParams reads a request, or returns the status and the error that reject it.
func readParams(w http.ResponseWriter, r *http.Request) (*graphql.RawParams, int, *gqlerror.Error) {
	start := graphql.Now()
	var params *graphql.RawParams
	var status int
	var rejection *gqlerror.Error
	switch {
	case isGET(r):
		params, status, rejection = readURL(r.URL)
	case r.Method == http.MethodPost:
		params, status, rejection = readBody(w, r)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		return nil, http.StatusMethodNotAllowed, failure(codeMethodNotAllowed, r.Method+" is not served: use POST, or GET for queries")
	}
	if rejection != nil {
		return nil, status, rejection
	}
	params.Headers = r.Header
	params.ReadTime = graphql.TraceTiming{Start: start, End: graphql.Now()}
	return params, 0, nil
}

// readBody is readParams for POST.
func readBody(w http.ResponseWriter, r *http.Request) (*graphql.RawParams, int, *gqlerror.Error) {
	switch {
	case isEncoded(r.Header):
		w.Header().Set("Accept-Encoding", "identity")
		return nil, http.StatusUnsupportedMediaType, failure(codeUnsupportedMediaType, "send the body as it is, without a Content-Encoding")
	case !isJSON(r.Header):
		w.Header().Set("Accept", typeJSON)
		return nil, http.StatusUnsupportedMediaType, failure(codeUnsupportedMediaType, "send one Content-Type: application/json, in UTF-8")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, http.StatusRequestEntityTooLarge,
			failure(codePayloadTooLarge, "the body is over "+strconv.Itoa(MaxBody)+" bytes: send less at once")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, http.StatusRequestTimeout, failure(codeTimeout, "the body came too slowly: send it again")
	case err != nil:
		return nil, http.StatusBadRequest, badInput("body", "the body could not be read to its end")
	}
	params, problem := decodeParams(body)
	if problem != nil {
		return nil, http.StatusBadRequest, problem
	}
	return params, 0, nil
}

func (t httpTransport) reject(w http.ResponseWriter, answerType string, status int, err *gqlerror.Error) {
	t.write(w, answerType, status, &graphql.Response{Errors: gqlerror.List{err}}, false)
}

// write answers the request with the response.
func (t httpTransport) write(w http.ResponseWriter, answerType string, status int, response *graphql.Response, ran bool) {
	if seconds := retryAfter(response.Errors); seconds > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		if !ran || len(response.Data) == 0 || bytes.Equal(response.Data, []byte("null")) {
			status, ran = http.StatusServiceUnavailable, false
		}
	}
	body := encode(t.log, response, ran)
	header := w.Header()
	header.Set("Content-Type", answerType+"; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, err := w.Write(body)
	if err == nil { // now, because a waiter for the end of this request needs the answer sent
		err = http.NewResponseController(w).Flush()
	}
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		t.log.Debug("the client is gone before its answer", slog.Any("error", err))
	}
}

// retryAfter returns the largest retryAfter of the UNAVAILABLE errors of an answer in seconds, or zero.
func retryAfter(errs gqlerror.List) (seconds int) {
	for _, err := range errs {
		if after, ok := err.Extensions["retryAfter"].(int); ok && err.Extensions["code"] == codeUnavailable {
			seconds = max(seconds, after)
		}
	}
	return seconds
}

// encode writes a response without a second pass over its data, which is JSON already. It writes data only if the
// operation ran.
func encode(log *slog.Logger, response *graphql.Response, ran bool) []byte {
	var buf bytes.Buffer
	buf.Grow(len(response.Data) + 256)
	separator := byte('{')
	member := func(name string, value []byte) {
		buf.WriteByte(separator)
		buf.WriteString(`"` + name + `":`)
		buf.Write(value)
		separator = ','
	}
	marshal := func(name string, value any) {
		encoded, err := json.Marshal(value)
		if err != nil { // an extension that is no JSON: the rest of the answer is still useful
			log.Error("a part of an answer could not be written", slog.String("part", name), slog.Any("error", err))
			return
		}
		member(name, encoded)
	}
	if len(response.Errors) > 0 {
		marshal("errors", response.Errors)
	}
	if ran && len(response.Data) > 0 {
		member("data", response.Data)
	} else if ran {
		member("data", []byte("null"))
	}
	if len(response.Extensions) > 0 {
		marshal("extensions", response.Extensions)
	}
	buf.WriteByte('}')
	return buf.Bytes()
}
