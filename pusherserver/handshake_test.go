package pusherserver_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"testing"

	"github.com/gobwas/ws"

	"lorebridge/pusherserver"
)

func TestHandshakeComesFirstAndIsJSONInAString(t *testing.T) {
	s := start(t, nil)
	seen := make(map[string]bool)
	for range 3 {
		c := s.open("/app/" + appKey + "?protocol=7")
		var data struct {
			SocketID        string `json:"socket_id"`
			ActivityTimeout int    `json:"activity_timeout"`
		}
		if err := json.Unmarshal([]byte(c.want("pusher:connection_established").text(t)), &data); err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`\A\d+\.\d+\z`).MatchString(data.SocketID) || seen[data.SocketID] {
			t.Errorf("socket_id %q is malformed or not unique", data.SocketID)
		}
		seen[data.SocketID] = true
		if data.ActivityTimeout != 30 { // less than the 60 s of many proxies
			t.Errorf("activity_timeout is %d, want 30", data.ActivityTimeout)
		}
	}
}

func TestSocketIDsAreNeverGivenTwiceAtATime(t *testing.T) {
	ids := []uint64{1234<<32 | 1234, 1234<<32 | 1234, 5<<32 | 6}
	s := start(t, func(c *pusherserver.Config) {
		c.Uint64 = func() uint64 {
			id := ids[0]
			ids = ids[1:]
			return id
		}
	})
	first, second := s.connect(), s.connect()
	if first.socketID != "1234.1234" || second.socketID != "5.6" {
		t.Errorf("got socket ids %s and %s, want 1234.1234 and 5.6", first.socketID, second.socketID)
	}
}

func TestRejectionsComeAfterTheUpgradeAsErrorAndClose(t *testing.T) {
	s := start(t, nil)
	for path, code := range map[string]ws.StatusCode{
		"/app/nobody?protocol=7":           4001,
		"/app/" + appKey:                   4008,
		"/app/" + appKey + "?protocol=":    4008,
		"/app/" + appKey + "?protocol=x":   4006,
		"/app/" + appKey + "?protocol=7.5": 4006,
		"/app/" + appKey + "?protocol=4":   4007,
		"/app/" + appKey + "?protocol=8":   4007,
		"/app/?protocol=7":                 4005,
		"/app/a/b?protocol=7":              4005,
	} {
		c := s.open(path)
		var data struct {
			Code    ws.StatusCode
			Message string
		}
		if err := json.Unmarshal(c.want("pusher:error").Data, &data); err != nil {
			t.Fatal(err)
		}
		if data.Code != code || data.Message == "" {
			t.Errorf("%s: got error %d %q, want %d", path, data.Code, data.Message, code)
		}
		c.wantClose(code)
	}
	s.stop()
	if stats := s.Stats(); stats.Refused != 9 || stats.Refusing != 0 {
		t.Errorf("got %+v, want 9 rejected and none left", stats)
	}
}

func TestOlderLibrariesMayConnect(t *testing.T) {
	s := start(t, nil)
	for _, version := range []string{"5", "6"} {
		s.open("/app/" + appKey + "?protocol=" + version).want("pusher:connection_established")
	}
}

func TestRequestsThatAreNoUpgradeGetAnHTTPStatus(t *testing.T) {
	s := start(t, nil)
	for _, test := range []struct {
		method, path string
		status       int
		header       string
		value        string
	}{
		{"GET", "/app/" + appKey, http.StatusUpgradeRequired, "Upgrade", "websocket"},
		{"POST", "/app/" + appKey, http.StatusMethodNotAllowed, "Allow", "GET"},
		{"GET", "/apps/3/events", http.StatusMethodNotAllowed, "Allow", "POST"},
		{"GET", "/apps/3/batch_events", http.StatusMethodNotAllowed, "Allow", "POST"},
		{"POST", "/apps/4/events", http.StatusNotFound, "Content-Type", "application/json"},
		{"GET", "/", http.StatusNotFound, "Content-Type", "application/json"},
	} {
		request, err := http.NewRequest(test.method, s.url+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := s.http.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		var body struct{ Error string }
		if err := json.NewDecoder(response.Body).Decode(&body); err != nil || body.Error == "" {
			t.Errorf("%s %s: body has no error: %v", test.method, test.path, err)
		}
		response.Body.Close()
		if response.StatusCode != test.status || response.Header.Get(test.header) != test.value {
			t.Errorf("%s %s: got %d, %s %q; want %d, %q", test.method, test.path, response.StatusCode,
				test.header, response.Header.Get(test.header), test.status, test.value)
		}
	}
}

func TestFramesSentTogetherWithTheUpgradeAreNotLost(t *testing.T) {
	s := start(t, nil)
	conn := s.dialRaw()
	ping := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(`{"event":"pusher:ping","data":{}}`))))
	_, err := conn.Write(append([]byte("GET /app/"+appKey+"?protocol=7 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"), ping...))
	if err != nil {
		t.Fatal(err)
	}
	c := readResponse(t, conn)
	c.want("pusher:connection_established")
	c.want("pusher:pong")
}
