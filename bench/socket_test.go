package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pusher/pusher-http-go/v5"
	"go.uber.org/goleak"

	"lorebridge/pusherserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const channelOfOne = "private-user-1"

func TestASocketHoldsWhatItsChannelWasSent(t *testing.T) {
	address, publisher := startPusher(t)
	s := joined(t, address)
	for _, data := range []string{`{"requestId":17}`, `{"requestId":18}`} {
		if err := publisher.Trigger(channelOfOne, "knowledge-request", data); err != nil {
			t.Fatal(err)
		}
		m, err := s.next()
		if err != nil || m.Event != "knowledge-request" || m.Channel != channelOfOne || string(m.Data) != data {
			t.Errorf("got %s %s %s, %v", m.Event, m.Channel, m.Data, err)
		}
	}
}

func TestASocketThatMayNotJoinSaysWhy(t *testing.T) {
	address, _ := startPusher(t)
	s, err := dialSocket(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := s.subscribe(channelOfOne, "key:forged"); err == nil || !strings.Contains(err.Error(), "pusher:subscription_error") {
		t.Errorf("got error %v", err)
	}
}

func TestAnUnknownKeyIsAnErrorOfDialing(t *testing.T) {
	address, _ := startPusher(t)
	if _, err := dialSocket(t.Context(), strings.Replace(address, "/app/key", "/app/other", 1)); err == nil {
		t.Error("connected")
	}
}

func TestTheServersCloseCodeIsTold(t *testing.T) {
	address, publisher := startPusher(t)
	s := joined(t, address)
	publisher.stop()
	if _, err := s.next(); err == nil || !strings.Contains(err.Error(), "4100") {
		t.Errorf("got error %v", err)
	}
}

// publisher triggers events on a server; stop ends it.
type publisher struct {
	pusher.Client
	stop func()
}

// startPusher returns the WebSocket URL of a real server.
func startPusher(t *testing.T) (string, publisher) {
	t.Helper()
	server, err := pusherserver.New(pusherserver.Config{Apps: []pusherserver.App{{ID: "1", Key: "key", Secret: "secret"}}})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	stopped := make(chan error, 1)
	running, stop := context.WithCancel(context.Background())
	go func() { stopped <- server.Run(running) }()
	t.Cleanup(func() {
		stop()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		web.Close()
	})
	return strings.Replace(web.URL, "http", "ws", 1) + "/app/key?protocol=7", publisher{
		Client: pusher.Client{AppID: "1", Key: "key", Secret: "secret", HTTPClient: &http.Client{Transport: server.RoundTripper()}},
		stop:   stop,
	}
}

func joined(t *testing.T, address string) *socket {
	t.Helper()
	s, err := dialSocket(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	mac := hmac.New(sha256.New, []byte("secret"))
	mac.Write([]byte(s.id + ":" + channelOfOne))
	if err := s.subscribe(channelOfOne, "key:"+hex.EncodeToString(mac.Sum(nil))); err != nil {
		t.Fatal(err)
	}
	return s
}
