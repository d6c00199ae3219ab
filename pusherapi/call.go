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
	// maxAnswer is how many bytes of an answer are read. A longer one is not Pusher's.
	maxAnswer = 64 << 10
	// maxList replaces maxAnswer if the answer is the list of occupied channels. Each takes about 50 bytes.
	maxList = 16 << 20
)

// call makes one call of Pusher's HTTP API and returns Pusher's answer. Its error is a *RefusedError if Pusher will
// never accept the event. It is a *CallError if the call was made and failed for another reason.
//
// pusher-http-go takes no context, and returns a status only as part of a text. Therefore each call gets a copy of the
// client, with a transport that has both.
func (c *Client) call(ctx context.Context, p Purpose, do func(*pusher.Client) error) (answer, error) {
	exchange := &exchange{ctx: ctx, next: c.transport, names: c.names}
	client := c.pusher // a copy: the library writes to it
	client.HTTPClient = &http.Client{Transport: exchange, Timeout: DefaultTimeout, CheckRedirect: followNone}
	err := do(&client)
	if exchange.reply == nil { // the library did not send it
		return answer{}, unsent(err, c.names)
	}
	a, err := exchange.reply.judge()
	if ctx.Err() == nil {
		c.health.note(p, err, time.Now())
	}
	if e, ok := errors.AsType[*CallError](err); ok && e.Err != nil {
		client.HTTPClient.CloseIdleConnections() // the other connections may be broken, too
	}
	return a, err
}

// unsent returns why the library sent nothing: the event breaks a rule of Pusher, or our configuration is wrong.
func unsent(err error, names Names) error {
	if err == nil {
		return errors.New("pusher was not called")
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		return errors.New(names.fill("the address of pusher cannot be read: check {Host}"))
	}
	return &RefusedError{Reason: err.Error()}
}

// followNone follows no redirect: another server answers there, and its 200 would lose the events.
func followNone(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// exchange is the http.RoundTripper of one call: it adds the context and keeps the reply. Once a request has been sent
// the library's own errors are ignored, because they hold the URL with the signature.
type exchange struct {
	ctx   context.Context //nolint:containedctx // the exchange is the call, and the library passes none
	next  http.RoundTripper
	reply *reply
	names Names
}

// CloseIdleConnections implements an optional method that http.Client looks for.
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
	e.reply = &reply{endpoint: endpoint(r.URL.Path), header: http.Header{}, names: e.names}
	response, err := e.next.RoundTrip(r.WithContext(ctx))
	e.reply.at = time.Now()
	if err != nil {
		e.reply.err = err
		return nil, err
	}
	e.reply.status, e.reply.header = response.StatusCode, response.Header
	if response.StatusCode == http.StatusSwitchingProtocols { // its body is the connection, so it has no end
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

// endpoint returns the part of a path after /apps/{id}/.
func endpoint(path string) string {
	_, below, _ := strings.Cut(strings.TrimPrefix(path, "/apps/"), "/")
	return below
}
