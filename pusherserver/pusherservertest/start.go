// Package pusherservertest gives tests a real server of the Pusher Channels protocol, in place of an account at
// pusher.com.
//
//	p := pusherservertest.Start(t)
//	client := pusher.Client{AppID: p.App.ID, Key: p.App.Key, Secret: p.App.Secret, Host: p.Host()} // publishes
//	// new Pusher(p.App.Key, {cluster: "", wsHost: …, wsPort: …, forceTLS: false})                  // listens
//
// Each server listens on an address of its own on loopback, keeps nothing, and ends with its test, after every
// goroutine of its own: goleak finds none. Start may be called by many tests at a time.
//
// Non-goals: a fake that records calls. Subscribe, and look at what arrives.
package pusherservertest

import (
	"context"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"lorebridge/pusherserver"
)

// Pusher is a server that runs.
type Pusher struct {
	*pusherserver.Server
	App pusherserver.App // the first one of its configuration
	URL string           // of the HTTP API and, with ws in place of http, of WebSockets

	stop func()
}

// Host is the host and the port of URL.
func (p *Pusher) Host() string { return strings.TrimPrefix(p.URL, "http://") }

// Stop ends the server before the test ends: its sockets are closed as those of a server that is restarted.
func (p *Pusher) Stop() { p.stop() }

// Start starts a server with one app, which ends with the test. change alters its configuration before it begins; it is
// called in order. What cannot start fails the test.
func Start(tb testing.TB, change ...func(*pusherserver.Config)) *Pusher {
	tb.Helper()
	c := pusherserver.Config{Apps: []pusherserver.App{{ID: "1", Key: "key", Secret: "secret"}}}
	for _, change := range change {
		change(&c)
	}
	server, err := pusherserver.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- server.Run(ctx) }()
	listener := httptest.NewServer(server)
	stop := sync.OnceFunc(func() {
		cancel() // and so the WebSockets end, for which the listener would not wait
		if err := <-stopped; err != nil {
			tb.Error(err)
		}
		listener.Close()
	})
	tb.Cleanup(stop)
	return &Pusher{Server: server, App: c.Apps[0], URL: listener.URL, stop: stop}
}
