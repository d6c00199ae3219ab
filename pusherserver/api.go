package pusherserver

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// signed is the door of the HTTP API: it calls serve with the body of a request that a publisher of the app has signed.
func (s *Server) signed(serve func(http.ResponseWriter, *app, []byte)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !allowMethod(w, r, http.MethodPost) {
			return
		}
		a, ok := s.appsByID[r.PathValue("id")]
		if !ok {
			writeError(w, http.StatusNotFound, "no app has this id")
			return
		}
		body, err := s.readSigned(w, r, a)
		if err != nil {
			writeFailure(w, err)
			return
		}
		serve(w, a, body)
	}
}

// readSigned looks at the signature before it reads, so that a stranger cannot make it hold a body.
func (s *Server) readSigned(w http.ResponseWriter, r *http.Request, a *app) ([]byte, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("parse query: %w", err)
	}
	signature, err := parseRequestSignature(values)
	if err != nil {
		return nil, err
	}
	if err := signature.verify(a.App, r.Method, r.URL.Path, s.config.Now()); err != nil {
		return nil, &apiError{http.StatusUnauthorized, err.Error()}
	}
	limit := largestBody(s.config.MaxEventDataBytes)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return nil, &apiError{http.StatusRequestEntityTooLarge, fmt.Sprintf("body is larger than %d bytes", tooLarge.Limit)}
	}
	if err != nil {
		return nil, &apiError{http.StatusBadRequest, "body could not be read"}
	}
	if err := signature.verifyBody(body); err != nil {
		return nil, &apiError{http.StatusUnauthorized, err.Error()}
	}
	return body, nil
}

// serveEvents is POST /apps/{id}/events: one event for up to maxEventChannels channels.
func (s *Server) serveEvents(w http.ResponseWriter, a *app, body []byte) {
	e, err := s.parseEvent(body)
	if err != nil {
		writeFailure(w, err)
		return
	}
	counts := s.publish(a, e)
	if !e.wantsCount {
		writeJSON(w, http.StatusOK, struct{}{})
		return
	}
	channels := make(map[string]channelInfo, len(e.channels))
	for i, channel := range e.channels {
		channels[channel] = channelInfo{&counts[i]}
	}
	writeJSON(w, http.StatusOK, struct {
		Channels map[string]channelInfo `json:"channels"`
	}{channels})
}

// serveBatch is POST /apps/{id}/batch_events: up to maxBatchEvents events for one channel each. The answer lists
// information in the order of the events, if any of them asks for it.
func (s *Server) serveBatch(w http.ResponseWriter, a *app, body []byte) {
	batch, err := s.parseBatch(body)
	if err != nil {
		writeFailure(w, err)
		return
	}
	infos := make([]channelInfo, len(batch))
	anyInfo := false
	for i, e := range batch {
		counts := s.publish(a, e)
		if e.wantsCount {
			infos[i].SubscriptionCount = &counts[0]
			anyInfo = true
		}
	}
	if !anyInfo {
		writeJSON(w, http.StatusOK, struct{}{})
		return
	}
	writeJSON(w, http.StatusOK, struct {
		Batch []channelInfo `json:"batch"`
	}{infos})
}

// channelInfo holds the attributes of a channel that a publisher asked for. What was not asked for is absent.
type channelInfo struct {
	SubscriptionCount *int `json:"subscription_count,omitempty"`
}

// publish queues e for everybody it concerns and returns the number of subscribers of each of its channels. When it
// returns, every queue holds the event: this is the order that answered requests promise.
func (s *Server) publish(a *app, e event) []int {
	counts := make([]int, len(e.channels))
	encoder := newEventEncoder(e.name, e.data)
	for i, channel := range e.channels {
		delivered, subscribed := a.hub.publish(channel, encoder.frame(channel), e.except)
		counts[i] = subscribed
		s.counters.events.Add(1)
		s.counters.deliveries.Add(delivered)
	}
	return counts
}

// apiError is a failure of an HTTP API request that its sender can do something about.
type apiError struct {
	status int
	reason string
}

func (e *apiError) Error() string { return e.reason }

// writeFailure is the one place where errors become statuses. What is not an *apiError is about the content of the
// request, and was written for its sender.
func writeFailure(w http.ResponseWriter, err error) {
	status := http.StatusBadRequest
	if e := new(apiError); errors.As(err, &e) {
		status = e.status
	}
	writeError(w, status, err.Error())
}
