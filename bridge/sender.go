package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/pusher/pusher-http-go/v5"

	"lorebridge/ent"
	"lorebridge/outbox"
)

var _ outbox.Sender = (*Bridge)(nil)

// Send triggers a batch, as outbox.Sender says. A batch that Pusher refuses for what is in it is sent again event by
// event, so that one bad event costs only itself.
func (b *Bridge) Send(ctx context.Context, batch []*ent.Event) (verdicts []error, err error) {
	verdicts = make([]error, len(batch))
	messages := make([]pusher.Event, 0, len(batch))
	index := make([]int, 0, len(batch)) // of each message in the batch
	for i, e := range batch {
		m, err := b.newMessage(e)
		if err != nil {
			verdicts[i] = &outbox.RefusedError{Reason: err.Error()}
			continue
		}
		messages, index = append(messages, m), append(index, i)
	}
	if len(messages) == 0 {
		return verdicts, nil
	}
	err = b.call(ctx, func(c *pusher.Client) error {
		_, err := c.TriggerBatch(messages)
		return err
	})
	var refused *outbox.RefusedError
	switch {
	case err == nil:
		return verdicts, nil
	case !errors.As(err, &refused):
		return nil, err
	case len(messages) == 1:
		verdicts[index[0]] = err
		return verdicts, nil
	}
	for i, m := range messages {
		verdicts[index[i]] = b.call(ctx, func(c *pusher.Client) error {
			return c.Trigger(m.Channel, m.Name, m.Data)
		})
	}
	return verdicts, nil
}

// call makes one call of Pusher's HTTP API. Its error is nil where Pusher took the event, an *outbox.RefusedError
// for 400 and 413, and wraps outbox.ErrUnauthorized for 401 and 403.
//
// pusher-http-go knows no context and tells a status only in words, so each call gets a copy of the client whose
// transport knows both.
func (b *Bridge) call(ctx context.Context, do func(*pusher.Client) error) error {
	exchange := &exchange{ctx: ctx, next: b.transport}
	client := b.client
	client.HTTPClient = &http.Client{Transport: exchange, Timeout: DefaultTimeout, CheckRedirect: stayHere}
	err := do(&client)
	switch status := exchange.status; {
	case exchange.err != nil:
		return fmt.Errorf("call pusher: %w", exchange.err)
	case status >= 200 && status < 300:
		return nil // whatever the library thinks of the object: the events are out
	case status == http.StatusBadRequest, status == http.StatusRequestEntityTooLarge:
		return &outbox.RefusedError{Reason: fmt.Sprintf("HTTP %d: %s", status, exchange.reason)}
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return fmt.Errorf("%w: HTTP %d", outbox.ErrUnauthorized, status)
	case status != 0:
		return fmt.Errorf("pusher answered HTTP %d", status)
	case err != nil: // the library refused to send it
		return &outbox.RefusedError{Reason: err.Error()}
	}
	return errors.New("pusher was not called")
}

// stayHere follows no redirect: what answers there is not Pusher, and its 200 would lose the events.
func stayHere(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

const (
	// maxAnswer is how many bytes of an answer are read. The longest one lists the occupied channels, each with some 50.
	maxAnswer = 16 << 20
	// maxReason is how many bytes of Pusher's words are kept.
	maxReason = 200
)

// exchange is the http.RoundTripper of one call: it adds the context and remembers the outcome. The library's own
// errors are not used once a request has gone out: they hold the URL, and with it the signature.
type exchange struct {
	ctx    context.Context //nolint:containedctx // the exchange is the call, and the library passes none
	next   http.RoundTripper
	status int
	reason string
	err    error
}

func (e *exchange) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	stop := context.AfterFunc(e.ctx, func() { cancel(context.Cause(e.ctx)) })
	response, err := e.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		stop()
		cancel(nil)
		e.err = err
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	stop()
	cancel(nil)
	err = errors.Join(err, response.Body.Close())
	e.status, e.reason = response.StatusCode, quote(body)
	taken := e.status >= 200 && e.status < 300
	switch {
	case taken && err == nil && len(body) > 0: // with less than that the status is all there is to believe
		e.status, e.err = realStatus(e.status, body)
	case !taken:
		e.err = err
	}
	response.Body = io.NopCloser(strings.NewReader(string(body)))
	return response, nil
}

// realStatus looks behind a 2xx. Pusher's own comes with a JSON object; some servers that speak its protocol answer so
// to everything, with an error and its code in the object; and what is no object comes from something else that
// listens there. Taken for Pusher's, either would lose the events.
func realStatus(status int, body []byte) (int, error) {
	var answer struct {
		Error any `json:"error"`
		Code  int `json:"code"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return status, fmt.Errorf("HTTP %d without a JSON object: what answers there is not pusher", status)
	}
	switch {
	case answer.Error == nil:
		return status, nil
	case answer.Code >= 400 && answer.Code < 600:
		return answer.Code, nil
	default:
		return status, fmt.Errorf("HTTP %d with an error in it", status)
	}
}

// quote cuts Pusher's words, and keeps none that may hold a signature.
func quote(body []byte) string {
	words := strings.ToValidUTF8(strings.TrimSpace(string(body)), "")
	if lower := strings.ToLower(words); strings.Contains(lower, "auth_") || strings.Contains(lower, "signature") {
		return "(left out: it speaks of a signature)"
	}
	if len(words) > maxReason {
		words = strings.ToValidUTF8(words[:maxReason], "") + "…"
	}
	return words
}
