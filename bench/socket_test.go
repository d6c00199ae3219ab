package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"github.com/pusher/pusher-http-go/v5"
	"go.uber.org/goleak"

	"lorebridge/pusherserver/pusherservertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const channelOfOne = "private-user-1"

func TestASocketReceivesTheEventsOfItsChannel(t *testing.T) {
	address, _, publisher := startPusher(t)
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

func TestASocketThatMayNotJoinReturnsTheReason(t *testing.T) {
	address, _, _ := startPusher(t)
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
	address, _, _ := startPusher(t)
	if _, err := dialSocket(t.Context(), strings.Replace(address, "/app/key", "/app/other", 1)); err == nil {
		t.Error("connected")
	}
}

func TestTheServersCloseCodeIsReturned(t *testing.T) {
	address, server, _ := startPusher(t)
	s := joined(t, address)
	server.Stop()
	if _, err := s.next(); err == nil || !strings.Contains(err.Error(), "4100") {
		t.Errorf("got error %v", err)
	}
}

// startPusher returns the WebSocket URL of a real server, the server, and a client that triggers events.
func startPusher(t *testing.T) (string, *pusherservertest.Pusher, *pusher.Client) {
	t.Helper()
	p := pusherservertest.Start(t)
	transport := &http.Client{Transport: p.RoundTripper()}
	return "ws://" + p.Host() + "/app/key?protocol=7", p,
		&pusher.Client{AppID: p.App.ID, Key: p.App.Key, Secret: p.App.Secret, HTTPClient: transport}
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
