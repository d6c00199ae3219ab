package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// mode is how a fakePusher handles a request.
type mode int

const (
	take mode = iota // and answer
	mute             // take, and break the connection instead of an answer
	down             // break the connection and take nothing
)

// sick is a text in an event that a fakePusher rejects in every mode, because of its content.
const sick = "this one is rejected"

// sent is one event that Pusher took.
type sent struct {
	Channel string `json:"channel"`
	Name    string `json:"name"`
	Data    string `json:"data"`
}

// eventID returns the id of an event on a person's channel. It is empty for other channels.
func (s sent) eventID() string {
	var data struct {
		EventID string `json:"eventId"`
	}
	_ = json.Unmarshal([]byte(s.Data), &data) // data of another form has no id
	return data.EventID
}

// fakePusher answers Pusher's HTTP API and records the events that it takes. It may be used concurrently.
type fakePusher struct {
	server  *http.Server
	address string

	mu      sync.Mutex
	mode    mode
	cured   bool // nothing is rejected any more
	took    []sent
	changed chan struct{} // closed and replaced when took grows
}

func startPusher() (*fakePusher, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &fakePusher{address: listener.Addr().String(), changed: make(chan struct{})}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	go func() { _ = p.server.Serve(listener) }() // until Close
	return p, nil
}

func (p *fakePusher) set(m mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = m
}

// cure makes it take everything from now on.
func (p *fakePusher) cure() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cured = true
}

// list returns the taken events from the given index on.
func (p *fakePusher) list(from int) []sent {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]sent(nil), p.took[from:]...)
}

// until waits until done is true of the taken events. It returns false after the limit.
func (p *fakePusher) until(limit time.Duration, done func([]sent) bool) bool {
	over := time.After(limit)
	for {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		if done(p.list(0)) {
			return true
		}
		select {
		case <-changed:
		case <-over:
			return false
		}
	}
}

// ServeHTTP implements http.Handler. Every channel is occupied.
func (p *fakePusher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // a client that breaks off sends it again
	p.mu.Lock()
	defer p.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case p.mode == down:
		panic(http.ErrAbortHandler)
	case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/channels"):
		_, _ = io.WriteString(w, `{"channels":{}}`)
		return
	case r.Method == http.MethodGet:
		_, _ = io.WriteString(w, `{"occupied":true}`)
		return
	case !p.cured && strings.Contains(string(body), sick):
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		_, _ = io.WriteString(w, "The data content of this event exceeds the allowed maximum (10240 bytes).")
		return
	}
	p.took = append(p.took, events(body)...)
	close(p.changed)
	p.changed = make(chan struct{})
	if p.mode == mute {
		panic(http.ErrAbortHandler)
	}
	_, _ = io.WriteString(w, `{}`)
}

// events reads the body of both events and batch_events.
func events(body []byte) []sent {
	var one struct {
		sent
		Channels []string `json:"channels"`
		Batch    []sent   `json:"batch"`
	}
	if json.Unmarshal(body, &one) != nil {
		return nil
	}
	for _, channel := range one.Channels {
		one.Batch = append(one.Batch, sent{Channel: channel, Name: one.Name, Data: one.Data})
	}
	if one.Channel != "" {
		one.Batch = append(one.Batch, one.sent)
	}
	return one.Batch
}
