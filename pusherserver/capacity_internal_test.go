package pusherserver

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestSocketsAndStreamsLeaveDescriptorsToTheRest(t *testing.T) {
	for _, test := range []struct {
		descriptors, sockets, streams int
		want                          Capacity
		warns                         bool
	}{
		{0, 10_000, 5000, Capacity{0, 10_000, 5000, 1000, 0}, false},
		{128, 10_000, 5000, Capacity{128, 39, 13, 9, 96}, true},
		{256, 10_000, 5000, Capacity{256, 126, 41, 11, 224}, true},
		{1024, 10_000, 5000, Capacity{1024, 644, 214, 20, 992}, true},
		{20_000, 10_000, 5000, Capacity{20_000, 10_000, 5000, 258, 19_968}, false},
		{1 << 20, 10_000, 5000, Capacity{1 << 20, 10_000, 5000, 1000, 1<<20 - 32}, false},
		{256, 100, 0, Capacity{256, 100, 0, 11, 224}, false},
		{128, 10_000, 0, Capacity{128, 52, 0, 9, 96}, true},
		{128, 0, 5000, Capacity{128, 0, 13, 9, 96}, false},
		{20, 10_000, 5000, Capacity{20, 1, 1, 8, 11}, true},
	} {
		got := fitCapacity(test.descriptors, test.sockets, test.streams)
		if got != test.want {
			t.Errorf("%d descriptors, %d sockets, %d streams: %+v, want %+v", test.descriptors, test.sockets, test.streams, got, test.want)
		}
		var log strings.Builder
		got.Warn(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), test.sockets)
		if warned := strings.Contains(log.String(), "MAX_SOCKETS") && strings.Contains(log.String(), "RLIMIT_NOFILE"); warned != test.warns {
			t.Errorf("%d descriptors: the log is %q", test.descriptors, log.String())
		}
	}
	if got := FitCapacity(1, 1); got.Descriptors == 0 || got.Sockets != 1 {
		t.Errorf("this process has %+v", got)
	}
}

// Connections above the capacity are closed at once. Each connection that ends makes room for another one.
func TestAListenerHoldsNoMoreConnectionsThanItsCapacity(t *testing.T) {
	web := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Minute}
	inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(Capacity{Connections: 8}.Listen(inner, web)) }()
	t.Cleanup(func() {
		_ = web.Close()
		<-ended
	})
	dial := func() net.Conn {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	answered := func(c net.Conn) bool {
		_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		head := make([]byte, 12)
		_, readErr := io.ReadFull(c, head)
		return err == nil && readErr == nil && string(head) == "HTTP/1.1 404"
	}
	var half []net.Conn // requests that never end
	for range 8 {
		c := dial()
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\n"); err != nil {
			t.Fatal(err)
		}
		half = append(half, c)
	}
	if answered(dial()) {
		t.Error("a ninth connection is answered")
	}
	_ = half[0].Close()
	for !answered(dial()) { // until the server has noticed the end
		if t.Context().Err() != nil {
			t.Fatal("there is no room for another")
		}
	}
}

// Idle connections are closed to make room for new ones.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	web := httptest.NewUnstartedServer(http.NotFoundHandler())
	web.Listener = Capacity{Connections: 8}.Listen(web.Listener, web.Config)
	web.Start()
	t.Cleanup(web.Close)
	for range 100 { // each client keeps its connection
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		request, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, web.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
}
