package pusherapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// noBatchFor is how long a client sends no batch to a server that was found to have no batch_events.
const noBatchFor = 10 * time.Minute

// errNoBatch is the answer to a batch that was not sent, because the server has no such call.
var errNoBatch = &CallError{Fault: FaultNoBatch}

// hasBatch reports whether batches may be sent: Pusher is not known to lack batch_events now.
func (c *Client) hasBatch() bool { return time.Now().UnixNano() >= c.noBatchUntil.Load() }

// NoteSingle remembers for ten minutes that a server has no batch_events. It does so if the server rejected a batch for
// that reason, and then accepted one of its events. Together is the result of the batch, alone that of the single
// event. Send calls it by itself. It may be called concurrently.
func (c *Client) NoteSingle(ctx context.Context, together, alone error) {
	asked := together != errNoBatch //nolint:errorlint // the value itself
	if alone != nil || !asked || !LacksBatch(together) {
		return
	}
	c.noBatchUntil.Store(time.Now().Add(noBatchFor).UnixNano())
	c.log.WarnContext(ctx, "sending one by one", slog.Any("error", together), slog.Duration("next_attempt", noBatchFor))
}

// IsFinal reports whether err is a *RefusedError: Pusher will never accept the event.
func IsFinal(err error) bool {
	_, final := errors.AsType[*RefusedError](err)
	return final
}

// LacksBatch reports whether err is the answer of a server that does not have batch_events.
func LacksBatch(err error) bool {
	e, ok := errors.AsType[*CallError](err)
	return ok && e.Fault == FaultNoBatch
}

// isAboutContent reports whether a smaller event could be accepted. A proxy may have given the answer.
func isAboutContent(err error) bool {
	e, ok := errors.AsType[*CallError](err)
	return IsFinal(err) || ok && e.Status == http.StatusRequestEntityTooLarge
}

// mustSplit reports whether a batch that failed with err must be sent event by event.
func mustSplit(err error) bool { return isAboutContent(err) || LacksBatch(err) }

// isAboutAll reports whether every other event would fail as well.
func isAboutAll(err error) bool {
	e, ok := errors.AsType[*CallError](err)
	if !ok {
		return err != nil && !IsFinal(err)
	}
	switch e.Status {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusNotAcceptable, http.StatusRequestEntityTooLarge,
		http.StatusUnprocessableEntity:
		return e.Fault != FaultForeign // a firewall may reject a single text
	}
	return true
}
