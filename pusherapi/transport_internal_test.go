package pusherapi

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// forgetful is a proxy that can drop all its connections silently: it keeps them open, but forwards nothing any more.
type forgetful struct {
	net.Listener
	to string

	mu    sync.Mutex
	alive context.Context //nolint:containedctx // ends when the connections of this generation are dropped
	kill  context.CancelFunc
	opens int
}

func newForgetful(t *testing.T, to string) *forgetful {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &forgetful{Listener: listener, to: to}
	f.alive, f.kill = context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() { f.carry(t.Context(), near) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		group.Wait()
	})
	return f
}

// carry connects a client to the server until the connection is dropped. Both ends stay open until the test ends.
func (f *forgetful) carry(test context.Context, near net.Conn) {
	defer func() { _ = near.Close() }()
	far, err := (&net.Dialer{}).DialContext(test, "tcp", f.to)
	if err != nil {
		return
	}
	defer func() { _ = far.Close() }()
	f.mu.Lock()
	alive := f.alive
	f.opens++
	f.mu.Unlock()
	ended := make(chan struct{}, 2)
	pass := func(to, from net.Conn) {
		defer func() { ended <- struct{}{} }()
		buffer := make([]byte, 32<<10)
		for {
			n, err := from.Read(buffer)
			if err != nil || alive.Err() != nil {
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
	}
	go pass(near, far)
	go pass(far, near)
	select {
	case <-ended:
		if alive.Err() != nil { // it was dropped, not closed
			<-test.Done()
		}
	case <-test.Done():
	}
	_, _ = near.Close(), far.Close()
	<-ended
}

// forget drops all connections, and returns how many there have been.
func (f *forgetful) forget(ctx context.Context) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kill()
	f.alive, f.kill = context.WithCancel(ctx)
	return f.opens
}

// The client keeps several connections, and the proxy drops all of them silently. The calls over them time out, also
// one that began later. The next call uses a new connection. With HTTP/2 all calls have one connection, which is never
// idle here.
func TestOnlyTheCallsOfOneTimeoutFailIfAProxyDropsAllConnections(t *testing.T) {
	t.Parallel()
	for name, version := range map[string]int{"HTTP/1.1": 1, "HTTP/2": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const warm = 8
			together := make(chan struct{}, warm) // the first calls are answered when all have arrived
			release := make(chan struct{})
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.ProtoMajor != version {
					t.Errorf("the protocol is %s", r.Proto)
				}
				select {
				case together <- struct{}{}:
					if len(together) == warm {
						close(release)
					}
				default:
				}
				<-release
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, "{}")
			}))
			server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // it logs each connection that fails
			server.EnableHTTP2 = version == 2
			server.StartTLS()
			t.Cleanup(server.Close)
			proxy := newForgetful(t, server.Listener.Addr().String())
			transport := newTransport()
			transport.Proxy = nil
			trusted, ok := server.Client().Transport.(*http.Transport)
			if !ok {
				t.Fatal("the client of the server has no transport")
			}
			transport.TLSClientConfig = &tls.Config{RootCAs: trusted.TLSClientConfig.RootCAs, MinVersion: tls.VersionTLS12}
			if version == 1 {
				transport.ForceAttemptHTTP2 = false
			}
			t.Cleanup(transport.CloseIdleConnections)
			client, err := New(Config{AppID: "1", Key: "k", Secret: "s", Host: proxy.Addr().String(), TLS: true},
				Deps{Logger: slog.New(slog.DiscardHandler), Transport: transport})
			if err != nil {
				t.Fatal(err)
			}
			send := func() error {
				return client.Trigger(t.Context(), "events", Event{Channel: "private-user-2", Name: "greeting", Data: "{}"})
			}
			var group sync.WaitGroup
			for range warm {
				group.Go(func() {
					if err := send(); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			kept := proxy.forget(t.Context())
			if version == 1 && kept != warm {
				t.Errorf("there are %d connections, want %d", kept, warm)
			}
			begun := time.Now()
			group.Go(func() {
				<-time.After(DefaultTimeout / 2)
				if err := send(); err == nil {
					t.Error("a dropped connection accepted a later event")
				}
			})
			err = send()
			if err == nil {
				t.Fatal("a dropped connection accepted an event")
			}
			if e, ok := errors.AsType[*CallError](err); !ok || e.RetryAfter() != 0 {
				t.Errorf("the error asks for a wait, or is no CallError: %v", err)
			}
			group.Wait() // both calls have failed
			if err := send(); err != nil {
				t.Errorf("the next call failed as well: %v", err)
			}
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("recovery took %v", took)
			}
		})
	}
}
