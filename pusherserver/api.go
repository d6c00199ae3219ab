package pusherserver

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// api serves the HTTP API at /apps/{id}/... Its methods may be called concurrently.
type api struct {
	config   *Config
	apps     map[string]*app // by id
	counters *counters
}

// handle adds the routes of the API to mux.
func (a *api) handle(mux *http.ServeMux) {
	mux.HandleFunc("/apps/{id}/events", a.signed(http.MethodPost, a.serveEvents))
	mux.HandleFunc("/apps/{id}/batch_events", a.signed(http.MethodPost, a.serveBatch))
	mux.HandleFunc("/apps/{id}/channels", a.signed(http.MethodGet, a.serveChannels))
	mux.HandleFunc("/apps/{id}/channels/{channel}", a.signed(http.MethodGet, a.serveChannel))
	mux.HandleFunc("/apps/{id}/channels/{channel}/users", a.signed(http.MethodGet, a.serveUsers))
}

// apiRequest is a request to the HTTP API with a valid signature.
type apiRequest struct {
	app    *app
	params requestSignature // the whole query, with its keys in lower case
	body   []byte

	channel string // from the path; empty if the path has none
}

// signed returns a handler that calls serve with each request of this method whose signature is valid. It answers all
// other requests with an error.
func (a *api) signed(method string, serve func(http.ResponseWriter, apiRequest)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !allowMethod(w, r, method) {
			return
		}
		served, ok := a.apps[r.PathValue("id")]
		if !ok {
			writeError(w, http.StatusNotFound, "no app has this id")
			return
		}
		params, body, err := a.readSigned(w, r, served)
		if err != nil {
			writeFailure(w, err)
			return
		}
		serve(w, apiRequest{app: served, params: params, body: body, channel: r.PathValue("channel")})
	}
}

// readSigned checks the signature before it reads the body. So a stranger cannot make the server hold a body.
func (a *api) readSigned(w http.ResponseWriter, r *http.Request, to *app) (requestSignature, []byte, error) {
	// url.ParseQuery rejects a semicolon. But it may be part of a channel, and pusher-http-go does not escape it.
	values, err := url.ParseQuery(strings.ReplaceAll(r.URL.RawQuery, ";", "%3B"))
	if err != nil {
		return nil, nil, fmt.Errorf("parse query: %w", err)
	}
	signature, err := parseRequestSignature(values)
	if err != nil {
		return nil, nil, err
	}
	if err := signature.verify(to.App, r.Method, r.URL.Path, a.config.Now()); err != nil {
		return nil, nil, &apiError{http.StatusUnauthorized, err.Error()}
	}
	body, err := a.readBody(w, r, signature)
	return signature, body, err
}

// readBody returns the body if the signature covers it.
func (a *api) readBody(w http.ResponseWriter, r *http.Request, signature requestSignature) ([]byte, error) {
	limit := largestBody(a.config.MaxEventDataBytes)
	var body bytes.Buffer
	body.Grow(int(min(max(r.ContentLength, 0), limit)) + bytes.MinRead)
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return nil, &apiError{http.StatusRequestEntityTooLarge, fmt.Sprintf("body is larger than %d bytes", tooLarge.Limit)}
	}
	if err != nil {
		return nil, &apiError{http.StatusBadRequest, "body could not be read"}
	}
	if err := signature.verifyBody(body.Bytes()); err != nil {
		return nil, &apiError{http.StatusUnauthorized, err.Error()}
	}
	return body.Bytes(), nil
}

// serveEvents serves POST /apps/{id}/events: one event for up to maxEventChannels channels.
func (a *api) serveEvents(w http.ResponseWriter, r apiRequest) {
	e, err := a.parseEvent(r.body)
	if err != nil {
		writeFailure(w, err)
		return
	}
	counts := a.publish(r.app, e)
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

// serveBatch serves POST /apps/{id}/batch_events: up to maxBatchEvents events for one channel each. If any event asks
// for information, the answer lists it in the order of the events.
func (a *api) serveBatch(w http.ResponseWriter, r apiRequest) {
	batch, err := a.parseBatch(r.body)
	if err != nil {
		writeFailure(w, err)
		return
	}
	infos := make([]channelInfo, len(batch))
	anyInfo := false
	for i, e := range batch {
		counts := a.publish(r.app, e)
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

// channelInfo holds the attributes of a channel that a publisher asked for. All other attributes are absent.
type channelInfo struct {
	SubscriptionCount *int `json:"subscription_count,omitempty"`
}

// publish queues e for the subscribers of its channels, and returns how many subscribers each channel has. When it
// returns, every queue holds the event. So an event comes before all events that are requested after the answer.
func (a *api) publish(to *app, e event) []int {
	counts := make([]int, len(e.channels))
	encoder := newEventEncoder(e.name, e.data)
	for i, channel := range e.channels {
		delivered, subscribed := to.hub.publish(channel, encoder, e.except)
		counts[i] = subscribed
		a.counters.events.Add(1)
		a.counters.deliveries.Add(delivered)
	}
	return counts
}

// apiError is a failure of an HTTP API request that its sender can correct.
type apiError struct {
	status int
	reason string
}

func (e *apiError) Error() string { return e.reason }

// writeFailure is the only place where errors become statuses. An error that is not an *apiError is about the content
// of the request, and gets status 400. Its text is for the sender.
func writeFailure(w http.ResponseWriter, err error) {
	status := http.StatusBadRequest
	if e := new(apiError); errors.As(err, &e) {
		status = e.status
	}
	writeError(w, status, err.Error())
}
