package pusherserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

func newFuzzServer(f *testing.F) *Server {
	f.Helper()
	s, err := New(Config{Apps: []App{published}, MaxSubscriptions: 3, MaxMessageBytes: 1 << 10})
	if err != nil {
		f.Fatal(err)
	}
	return s
}

// nowhere is a connection that accepts every write at once, and discards it.
type nowhere struct{ net.Conn }

func (nowhere) Write(p []byte) (int, error)      { return len(p), nil }
func (nowhere) SetWriteDeadline(time.Time) error { return nil }
func (nowhere) SetDeadline(time.Time) error      { return nil }
func (nowhere) Close() error                     { return nil }

func FuzzClientMessage(f *testing.F) {
	s := newFuzzServer(f)
	for _, seed := range []string{
		`{"event":"pusher:ping","data":{}}`, `{"event":"pusher:subscribe","data":{"channel":"a"}}`,
		`{"event":"pusher:subscribe","data":{"channel":"private-a","auth":"278d425bdf160c739803:58"}}`,
		`{"event":"pusher:subscribe","data":"{\"channel\":\"a\"}"}`, `{"event":"pusher:unsubscribe","data":{"channel":"a"}}`,
		`{"event":"pusher:subscribe","data":{"channel":"cache-a"}}`, `{"event":"pusher:subscribe","data":{"channel":"private-cache-a"}}`,
		`{"event":"client-x","channel":"a","data":1}`, `{"event":1}`, `[`, ``, `null`, "\xff",
	} {
		f.Add([]byte(seed), []byte(seed))
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		c := newConnection(s, s.appsByID["3"], nowhere{}, nil)
		c.socketID = "1234.1234"
		c.handle(first)
		c.handle(second)
		if _, subscribed := c.app.hub.count(); subscribed != len(c.subscriptions) || subscribed > 3 {
			t.Errorf("hub has %d subscriptions, connection %d", subscribed, len(c.subscriptions))
		}
		for channel := range c.subscriptions {
			if checkChannel(channel, maxChannelNameLength) != nil || isPrivate(channel) {
				t.Errorf("subscribed to %q without the right", channel)
			}
			c.app.hub.unsubscribe(channel, c)
		}
		c.queue.abandon()
		if channels, subscribed := c.app.hub.count(); channels != 0 || subscribed != 0 {
			t.Errorf("%d channels and %d subscriptions remain", channels, subscribed)
		}
	})
}

func FuzzFrames(f *testing.F) {
	for _, frame := range []ws.Frame{
		ws.NewTextFrame([]byte("é")), ws.NewBinaryFrame(nil), ws.NewPingFrame([]byte("x")),
		ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "bye")), ws.NewFrame(ws.OpText, false, []byte("a")),
		ws.NewFrame(ws.OpContinuation, true, []byte("b")),
	} {
		f.Add(ws.MustCompileFrame(ws.MaskFrame(frame)))
		f.Add(ws.MustCompileFrame(frame))
	}
	f.Add([]byte{0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, stream []byte) {
		reader := newMessageReader(bytes.NewReader(stream), 1<<10)
		for {
			op, payload, err := reader.next()
			if breach := new(violation); errors.As(err, &breach) {
				if breach.code < 1002 || breach.code > 1009 || breach.reason == "" {
					t.Errorf("breach closes with %d %q", breach.code, breach.reason)
				}
				return
			}
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("got error %v", err)
				}
				return
			}
			switch op {
			case ws.OpText:
				if len(payload) > 1<<10 || !utf8.Valid(payload) {
					t.Errorf("read invalid text %q", payload)
				}
			case ws.OpPing, ws.OpPong, ws.OpClose:
				if len(payload) > ws.MaxControlFramePayloadSize {
					t.Errorf("read control payload of %d bytes", len(payload))
				}
			default:
				t.Errorf("read opcode %v", op)
			}
		}
	})
}

func FuzzEventsBody(f *testing.F) {
	s := newFuzzServer(f)
	for _, seed := range []string{
		vectorBody, `{"name":"e","channel":"a","data":"<\u2028\u0000>","socket_id":"1.2","info":"subscription_count"}`,
		`{"batch":[{"name":"e","channel":"a","data":""}]}`, `{"name":"e","channels":["a","a"],"data":"\ud800"}`, `null`, `1`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := s.api.parseBatch(body)
		if e, single := s.api.parseEvent(body); single == nil {
			events, err = append(events, e), nil
		}
		if err != nil {
			answer := httptest.NewRecorder()
			writeFailure(answer, err)
			if answer.Code/100 != 4 || !json.Valid(answer.Body.Bytes()) {
				t.Errorf("got %d %s", answer.Code, answer.Body)
			}
			return
		}
		for _, e := range events {
			frame := newEventEncoder(e.name, e.data).frame(e.channels[0])
			if len(frame) > largestEvent(s.config.MaxEventDataBytes) {
				t.Errorf("frame has %d bytes", len(frame))
			}
			source := bytes.NewReader(frame)
			header, err := ws.ReadHeader(source)
			if err != nil || int(header.Length) != source.Len() {
				t.Fatalf("frame %q: %v", frame, err)
			}
			var got struct{ Event, Channel, Data string }
			if err := json.NewDecoder(source).Decode(&got); err != nil {
				t.Fatal(err)
			}
			if got.Event != e.name || got.Channel != e.channels[0] || got.Data != e.data {
				t.Errorf("sent %+v, received %+v", e, got)
			}
		}
	})
}

func FuzzSignature(f *testing.F) {
	f.Add(vectorQuery, vectorBody)
	f.Add("", "")
	f.Add("auth_key=278d425bdf160c739803&auth_timestamp=x&auth_version=1.0&auth_signature=zz", "")
	f.Add(vectorQuery+"&auth_signature=2", vectorBody)
	want, err := url.ParseQuery(vectorQuery)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, query, body string) {
		if verifyVector(query, body, time.Unix(vectorTime, 0)) != nil {
			return
		}
		got, err := url.ParseQuery(query)
		if err != nil || len(got) != len(want) || body != vectorBody {
			t.Errorf("accepted query %q with body %q", query, body)
		}
	})
}
