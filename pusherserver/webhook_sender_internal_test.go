package pusherserver

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// blackHole is a connection that the network drops without notice. After that all writes are lost, and nothing arrives.
type blackHole struct {
	net.Conn
	isForgotten *atomic.Bool
}

func (c blackHole) Write(b []byte) (int, error) {
	if c.isForgotten.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func TestAWebhookThatGoesOverAForgottenConnectionArrivesByAnotherWithinTenSeconds(t *testing.T) {
	t.Parallel()
	for name, version := range map[string]int{"HTTP/1.1": 1, "HTTP/2": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrived := make(chan string, 10)
			web := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if r.ProtoMajor != version {
					t.Errorf("%s is spoken", r.Proto)
				}
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				arrived <- string(body)
			}))
			web.EnableHTTP2 = version == 2
			web.StartTLS()
			defer web.Close()
			transport := newWebhookTransport()
			transport.Proxy = nil
			transport.ForceAttemptHTTP2 = version == 2
			transport.TLSClientConfig = &tls.Config{RootCAs: web.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
			var newest *atomic.Bool
			dials := 0
			transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
				newest = new(atomic.Bool)
				dials++
				return blackHole{conn, newest}, err
			}
			defer transport.CloseIdleConnections()
			s, err := New(Config{Apps: []App{published}, WebhookTransport: transport})
			if err != nil {
				t.Fatal(err)
			}
			stopping := make(chan struct{})
			sender := newWebhookSender(s, published, Webhook{URL: web.URL}, stopping)
			var group sync.WaitGroup
			group.Go(func() { sender.run(t.Context()) })
			defer group.Wait()
			defer close(stopping)
			sender.enqueue(webhookEvent{webhookOccupied, "a"})
			<-arrived
			newest.Store(true)
			sender.enqueue(webhookEvent{webhookVacated, "a"})
			select {
			case <-arrived:
			case <-time.After(10 * time.Second):
				t.Fatal("it has not arrived")
			}
			if dials != 2 {
				t.Errorf("%d connections were opened, want a second one", dials)
			}
		})
	}
}
