package pusherapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pusher/pusher-http-go/v5"
)

const (
	// maxAnswer is how many bytes of an answer are read. What is longer is not Pusher's.
	maxAnswer = 64 << 10
	// maxList is maxAnswer for the list of occupied channels, of which each takes some 50.
	maxList = 16 << 20
)

// call makes one call of Pusher's HTTP API for a purpose, and returns Pusher's answer. Its error is a *RefusedError
// if Pusher will never take the event, and else a *CallError.
//
// pusher-http-go knows no context and has a status only in words. Therefore each call gets a copy of the client whose
// transport knows both.
func (c *Client) call(ctx context.Context, p Purpose, do func(*pusher.Client) error) (answer, error) {
	exchange := &exchange{ctx: ctx, next: c.transport}
	client := c.pusher // a copy: the library writes to it
	client.HTTPClient = &http.Client{Transport: exchange, Timeout: DefaultTimeout, CheckRedirect: stayHere}
	err := do(&client)
	if exchange.reply == nil { // the library did not send it
		return answer{}, unsent(err)
	}
	a, err := exchange.reply.judge()
	if ctx.Err() == nil {
		c.health.note(p, err, time.Now())
	}
	if e, ok := errors.AsType[*CallError](err); ok && e.Err != nil {
		client.HTTPClient.CloseIdleConnections() // those beside the one that failed may be as dead
	}
	return a, err
}

// unsent is why the library sent nothing: the event is not one of Pusher's, or our configuration is wrong.
func unsent(err error) error {
	if err == nil {
		return errors.New("pusher was not called")
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		return errors.New("the address of pusher cannot be read: check PUSHER_HOST")
	}
	return &RefusedError{Reason: err.Error()}
}

// stayHere follows no redirect: what answers there is not Pusher, and its 200 would lose the events.
func stayHere(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// exchange is the http.RoundTripper of one call: it adds the context and keeps the reply. The library's own errors
// are not used once a request has gone out, because they hold the URL and with it the signature.
type exchange struct {
	ctx   context.Context //nolint:containedctx // the exchange is the call, and the library passes none
	next  http.RoundTripper
	reply *reply
}

// CloseIdleConnections is what http.Client looks for.
func (e *exchange) CloseIdleConnections() {
	if next, ok := e.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}

// RoundTrip implements http.RoundTripper.
func (e *exchange) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	stop := context.AfterFunc(e.ctx, func() { cancel(context.Cause(e.ctx)) })
	defer stop()
	e.reply = &reply{endpoint: endpoint(r.URL.Path), header: http.Header{}}
	response, err := e.next.RoundTrip(r.WithContext(ctx))
	e.reply.at = time.Now()
	if err != nil {
		e.reply.err = err
		return nil, err
	}
	e.reply.status, e.reply.header = response.StatusCode, response.Header
	if response.StatusCode == http.StatusSwitchingProtocols { // its body is the connection, which does not end
		return nil, errors.Join(fmt.Errorf("HTTP %d", response.StatusCode), response.Body.Close())
	}
	limit := int64(maxAnswer)
	if e.reply.endpoint == "channels" && response.StatusCode == http.StatusOK {
		limit = maxList
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, limit))
	e.reply.body, e.reply.err = body, errors.Join(err, response.Body.Close())
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

// endpoint is the part of a path after /apps/{id}/.
func endpoint(path string) string {
	_, below, _ := strings.Cut(strings.TrimPrefix(path, "/apps/"), "/")
	return below
}
