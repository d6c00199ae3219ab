package pusherserver_test

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"

	"lorebridge/pusherserver"
)

const (
	appID     = "3"
	appKey    = "278d425bdf160c739803"
	appSecret = "7ad3773142a6692b25b8"
)

// patience is how long a test waits at most for something that happens at once if the code is right.
const patience = 10 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a server whose Run has begun. Run ends with the test, or with stop.
type running struct {
	*pusherserver.Server
	t    testing.TB
	url  string // http://host:port
	dial func(context.Context, string, string) (net.Conn, error)
	http *http.Client
	stop func() // ends Run and waits for it
}

// start starts a server on TCP. change may be nil.
func start(t testing.TB, change func(*pusherserver.Config)) *running {
	t.Helper()
	s := newServer(t, change)
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	r := run(t, s)
	r.url, r.http = web.URL, web.Client()
	return r
}

func newServer(t testing.TB, change func(*pusherserver.Config)) *pusherserver.Server {
	t.Helper()
	config := pusherserver.Config{Apps: []pusherserver.App{{ID: appID, Key: appKey, Secret: appSecret}}}
	if change != nil {
		change(&config)
	}
	s, err := pusherserver.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func run(t testing.TB, s *pusherserver.Server) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	var once bool
	stop := func() {
		if once {
			return
		}
		once = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(stop)
	return &running{Server: s, t: t, stop: stop}
}

// pipeListener connects with net.Pipe, because the deadlines of a pipe follow the clock of a synctest bubble.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// startInBubble starts a server on pipes. It must be called inside synctest.Test.
func startInBubble(t *testing.T, change func(*pusherserver.Config)) *running {
	t.Helper()
	s := newServer(t, change)
	return servePipes(t, run(t, s))
}

// servePipes lets clients connect to r within a bubble.
func servePipes(t *testing.T, r *running) *running {
	t.Helper()
	listener := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	web := &http.Server{Handler: r}
	go func() { _ = web.Serve(listener) }()
	t.Cleanup(func() { web.Close() })
	r.url = "http://pipe"
	r.dial = func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		listener.conns <- theirs
		return ours, nil
	}
	return r
}

// wire is one message from the server.
type wire struct {
	Event   string          `json:"event"`
	Channel string          `json:"channel"`
	Data    json.RawMessage `json:"data"`
}

// text is the data of a message, which must be a string.
func (w wire) text(t testing.TB) string {
	t.Helper()
	var s string
	if err := json.Unmarshal(w.Data, &s); err != nil {
		t.Fatalf("data of %s is not a string: %s", w.Event, w.Data)
	}
	return s
}

// client is a WebSocket client that can also violate the protocol.
type client struct {
	t        testing.TB
	conn     net.Conn
	reader   io.Reader
	socketID string
}

// open upgrades at path, "/app/{key}?...", and reads nothing after the response.
func (r *running) open(path string) *client {
	r.t.Helper()
	dialer := ws.Dialer{NetDial: r.dial}
	conn, buffered, _, err := dialer.Dial(context.Background(), "ws"+strings.TrimPrefix(r.url, "http")+path)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	c := &client{t: r.t, conn: conn, reader: bufio.NewReader(conn)}
	if buffered != nil {
		early := make([]byte, buffered.Buffered())
		if _, err := io.ReadFull(buffered, early); err != nil {
			r.t.Fatal(err)
		}
		c.reader = bufio.NewReader(io.MultiReader(strings.NewReader(string(early)), conn))
	}
	return c
}

// connect opens a connection and completes the handshake of the protocol.
func (r *running) connect() *client {
	r.t.Helper()
	c := r.open("/app/" + appKey + "?protocol=7&client=js&version=8.6.0&flash=false")
	m := c.want("pusher:connection_established")
	var data struct {
		SocketID string `json:"socket_id"`
	}
	if err := json.Unmarshal([]byte(m.text(r.t)), &data); err != nil {
		r.t.Fatal(err)
	}
	c.socketID = data.SocketID
	return c
}

// frame returns the next frame of any kind.
func (c *client) frame() (ws.Frame, error) {
	c.conn.SetReadDeadline(time.Now().Add(patience))
	header, err := ws.ReadHeader(c.reader)
	if err != nil {
		return ws.Frame{}, err
	}
	payload := make([]byte, header.Length)
	_, err = io.ReadFull(c.reader, payload)
	return ws.Frame{Header: header, Payload: payload}, err
}

// message returns the next text message; every other frame fails the test.
func (c *client) message() wire {
	c.t.Helper()
	f, err := c.frame()
	if err != nil {
		c.t.Fatalf("read message: %v", err)
	}
	if f.Header.OpCode != ws.OpText {
		c.t.Fatalf("got frame %v %q, want a message", f.Header.OpCode, f.Payload)
	}
	var m wire
	if err := json.Unmarshal(f.Payload, &m); err != nil {
		c.t.Fatalf("message %q: %v", f.Payload, err)
	}
	return m
}

func (c *client) want(event string) wire {
	c.t.Helper()
	m := c.message()
	if m.Event != event {
		c.t.Fatalf("got event %s %s, want %s", m.Event, m.Data, event)
	}
	return m
}

// wantClose reads until the close frame, answers it and waits for the end of the stream. It returns the reason.
func (c *client) wantClose(code ws.StatusCode) string {
	c.t.Helper()
	for {
		f, err := c.frame()
		if err != nil {
			c.t.Fatalf("read close frame: %v", err)
		}
		if f.Header.OpCode != ws.OpClose {
			continue
		}
		got, reason := ws.ParseCloseFrameData(f.Payload)
		if got != code {
			c.t.Fatalf("closed with %d %q, want %d", got, reason, code)
		}
		c.write(ws.NewCloseFrame(ws.NewCloseFrameBody(code, "")))
		c.wantEOF()
		return reason
	}
}

func (c *client) wantEOF() {
	c.t.Helper()
	if f, err := c.frame(); !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !isReset(err) {
		c.t.Fatalf("got %v %q, %v; want the end of the stream", f.Header.OpCode, f.Payload, err)
	}
}

// write sends a masked frame, as a client must. It ignores that the server has closed the connection.
func (c *client) write(f ws.Frame) {
	c.conn.SetWriteDeadline(time.Now().Add(patience))
	_, _ = c.conn.Write(ws.MustCompileFrame(ws.MaskFrame(f)))
}

func (c *client) text(s string) { c.write(ws.NewTextFrame([]byte(s))) }

func (c *client) send(event string, data any) {
	c.t.Helper()
	text, err := json.Marshal(map[string]any{"event": event, "data": data})
	if err != nil {
		c.t.Fatal(err)
	}
	c.text(string(text))
}

func (c *client) subscribe(channels ...string) {
	c.t.Helper()
	for _, channel := range channels {
		data := map[string]string{"channel": channel}
		if strings.HasPrefix(channel, "private-") {
			data["auth"] = appKey + ":" + sign(appSecret, c.socketID+":"+channel)
		}
		c.send("pusher:subscribe", data)
		if m := c.want("pusher_internal:subscription_succeeded"); m.Channel != channel || m.text(c.t) != "{}" {
			c.t.Fatalf("got %s %s, want success on %s", m.Channel, m.Data, channel)
		}
	}
}

// roundtrip waits until the server has handled all messages that were sent before.
func (c *client) roundtrip() {
	c.t.Helper()
	c.send("pusher:ping", struct{}{})
	c.want("pusher:pong")
}

func sign(secret, text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// post sends a signed request to the HTTP API through transport, and returns status and body.
func post(t testing.TB, transport http.RoundTripper, base, path, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, base+path+"?"+signedQuery(path, body, time.Now()), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return do(t, transport, request)
}

func do(t testing.TB, transport http.RoundTripper, request *http.Request) (int, string) {
	t.Helper()
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(answer)
}

// get sends a signed request without a body to the HTTP API, and returns status and body. extra is as for signedQuery.
func get(t testing.TB, transport http.RoundTripper, base, path string, extra ...string) (int, string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, base+path+"?"+signedQueryOf(http.MethodGet, path, "", time.Now(), extra...), nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, transport, request)
}

// signedQuery signs a POST as the document describes, without code of the server. extra are further pairs that sort
// after "body_md5".
func signedQuery(path, body string, at time.Time, extra ...string) string {
	return signedQueryOf(http.MethodPost, path, body, at, extra...)
}

func signedQueryOf(method, path, body string, at time.Time, extra ...string) string {
	sum := md5.Sum([]byte(body))
	pairs := []string{"auth_key=" + appKey, fmt.Sprintf("auth_timestamp=%d", at.Unix()), "auth_version=1.0"}
	if body != "" {
		pairs = append(pairs, "body_md5="+hex.EncodeToString(sum[:]))
	}
	query := strings.Join(append(pairs, extra...), "&")
	return query + "&auth_signature=" + url.QueryEscape(sign(appSecret, method+"\n"+path+"\n"+query))
}

func (r *running) trigger(channel, event, data string) {
	r.t.Helper()
	body, err := json.Marshal(map[string]string{"name": event, "channel": channel, "data": data})
	if err != nil {
		r.t.Fatal(err)
	}
	status, answer := post(r.t, r.RoundTripper(), "http://loopback", "/apps/"+appID+"/events", string(body))
	if status != http.StatusOK || answer != "{}" {
		r.t.Fatalf("trigger: %d %s", status, answer)
	}
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// dialRaw connects and sends nothing.
func (r *running) dialRaw() net.Conn {
	r.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	return conn
}

// readResponse reads the response to an upgrade that the test has written.
func readResponse(t testing.TB, conn net.Conn) *client {
	t.Helper()
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %v %v", response, err)
	}
	return &client{t: t, conn: conn, reader: reader}
}
