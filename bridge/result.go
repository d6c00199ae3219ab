package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/subscriber"
	"lorebridge/outbox"
)

// ServeResult is GET /graphql/subscriptions/result?channel=…&seq=…: the result of one event for one subscription,
// also one that has ended since, for its subscriber, run with the rights of now. It is how a result is read that is
// too large for Pusher.
func (s *Subscriptions) ServeResult(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		s.bridge.refuse(w, refusal{http.StatusMethodNotAllowed, "use GET"})
		return
	}
	viewer, err := auth.FromContext(r.Context())
	if err != nil {
		s.bridge.refuse(w, *s.bridge.refusalOf(w, r, err))
		return
	}
	seq, err := strconv.Atoi(r.URL.Query().Get("seq"))
	if err != nil {
		s.bridge.refuse(w, refusal{http.StatusBadRequest, "seq must be a number, as extensions.subscription.seq had it"})
		return
	}
	result, err := s.result(r.Context(), r.URL.Query().Get("channel"), seq, viewer)
	if err == nil {
		err = context.Cause(r.Context()) // it may have taken long
	}
	switch {
	case err != nil:
		s.bridge.refuse(w, *s.bridge.refusalOf(w, r, err))
	case result == nil:
		s.bridge.refuse(w, refusal{http.StatusNotFound, "there is no such result: channel and seq must be those of a subscription of yours"})
	default:
		s.bridge.write(w, http.StatusOK, result)
	}
}

// result is nil where the viewer has no such subscription, it no such event, or the event nothing to tell any more.
func (s *Subscriptions) result(ctx context.Context, channel string, seq int, viewer auth.Viewer) ([]byte, error) {
	system := auth.AsSystem(ctx)
	row, err := s.client.Subscriber.Query().Where(subscriber.Channel(channel), subscriber.UserID(viewer.UserID)).Only(system)
	if ent.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read a subscription: %w", err)
	}
	if row.Document == "" { // it has ended
		return nil, nil
	}
	t, err := outbox.ParseTopic(row.Topic)
	if err != nil {
		return nil, err
	}
	e, err := s.eventLog.Get(ctx, t, outbox.CursorOf(seq))
	if e == nil || err != nil {
		return nil, err
	}
	o := s.run(ctx, operationOf(row), viewer, t, e) // in the viewer's own time: deliveries do not wait for it
	if o.result == nil && o.end == "" && o.failure != "" {
		return nil, errors.New(o.failure)
	}
	return o.result, nil
}
