package pusherserver_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"
)

func TestRoundTripperKeepsToTheContext(t *testing.T) {
	s := newServer(t, nil)
	run(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	body, writer := io.Pipe()
	const path = "/apps/3/events"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://x"+path+"?"+signedQuery(path, "x", time.Now()), body)
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error)
	go func() {
		_, err := s.RoundTripper().RoundTrip(request)
		failed <- err
	}()
	if _, err := writer.Write([]byte("x")); err != nil { // returns when the server reads
		t.Fatal(err)
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want that of the context", err)
	}
	if _, err := writer.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("body was not closed: %v", err)
	}
	if _, err := s.RoundTripper().RoundTrip(request); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v from a context that had ended", err)
	}
}

func TestRoundTripperAnswersLikeTCP(t *testing.T) {
	s := start(t, nil)
	for _, url := range []string{"http://anything.invalid", s.url} {
		transport := s.RoundTripper()
		if url == s.url {
			transport = s.http.Transport
		}
		request, err := http.NewRequest(http.MethodDelete, url+"/apps/3/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.ContentLength != int64(len(answer)) || response.Request != request {
			t.Errorf("%s: got %d bytes, %+v, %v", url, len(answer), response, err)
		}
		if response.Status != "405 Method Not Allowed" || response.Header.Get("Allow") != "POST" {
			t.Errorf("%s: got %s", url, response.Status)
		}
	}
}

func TestRoundTripperCarriesNoWebSocket(t *testing.T) {
	s := start(t, nil)
	request, err := http.NewRequest(http.MethodGet, "http://x/app/"+appKey+"?protocol=7", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Upgrade", "websocket")
	if status, _ := do(t, s.RoundTripper(), request); status != http.StatusInternalServerError {
		t.Errorf("got %d, want 500", status)
	}
}

func TestRoundTripperClosesTheBody(t *testing.T) {
	s := newServer(t, nil)
	for _, method := range []string{http.MethodPost, http.MethodGet} {
		body, writer := io.Pipe()
		request, err := http.NewRequest(method, "http://x/apps/3/events", body)
		if err != nil {
			t.Fatal(err)
		}
		do(t, s.RoundTripper(), request)
		if _, err := writer.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: body was not closed: %v", method, err)
		}
	}
}
