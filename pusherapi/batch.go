package pusherapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// noBatchFor is how long a server counts as one without batch_events after that was found.
const noBatchFor = 10 * time.Minute

// errNoBatch is the answer to a batch that was not sent, because the server has no such call.
var errNoBatch = &CallError{Fault: FaultNoBatch}

// hasBatch says that Pusher is not known to lack batch_events at this moment.
func (c *Client) hasBatch() bool { return time.Now().UnixNano() >= c.noBatchUntil.Load() }

// NoteSingle remembers that a server has no batch_events, if it took alone what it did not know as a batch: together
// and alone are how the two calls ended. Send does so by itself.
func (c *Client) NoteSingle(ctx context.Context, together, alone error) {
	asked := together != errNoBatch //nolint:errorlint // the value itself
	if alone != nil || !asked || !LacksBatch(together) {
		return
	}
	c.noBatchUntil.Store(time.Now().Add(noBatchFor).UnixNano())
	c.log.WarnContext(ctx, "sending one by one", slog.Any("error", together), slog.Duration("next_attempt", noBatchFor))
}

// IsFinal reports whether err is a *RefusedError: Pusher will never take what it refused.
func IsFinal(err error) bool {
	_, refused := errors.AsType[*RefusedError](err)
	return refused
}

// LacksBatch reports whether err is the answer of a server that does not know batches.
func LacksBatch(err error) bool {
	e, ok := errors.AsType[*CallError](err)
	return ok && e.Fault == FaultNoBatch
}

// isAboutContent says that less could be accepted, whoever answered.
func isAboutContent(err error) bool {
	e, ok := errors.AsType[*CallError](err)
	return IsFinal(err) || ok && e.Status == http.StatusRequestEntityTooLarge
}

// isSplit says that a batch is to be sent event by event.
func isSplit(err error) bool { return isAboutContent(err) || LacksBatch(err) }

// isAboutAll says that any other event would meet the same fault.
func isAboutAll(err error) bool {
	e, ok := errors.AsType[*CallError](err)
	if !ok {
		return err != nil && !IsFinal(err)
	}
	switch e.Status {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusNotAcceptable, http.StatusRequestEntityTooLarge,
		http.StatusUnprocessableEntity:
		return e.Fault != FaultForeign // a firewall may refuse one text
	}
	return true
}
