package pusherserver_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/gobwas/ws"
	"github.com/google/go-cmp/cmp"

	"lorebridge/pusherserver"
)

func TestPingsOfBothKindsAreAnswered(t *testing.T) {
	s := start(t, nil)
	c := s.connect()
	c.send("pusher:ping", struct{}{})
	if data := c.want("pusher:pong").text(t); data != "{}" {
		t.Errorf("data of pong is %q", data)
	}
	c.write(ws.NewPingFrame([]byte("hello")))
	f, err := c.frame()
	if err != nil || f.Header.OpCode != ws.OpPong || string(f.Payload) != "hello" {
		t.Errorf("got %v %q %v, want a pong with the payload of the ping", f.Header.OpCode, f.Payload, err)
	}
}

func TestFragmentsMakeOneMessageAndPingsMayComeBetween(t *testing.T) {
	s := start(t, nil)
	c := s.connect()
	c.write(ws.NewFrame(ws.OpText, false, []byte(`{"event":"push`)))
	c.write(ws.NewFrame(ws.OpContinuation, false, []byte(`er:ping",`)))
	c.write(ws.NewPingFrame(nil))
	c.write(ws.NewFrame(ws.OpContinuation, true, []byte(`"data":{}}`)))
	if f, err := c.frame(); err != nil || f.Header.OpCode != ws.OpPong {
		t.Fatalf("got %v %v, want the pong first", f.Header.OpCode, err)
	}
	c.want("pusher:pong")
}

func TestBreachesOfRFC6455CloseWithTheCodeItNames(t *testing.T) {
	s := start(t, func(c *pusherserver.Config) { c.MaxMessageBytes = 1024 })
	masked := func(f ws.Frame) []byte { return ws.MustCompileFrame(ws.MaskFrame(f)) }
	reserved := ws.NewTextFrame([]byte("{}"))
	reserved.Header.Rsv = ws.Rsv(true, false, false)
	tooBig := bytes.Repeat([]byte{'x'}, 1025)
	for name, test := range map[string]struct {
		code ws.StatusCode
		sent []byte
	}{
		"unmasked":               {1002, ws.MustCompileFrame(ws.NewTextFrame([]byte("{}")))},
		"reserved bit":           {1002, masked(reserved)},
		"reserved opcode":        {1002, masked(ws.NewFrame(3, true, nil))},
		"fragmented ping":        {1002, masked(ws.NewFrame(ws.OpPing, false, nil))},
		"long ping":              {1002, masked(ws.NewFrame(ws.OpPing, true, make([]byte, 126)))},
		"continuation of none":   {1002, masked(ws.NewFrame(ws.OpContinuation, true, nil))},
		"text within text":       {1002, append(masked(ws.NewFrame(ws.OpText, false, nil)), masked(ws.NewTextFrame(nil))...)},
		"length with top bit":    {1002, []byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}},
		"half a close code":      {1002, masked(ws.NewCloseFrame([]byte{3}))},
		"close code not in use":  {1002, masked(ws.NewCloseFrame([]byte{0, 1}))},
		"close reason not UTF-8": {1007, masked(ws.NewCloseFrame([]byte{3, 0xe8, 0xff}))},
		"binary":                 {1003, masked(ws.NewBinaryFrame([]byte("{}")))},
		"text not UTF-8":         {1007, masked(ws.NewTextFrame([]byte{'"', 0xff, '"'}))},
		"too big":                {1009, masked(ws.NewTextFrame(tooBig))},
		"too big by its header":  {1009, binary.BigEndian.AppendUint64([]byte{0x81, 0xff}, 1<<62)},
		"too big in fragments": {1009, append(masked(ws.NewFrame(ws.OpText, false, tooBig[:1000])),
			masked(ws.NewFrame(ws.OpContinuation, true, tooBig[:25]))...)},
	} {
		t.Run(name, func(t *testing.T) {
			c := s.connect()
			c.t = t
			if name == "too big by its header" {
				test.sent = append(test.sent, 0, 0, 0, 0)
			}
			if _, err := c.conn.Write(test.sent); err != nil {
				t.Fatal(err)
			}
			if reason := c.wantClose(test.code); reason == "" {
				t.Error("no reason given")
			}
		})
	}
}

func TestMessageOfTheLargestSizeIsRead(t *testing.T) {
	s := start(t, nil)
	c := s.connect()
	text := []byte(`{"event":"pusher:ping","data":""}`)
	text = bytes.Replace(text, []byte(`""`), append(append([]byte{'"'}, bytes.Repeat([]byte{'x'},
		pusherserver.DefaultMaxMessageBytes-len(text))...), '"'), 1)
	if len(text) != pusherserver.DefaultMaxMessageBytes {
		t.Fatalf("message has %d bytes", len(text))
	}
	c.text(string(text))
	c.want("pusher:pong")
}

func TestCloseOfTheClientIsEchoed(t *testing.T) {
	s := start(t, nil)
	for _, payload := range [][]byte{nil, ws.NewCloseFrameBody(1000, "bye"), ws.NewCloseFrameBody(4999, "")} {
		c := s.connect()
		c.write(ws.NewCloseFrame(payload))
		f, err := c.frame()
		if err != nil || f.Header.OpCode != ws.OpClose {
			t.Fatalf("got %v %v, want a close frame", f.Header.OpCode, err)
		}
		want := payload
		if len(payload) > 2 {
			want = payload[:2]
		}
		if !bytes.Equal(f.Payload, want) {
			t.Error(cmp.Diff(want, f.Payload))
		}
		c.wantEOF()
	}
}
