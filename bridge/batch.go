package bridge

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"lorebridge/outbox"
)

// noBatchFor is how long a server counts as one without batch_events after that was found.
const noBatchFor = 10 * time.Minute

// errNoBatch is the answer to a batch that was not sent, because the server has no such call.
var errNoBatch = &CallError{Fault: FaultNoBatch}

// hasBatch says whether Pusher is known to have no batch_events at this moment.
func (b *Bridge) hasBatch() bool { return time.Now().UnixNano() >= b.noBatchUntil.Load() }

// noteBatch remembers that a server has no batch_events, if it took alone what it did not know as a batch.
func (b *Bridge) noteBatch(ctx context.Context, together, alone error) {
	if alone != nil || !lacksBatch(together) || together == errNoBatch { //nolint:errorlint // the value itself: nothing was asked
		return
	}
	b.noBatchUntil.Store(time.Now().Add(noBatchFor).UnixNano())
	b.log.WarnContext(ctx, "sending one by one", slog.Any("error", together), slog.Duration("next_attempt", noBatchFor))
}

// isFinal says that Pusher will never take what it refused.
func isFinal(err error) bool {
	_, refused := errors.AsType[*outbox.RefusedError](err)
	return refused
}

// lacksBatch says that the server does not know batches.
func lacksBatch(err error) bool {
	e, ok := errors.AsType[*CallError](err)
	return ok && e.Fault == FaultNoBatch
}

// isAboutContent says that less could be accepted, whoever answered.
func isAboutContent(err error) bool {
	e, ok := errors.AsType[*CallError](err)
	return isFinal(err) || ok && e.Status == http.StatusRequestEntityTooLarge
}

// isSplit says that a batch is to be sent event by event.
func isSplit(err error) bool { return isAboutContent(err) || lacksBatch(err) }

// isAboutAll says that any other event would meet the same fault.
func isAboutAll(err error) bool {
	e, ok := errors.AsType[*CallError](err)
	if !ok {
		return err != nil && !isFinal(err)
	}
	switch e.Status {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusNotAcceptable, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return e.Fault != FaultForeign // a firewall may refuse one text
	}
	return true
}
