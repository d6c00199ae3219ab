package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestOneConnectionCarriesManyRequests(t *testing.T) {
	requests := 0
	connections := make(map[string]bool)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		connections[r.RemoteAddr] = true
		switch {
		case r.Header.Get("Authorization") != "Bearer token" || r.Header.Get("Content-Type") != "application/json":
			w.WriteHeader(http.StatusUnauthorized)
		case requests == 3:
			_, _ = w.Write([]byte(`{"errors":[{"message":"no","extensions":{"code":"NOT_FOUND"}}],"data":null}`))
		case requests == 4:
			_, _ = w.Write([]byte(`{"errors":[{"message":"too often","extensions":{"code":"RATE_LIMITED"}}]}`))
		default:
			_, _ = w.Write([]byte(`{"data":{"me":{"name":"Ada"}}}`))
		}
	}))
	defer web.Close()
	address, err := url.Parse(web.URL)
	if err != nil {
		t.Fatal(err)
	}
	c, err := dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	var data struct{ Me struct{ Name string } }
	for range 2 {
		if err := c.queryInto("token", operation{Query: "{ me { name } }"}, &data); err != nil || data.Me.Name != "Ada" {
			t.Errorf("got %+v, %v", data, err)
		}
	}
	for _, want := range []string{"NOT_FOUND: no", "REQUESTS_PER_MINUTE"} {
		if err := c.queryInto("token", operation{Query: "{ me { name } }"}, &data); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %s", err, want)
		}
	}
	if _, err := c.query("", operation{Query: "{ me { name } }"}); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("got error %v for a status of 401", err)
	}
	web.Close() // waits for its goroutines
	if requests != 5 || len(connections) != 1 {
		t.Errorf("%d requests over %d connections", requests, len(connections))
	}
}
