// Package pusherservertest starts a real server of the Pusher Channels protocol for a test, in place of an account at
// pusher.com.
//
//	func TestNews(t *testing.T) {
//		p := pusherservertest.Start(t)
//		client := pusher.Client{AppID: p.App.ID, Key: p.App.Key, Secret: p.App.Secret, Host: p.Host()} // publishes
//		// new Pusher(p.App.Key, {cluster: "", wsHost: …, wsPort: …, forceTLS: false})                  // subscribes
//	}
//
// Guarantees: each server has its own address on loopback and keeps nothing on disk. It ends with its test, and leaves
// no goroutine behind.
//
// Concurrency: Start may be called by several tests at the same time, and the methods of a Pusher from any goroutine.
//
// Non-goals: a fake that records calls. Subscribe, and compare the messages that arrive.
package pusherservertest

import (
	"context"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"lorebridge/pusherserver"
)

// Pusher is a running server.
type Pusher struct {
	*pusherserver.Server
	App pusherserver.App // the first app of its Config
	URL string           // of the HTTP API; with ws in place of http, of the WebSockets

	stop func()
}

// Host returns the host and the port of URL, as host:port.
func (p *Pusher) Host() string { return strings.TrimPrefix(p.URL, "http://") }

// Stop ends the server before the test ends. It closes the sockets as a restart does: pusher-js connects again. A
// second call does nothing.
func (p *Pusher) Stop() { p.stop() }

// Start starts a server with one app, and ends it with the test. Each function in change may alter the Config before
// the server is made; they are called in order. If the Config is not valid, the test fails at once.
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
		cancel() // ends the WebSockets, because listener.Close does not wait for them
		if err := <-stopped; err != nil {
			tb.Error(err)
		}
		listener.Close()
	})
	tb.Cleanup(stop)
	return &Pusher{Server: server, App: c.Apps[0], URL: listener.URL, stop: stop}
}
