package realtime_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"lorebridge/auth"
	"lorebridge/realtime"
)

var discard = slog.New(slog.DiscardHandler)

const form = "application/x-www-form-urlencoded"

// authorize sends a form to /pusher/auth as a person. User 0 is not signed in.
func authorize(t *testing.T, b side, userID int, body string) (status int, answer string) {
	t.Helper()
	response := request(t, b, userID, http.MethodPost, form, body)
	return response.Code, response.Body.String()
}

func request(t *testing.T, b side, userID int, method, contentType, body string) *httptest.ResponseRecorder {
	t.Helper()
	ctx := t.Context()
	if userID > 0 {
		ctx = auth.NewContext(ctx, auth.Viewer{UserID: userID, SessionID: 100 + userID})
	}
	request := httptest.NewRequestWithContext(ctx, method, "/pusher/auth", strings.NewReader(body))
	request.Header.Set("Content-Type", contentType)
	recorder := httptest.NewRecorder()
	b.ServeHTTP(recorder, request)
	return recorder
}

// signed returns the grant for a socket and a channel, as Pusher's documentation specifies it.
func signed(socketID, channel string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(socketID + ":" + channel))
	return key + ":" + hex.EncodeToString(mac.Sum(nil))
}

// anySocket is a bridge.Sockets on which every socket is connected.
type anySocket struct{}

func (anySocket) Tag(_, owner, _ string) string { return owner }
func (anySocket) Tags() []string                { return nil }
func (anySocket) CloseTagged(string) int        { return 0 }

// granting returns our side of a Pusher on which every socket is connected.
func granting(t *testing.T, c realtime.Config) side {
	t.Helper()
	return newSide(t, c, carrier(func(*http.Request) (*http.Response, error) { return nil, errors.New("not in a test") }),
		always, anySocket{}, discard)
}

func TestAChannelIsGrantedToItsPersonAlone(t *testing.T) {
	t.Parallel()
	encrypted := ourPusher()
	encrypted.MasterKey = masterKey
	plain, sealed := granting(t, ourPusher()), granting(t, encrypted)
	for _, test := range []struct {
		name    string
		bridge  side
		viewer  int
		channel string
		want    int
	}{
		{"one's own", plain, 7, "private-user-7", 200},
		{"another's", plain, 8, "private-user-7", 403},
		{"one that begins like one's own", plain, 7, "private-user-71", 403},
		{"one that one's own begins like", plain, 71, "private-user-7", 403},
		{"with a zero in front", plain, 7, "private-user-07", 403},
		{"with a sign", plain, 7, "private-user-+7", 403},
		{"in capitals", plain, 7, "PRIVATE-USER-7", 403},
		{"a public one", plain, 7, "user-7", 403},
		{"any private one", plain, 7, "private-anything", 403},
		{"presence", plain, 7, "presence-user-7", 403},
		{"user's own by server", plain, 7, "#server-to-user-7", 403},
		{"the cache of it", plain, 7, "private-cache-user-7", 403},
		{"encrypted, where nothing is", plain, 7, "private-encrypted-user-7", 403},
		{"nobody's", plain, 7, "private-user-", 403},
		{"nobody's as a number", plain, 7, "private-user-0", 403},
		{"for nobody", plain, 0, "private-user-7", 401},
		{"encrypted, one's own", sealed, 7, "private-encrypted-user-7", 200},
		{"encrypted, another's", sealed, 8, "private-encrypted-user-7", 403},
		{"plain, where it is encrypted and nothing is sent there", sealed, 7, "private-user-7", 403},
		{"plain, another's, where it is encrypted", sealed, 8, "private-user-7", 403},
	} {
		for contentType, body := range map[string]string{
			form:               "socket_id=12.34&channel_name=" + strings.NewReplacer("+", "%2B", "#", "%23").Replace(test.channel),
			"application/json": `{"socket_id":"12.34","channel_name":"` + test.channel + `"}`,
		} {
			answer := request(t, test.bridge, test.viewer, http.MethodPost, contentType, body)
			var got map[string]string
			must(t, json.Unmarshal(answer.Body.Bytes(), &got))
			want := signed("12.34", test.channel)
			if answer.Code != test.want || (test.want == 200) != (got["auth"] == want) || (test.want != 200) != (got["error"] != "" && len(got) == 1) {
				t.Errorf("%s as %s is answered %d %v, want %d", test.name, contentType, answer.Code, got, test.want)
			}
			if secrets := got["shared_secret"] != ""; secrets != (test.want == 200 && strings.HasPrefix(test.channel, "private-encrypted-")) {
				t.Errorf("%s as %s is answered %v", test.name, contentType, got)
			}
			if header := answer.Header(); header.Get("Content-Type") != "application/json" || header.Get("Cache-Control") != "no-store" ||
				header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s as %s has the header %v", test.name, contentType, header)
			}
		}
	}
}

func TestAnInvalidRequestIsGrantedNothing(t *testing.T) {
	t.Parallel()
	b := granting(t, ourPusher())
	const asJSON = "application/json"
	for name, test := range map[string]struct {
		method, contentType, body string
		want                      int
	}{
		"a form with a charset":            {"POST", form + "; charset=UTF-8", "socket_id=1.2&channel_name=private-user-7", 200},
		"JSON with a charset":              {"POST", asJSON + "; charset=utf-8", `{"socket_id":"1.2","channel_name":"private-user-7","more":1}`, 200},
		"the longest socket id":            {"POST", form, "socket_id=" + strings.Repeat("1", 31) + "." + strings.Repeat("2", 32) + "&channel_name=private-user-7", 200},
		"GET":                              {"GET", form, "socket_id=1.2&channel_name=private-user-7", 405},
		"HEAD":                             {"HEAD", form, "", 405},
		"PUT":                              {"PUT", form, "socket_id=1.2&channel_name=private-user-7", 405},
		"OPTIONS":                          {"OPTIONS", "", "", 405},
		"no content type":                  {"POST", "", "socket_id=1.2&channel_name=private-user-7", 415},
		"text":                             {"POST", "text/plain", "socket_id=1.2&channel_name=private-user-7", 415},
		"a multipart form":                 {"POST", "multipart/form-data; boundary=x", "socket_id=1.2", 415},
		"a content type that is none":      {"POST", ";;;", "socket_id=1.2&channel_name=private-user-7", 415},
		"4 KiB and a byte":                 {"POST", form, "socket_id=1.2&channel_name=private-user-7&x=" + strings.Repeat("a", 4<<10), 413},
		"a form that is none":              {"POST", form, "socket_id=%zz", 400},
		"a form with a semicolon":          {"POST", form, "socket_id=1.2;channel_name=private-user-7", 400},
		"JSON that is none":                {"POST", asJSON, `{"socket_id":"1.2"`, 400},
		"JSON behind JSON":                 {"POST", asJSON, `{"socket_id":"1.2","channel_name":"private-user-7"}{}`, 400},
		"an array":                         {"POST", asJSON, `[]`, 400},
		"a number for the socket":          {"POST", asJSON, `{"socket_id":1.2,"channel_name":"private-user-7"}`, 403},
		"names in capitals":                {"POST", asJSON, `{"SOCKET_ID":"1.2","Channel_Name":"private-user-7"}`, 403},
		"a name twice in JSON":             {"POST", asJSON, `{"socket_id":"1.2","channel_name":"private-user-8","channel_name":"private-user-7"}`, 400},
		"half a character in JSON":         {"POST", asJSON, `{"socket_id":"1.2","channel_name":"private-user-7","more":"\ud83d"}`, 400},
		"a socket twice in a form":         {"POST", form, "socket_id=1.2&channel_name=private-user-7&socket_id=1.3", 400},
		"null":                             {"POST", asJSON, `null`, 400},
		"nothing":                          {"POST", form, "", 403},
		"no socket":                        {"POST", form, "channel_name=private-user-7", 403},
		"no channel":                       {"POST", form, "socket_id=1.2", 403},
		"a socket without a dot":           {"POST", form, "socket_id=12&channel_name=private-user-7", 403},
		"a socket with two dots":           {"POST", form, "socket_id=1.2.3&channel_name=private-user-7", 403},
		"a socket with a sign":             {"POST", form, "socket_id=-1.2&channel_name=private-user-7", 403},
		"a socket with letters":            {"POST", form, "socket_id=1.a&channel_name=private-user-7", 403},
		"a socket in other digits":         {"POST", form, "socket_id=%D9%A1.%D9%A2&channel_name=private-user-7", 403},
		"a socket and a newline":           {"POST", form, "socket_id=1.2%0A&channel_name=private-user-7", 403},
		"a socket that signs something":    {"POST", form, "socket_id=1.2:private-user-8:&channel_name=private-user-7", 403},
		"a socket of 65 digits":            {"POST", form, "socket_id=" + strings.Repeat("1", 32) + "." + strings.Repeat("2", 32) + "&channel_name=private-user-7", 403},
		"a channel with a colon":           {"POST", form, "socket_id=1.2&channel_name=private-user-7:x", 403},
		"a channel with a NUL":             {"POST", form, "socket_id=1.2&channel_name=private-user-7%00", 403},
		"a channel and a newline":          {"POST", form, "socket_id=1.2&channel_name=private-user-7%0A", 403},
		"a channel of 165 characters":      {"POST", form, "socket_id=1.2&channel_name=" + strings.Repeat("a", 165), 403},
		"two channels, the first not ours": {"POST", form, "socket_id=1.2&channel_name=private-user-8&channel_name=private-user-7", 400},
	} {
		answer := request(t, b, 7, test.method, test.contentType, test.body)
		var got map[string]string
		must(t, json.Unmarshal(answer.Body.Bytes(), &got))
		if answer.Code != test.want || (test.want == 200) != (got["auth"] != "") || (test.want != 200) != (got["error"] != "") {
			t.Errorf("%s is answered %d %s, want %d", name, answer.Code, answer.Body, test.want)
		}
		if allow := answer.Header().Get("Allow"); (allow == "POST") != (test.want == 405) {
			t.Errorf("%s has Allow %q", name, allow)
		}
	}
	// A client that is not signed in and sends an invalid request learns only that the request is invalid.
	if status, _ := authorize(t, b, 0, "socket_id=x"); status != http.StatusForbidden {
		t.Errorf("nonsense of nobody is answered %d", status)
	}
}

func TestASocketThatIsNotThereIsGrantedNothing(t *testing.T) {
	t.Parallel()
	b, _ := embedded(t, ourPusher(), sockets(t, nil))
	if status, answer := authorize(t, b, 7, "socket_id=1.2&channel_name=private-user-7"); status != http.StatusForbidden || !strings.Contains(answer, "no such socket") {
		t.Errorf("answered %d %s", status, answer)
	}
	// The sockets of another server are not checked.
	other := over(t, ourPusher(), carrier(func(*http.Request) (*http.Response, error) { return nil, errors.New("not in a test") }))
	if status, answer := authorize(t, other, 7, "socket_id=1.2&channel_name=private-user-7"); status != http.StatusOK {
		t.Errorf("for another server it is answered %d %s", status, answer)
	}
}

func TestSigningOutClosesTheSocketsOfThatSession(t *testing.T) {
	t.Parallel()
	server := sockets(t, nil)
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	c := ourPusher()
	c.MasterKey = masterKey
	b, _ := embedded(t, c, server)
	ada, bob := browse(t, web.URL), browse(t, web.URL)
	for viewer, who := range map[int]*browser{7: ada, 8: bob} {
		channel := b.Channel(viewer)
		status, granted := authorize(t, b, viewer, "socket_id="+who.socketID+"&channel_name="+channel)
		if status != http.StatusOK {
			t.Fatalf("answered %d %s", status, granted)
		}
		if m := who.join(channel, granted); m.Event != "pusher_internal:subscription_succeeded" || m.Channel != channel {
			t.Fatalf("joining is answered %+v", m)
		}
	}
	// A grant is for one socket and one channel.
	_, granted := authorize(t, b, 8, "socket_id="+bob.socketID+"&channel_name=private-encrypted-user-8")
	if m := bob.join("private-encrypted-user-7", granted); m.Event == "pusher_internal:subscription_succeeded" {
		t.Error("a grant opens another's channel")
	}
	b.EndSession(107, auth.SignedOut)
	if code := ada.closed(); code != 4009 {
		t.Errorf("the socket is closed with %d, want 4009, upon which pusher-js stays away", code)
	}
	if n := server.Stats().Connections; n > 2 {
		t.Errorf("%d connections", n)
	}
	b.EndSession(999, auth.SignedOut) // it has no socket
	_, granted = authorize(t, b, 8, "socket_id="+bob.socketID+"&channel_name=private-encrypted-user-8")
	if m := bob.join("private-encrypted-user-8", granted); m.Event != "pusher_internal:subscription_succeeded" {
		t.Errorf("the other's socket: %+v", m)
	}
}

func TestASignOutMeanwhileIsSeen(t *testing.T) {
	t.Parallel()
	server := sockets(t, nil)
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	var b side
	b = newSide(t, ourPusher(), server.RoundTripper(), func() (bool, error) { // called between the two checks of the session
		b.EndSession(107, auth.SignedOut)
		return false, nil
	}, server, discard)
	ada := browse(t, web.URL)
	if status, answer := authorize(t, b, 7, "socket_id="+ada.socketID+"&channel_name=private-user-7"); status != http.StatusUnauthorized || strings.Contains(answer, key) {
		t.Errorf("answered %d %s", status, answer)
	}
	if code := ada.closed(); code != 4009 {
		t.Errorf("the socket is closed with %d", code)
	}
}

func TestWithoutAnAnswerFromTheDatabaseNothingIsGranted(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	b := newSide(t, ourPusher(), http.DefaultTransport, func() (bool, error) {
		return true, errors.New("the disk is full of secrets")
	}, anySocket{}, slog.New(slog.NewTextHandler(&log, nil)))
	status, answer := authorize(t, b, 7, "socket_id=1.2&channel_name=private-user-7")
	if status != http.StatusInternalServerError || answer != `{"error":"internal error"}` || !strings.Contains(log.String(), "full of secrets") {
		t.Errorf("answered %d %s, logged %s", status, answer, log.String())
	}
}
