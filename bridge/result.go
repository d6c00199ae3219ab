package bridge

import (
	"errors"
	"net/http"
	"strconv"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/event"
)

// ServeResult is GET /graphql/subscriptions/result?channel=…&seq=…: the result of one event for one subscription, for its subscriber, run
// with the rights of now. It is how a result is read that is too large for Pusher.
func (s *Subscriptions) ServeResult(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		s.bridge.refuse(w, refusal{http.StatusMethodNotAllowed, "use GET"})
		return
	}
	viewer, err := auth.FromContext(r.Context())
	if err != nil {
		s.bridge.refuse(w, *s.bridge.refusalOf(r, err))
		return
	}
	seq, err := strconv.Atoi(r.URL.Query().Get("seq"))
	if err != nil {
		s.bridge.refuse(w, refusal{http.StatusBadRequest, "seq must be a number, as extensions.subscription.seq had it"})
		return
	}
	s.mu.Lock()
	sub := s.byChannel[r.URL.Query().Get("channel")]
	s.mu.Unlock()
	notFound := refusal{http.StatusNotFound, "there is no such result: channel and seq must be those of a subscription of yours that goes on"}
	if sub == nil || sub.viewer.UserID != viewer.UserID {
		s.bridge.refuse(w, notFound)
		return
	}
	e, err := s.client.Event.Query().Where(sub.topic.Events(), event.ID(seq)).Only(auth.AsSystem(r.Context()))
	switch {
	case ent.IsNotFound(err):
		s.bridge.refuse(w, notFound)
		return
	case err != nil:
		s.bridge.refuse(w, *s.bridge.refusalOf(r, err))
		return
	}
	o := s.execute(r.Context(), sub.operation, viewer, sub.topic, e)
	switch {
	case o.result != nil:
		s.bridge.write(w, http.StatusOK, o.result)
	case o.end != "" || o.failure == "":
		s.bridge.refuse(w, notFound)
	default:
		s.bridge.refuse(w, *s.bridge.refusalOf(r, errors.New(o.failure)))
	}
}
