package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// ResultHandler returns the route GET Config.ResultPath?channel=…&seq=…: the result of one event for one subscription,
// also one that has ended since, for its subscriber, run with the rights of now. It is how a result is read that is
// too large for Pusher.
func (b *Bridge) ResultHandler() http.Handler { return http.HandlerFunc(b.serveResult) }

func (b *Bridge) serveResult(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		b.reject(w, rejection{http.StatusMethodNotAllowed, "use GET"})
		return
	}
	viewer, err := b.deps.Identity.Viewer(r.Context())
	if err != nil {
		b.reject(w, *b.rejectionOf(w, r, err))
		return
	}
	seq, err := strconv.ParseInt(r.URL.Query().Get("seq"), 10, 64)
	if err != nil {
		b.reject(w, rejection{http.StatusBadRequest, "seq must be a number, as extensions.subscription.seq had it"})
		return
	}
	result, err := b.result(r.Context(), r.URL.Query().Get("channel"), Seq(seq), viewer)
	if err == nil {
		err = context.Cause(r.Context()) // it may have taken long
	}
	switch {
	case err != nil:
		b.reject(w, *b.rejectionOf(w, r, err))
	case result == nil:
		b.reject(w, rejection{http.StatusNotFound, "there is no such result: channel and seq must be those of a subscription of yours"})
	default:
		b.answer(w, http.StatusOK, result)
	}
}

// result is nil if the viewer has no such subscription, if no such event is on its topic, or if there is nothing to
// send for it any more.
func (b *Bridge) result(ctx context.Context, channel string, seq Seq, viewer Viewer) ([]byte, error) {
	row, err := b.rows.Find(ctx, channel)
	if err != nil {
		return nil, fmt.Errorf("read a subscription: %w", err)
	}
	if row == nil || !row.Viewer.mayJoin(viewer.User) {
		return nil, nil
	}
	if row.Document == "" { // it has ended
		return nil, nil
	}
	e, err := b.deps.Log.Get(ctx, row.Topic, seq)
	if e == nil || err != nil {
		return nil, err
	}
	o := b.recovery.executor.run(ctx, operationOf(row), viewer, row.Topic, e) // in the viewer's own time: deliveries do not wait for it
	if o.allow != nil {
		asking, cancel := context.WithTimeout(ctx, executionTimeout)
		defer cancel()
		if end, err := b.recovery.executor.ask(asking, &o, viewer); end != nil || err != nil {
			return nil, err
		}
	}
	if o.result == nil && o.end == "" && o.failure != "" {
		return nil, errors.New(o.failure)
	}
	return o.result, nil
}
