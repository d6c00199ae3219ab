package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServesUntilTheSignalAndClosesWith4100(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	output, stdout := io.Pipe()
	ended := make(chan error)
	go func() {
		ended <- run(ctx, nil, map[string]string{
			"LISTEN_ADDR": "127.0.0.1:0", "PUSHER_KEY": "key", "PUSHER_SECRET": "secret",
		}, stdout, io.Discard)
	}()
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, address, ok := strings.Cut(strings.TrimSpace(line), "http://")
	if !ok {
		t.Fatalf("printed %q, want the URL", line)
	}
	conn, reader, _, err := ws.Dial(t.Context(), "ws://"+address+"/app/key?protocol=7")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var source io.Reader = conn
	if reader != nil {
		source = reader
	}
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if established, err := readFrame(source); err != nil || !strings.Contains(string(established), "socket_id") {
		t.Fatalf("got %q %v, want the handshake", established, err)
	}
	stop()
	closing, err := readFrame(source)
	if code, _ := ws.ParseCloseFrameData(closing); err != nil || code != 4100 {
		t.Errorf("got %q %v, want a close frame with 4100", closing, err)
	}
	conn.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := http.Get("http://" + address); err == nil {
		t.Error("still listens")
	}
}

func TestEveryWebhookURLGetsTheEvent(t *testing.T) {
	received := make(chan string, 2)
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { received <- r.URL.Path }))
	defer web.Close()
	ctx, stop := context.WithCancel(t.Context())
	output, stdout := io.Pipe()
	ended := make(chan error)
	go func() {
		ended <- run(ctx, nil, map[string]string{
			"LISTEN_ADDR": "127.0.0.1:0", "PUSHER_KEY": "key", "PUSHER_SECRET": "secret",
			"PUSHER_WEBHOOK_URL": web.URL + "/1, " + web.URL + "/2",
		}, stdout, io.Discard)
	}()
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, address, _ := strings.Cut(strings.TrimSpace(line), "http://")
	conn, _, _, err := ws.Dial(t.Context(), "ws://"+address+"/app/key?protocol=7")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	subscribe := ws.MaskFrame(ws.NewTextFrame([]byte(`{"event":"pusher:subscribe","data":{"channel":"a"}}`)))
	if err := ws.WriteFrame(conn, subscribe); err != nil {
		t.Fatal(err)
	}
	if first, second := <-received, <-received; first == second {
		t.Errorf("%s got the event twice", first)
	}
	conn.Close()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestErrorsNameTheVariable(t *testing.T) {
	valid := map[string]string{"LISTEN_ADDR": "127.0.0.1:0", "PUSHER_KEY": "key", "PUSHER_SECRET": "secret"}
	for variable, value := range map[string]string{
		"LISTEN_ADDR": "nowhere", "PUSHER_APP_ID": "a b", "PUSHER_KEY": "", "PUSHER_SECRET": "",
		"PUSHER_WEBHOOK_URL": "https://example.com, ftp://example.com", "MAX_SOCKETS": "many", "ACTIVITY_TIMEOUT": "30",
	} {
		environment := map[string]string{variable: value}
		for name, value := range valid {
			if name != variable {
				environment[name] = value
			}
		}
		err := run(t.Context(), nil, environment, io.Discard, io.Discard)
		if err == nil || !strings.HasPrefix(err.Error(), variable) {
			t.Errorf("%s=%q: got error %v", variable, value, err)
		}
	}
}

func TestHelpListsEveryVariable(t *testing.T) {
	var help strings.Builder
	if err := run(t.Context(), []string{"-h"}, nil, io.Discard, &help); err != nil {
		t.Fatal(err)
	}
	for _, variable := range []string{"LISTEN_ADDR", "PUSHER_APP_ID", "PUSHER_KEY", "PUSHER_SECRET", "PUSHER_WEBHOOK_URL", "MAX_SOCKETS", "ACTIVITY_TIMEOUT"} {
		if !strings.Contains(help.String(), variable) {
			t.Errorf("%s is missing", variable)
		}
	}
	if err := run(t.Context(), []string{"extra"}, nil, io.Discard, io.Discard); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("got error %v for an argument too many", err)
	}
}

// readFrame returns the payload of the next frame.
func readFrame(source io.Reader) ([]byte, error) {
	header, err := ws.ReadHeader(source)
	if err != nil {
		return nil, err
	}
	payload := make([]byte, header.Length)
	_, err = io.ReadFull(source, payload)
	return payload, err
}
