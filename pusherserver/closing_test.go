package pusherserver_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"lorebridge/pusherserver"
)

func TestSlowReaderIsCutOffWhileTheOthersGetEverything(t *testing.T) {
	s := start(t, func(c *pusherserver.Config) { c.MaxQueuedBytes = 128 << 10 })
	slow, quick := s.connect(), s.connect()
	slow.subscribe("a")
	quick.subscribe("a")
	data := strings.Repeat("x", 10<<10)
	sent := 0
	for ; s.Stats().SlowReaders == 0; sent++ {
		if sent == 5000 {
			t.Fatal("50 MB were sent and no client was cut off")
		}
		s.trigger("a", fmt.Sprint(sent), data)
		quick.want(fmt.Sprint(sent))
	}
	s.trigger("a", "last", "{}")
	quick.want("last")
	if reason := slow.wantClose(4100); !strings.Contains(reason, "slow") {
		t.Errorf("closed with reason %q", reason)
	}
	quick.roundtrip()
}

func TestQueueIsBoundedInFramesToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, func(c *pusherserver.Config) { c.MaxQueuedFrames = 10 })
		c := s.connect()
		c.subscribe("a")
		for i := range 11 {
			// The writer takes the first frame and blocks on the pipe. Ten more frames fit.
			s.trigger("a", fmt.Sprint(i), "{}")
			synctest.Wait()
		}
		if n := s.Stats().SlowReaders; n != 0 {
			t.Fatalf("cut off although only ten frames wait")
		}
		s.trigger("a", "too many", "{}")
		if n := s.Stats().SlowReaders; n != 1 {
			t.Fatalf("got %d slow readers, want 1", n)
		}
		c.want("0")
		c.wantClose(4100)
	})
}

func TestShutdownFlushesAndClosesWith4100(t *testing.T) {
	s := start(t, nil)
	c := s.connect()
	c.subscribe("a")
	for i := range 100 {
		s.trigger("a", fmt.Sprint(i), "{}")
	}
	stopped := make(chan struct{})
	go func() {
		s.stop()
		close(stopped)
	}()
	for i := range 100 {
		c.want(fmt.Sprint(i))
	}
	c.wantClose(4100)
	<-stopped
	if stats := s.Stats(); stats.Connections != 0 || stats.Subscriptions != 0 || stats.SlowReaders != 0 {
		t.Errorf("got %+v, want nothing left", stats)
	}
	request, err := http.NewRequest(http.MethodGet, s.url+"/app/"+appKey+"?protocol=7", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Upgrade", "websocket")
	request.Header.Set("Connection", "Upgrade")
	if status, answer := do(t, s.http.Transport, request); status != http.StatusServiceUnavailable {
		t.Errorf("got %d %s after the end, want 503", status, answer)
	}
}

func TestShutdownDoesNotWaitForClientsThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, func(c *pusherserver.Config) { c.ShutdownTimeout = 3 * time.Second })
		stuck := s.connect()
		stuck.subscribe("a")
		s.trigger("a", "never read", "{}")
		slow := s.connect()
		slow.write(ws.NewBinaryFrame(nil)) // the server closes it already, with another timeout
		synctest.Wait()
		began := time.Now()
		s.stop()
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("Run ended after %v, want at most 3 s", took)
		}
	})
}

func TestRunCanBeCalledOnce(t *testing.T) {
	s := start(t, nil)
	s.stop()
	if err := s.Run(context.Background()); err == nil {
		t.Error("second Run returned no error")
	}
}

func TestCloseTaggedEndsTheSocketsOfATagForGood(t *testing.T) {
	s := start(t, nil)
	first, second, other := s.connect(), s.connect(), s.connect()
	for c, tag := range map[*client]string{first: "session 1", second: "session 1", other: "session 2"} {
		for range 2 { // a client is tagged with each channel that it joins
			if holder := s.Tag(c.socketID, "ada", tag); holder != "ada" {
				t.Errorf("socket %s is %q's", c.socketID, holder)
			}
		}
	}
	if n := s.CloseTagged("session 1"); n != 2 {
		t.Errorf("closed %d sockets, want 2", n)
	}
	if n := s.CloseTagged("session 1"); n != 0 {
		t.Errorf("closed %d sockets a second time", n)
	}
	for _, c := range []*client{first, second} {
		if data := string(c.want("pusher:error").Data); data != `{"code":4009,"message":"Unauthorized"}` {
			t.Errorf("error is %s", data)
		}
		c.wantClose(4009)
	}
	other.roundtrip()
}

// A socket with several tags has one owner. CloseTagged closes it for each of the tags, and its client connects again
// with the remaining tags.
func TestASocketWithSeveralTagsIsClosedWithEachAndComesBack(t *testing.T) {
	for _, ended := range []string{"session 1", "session 2"} {
		s := start(t, nil)
		c, other := s.connect(), s.connect()
		for c, tags := range map[*client][]string{c: {"session 1", "session 2"}, other: {"session 3"}} {
			for _, tag := range tags {
				if holder := s.Tag(c.socketID, "ada", tag); holder != "ada" {
					t.Errorf("with %s the socket is %q's", tag, holder)
				}
			}
		}
		if tags := slices.Sorted(slices.Values(s.Tags())); !slices.Equal(tags, []string{"session 1", "session 2", "session 3"}) {
			t.Errorf("the tags are %q", tags)
		}
		if n := s.CloseTagged(ended); n != 1 {
			t.Errorf("closed %d sockets, want 1", n)
		}
		if data := string(c.want("pusher:error").Data); data != `{"code":4200,"message":"Connect again"}` {
			t.Errorf("%s ended: error is %s", ended, data)
		}
		c.wantClose(4200)
		other.roundtrip()
	}
}

func TestNobodyTakesAnothersSocket(t *testing.T) {
	s := start(t, nil)
	c := s.connect()
	s.Tag(c.socketID, "ada", "session 1")
	if holder := s.Tag(c.socketID, "bob", "session 2"); holder != "ada" {
		t.Errorf("the socket is %q's, want ada's", holder)
	}
	if holder := s.Tag(c.socketID, "bob", "session 1"); holder != "ada" {
		t.Errorf("the socket is %q's, want ada's", holder)
	}
	if n := s.CloseTagged("session 2"); n != 0 {
		t.Errorf("closed %d sockets of another", n)
	}
	if n := s.CloseTagged("session 1"); n != 1 {
		t.Error("the end of its session does not close it")
	}
}

func TestTagsOfSocketsThatAreGoneAreForgotten(t *testing.T) {
	s := start(t, nil)
	if s.Tag("1.2", "ada", "x") != "" {
		t.Error("tagged a socket that never was")
	}
	c := s.connect()
	if n := s.CloseTagged("x") + s.CloseTagged(""); n != 0 {
		t.Errorf("closed %d sockets without a tag", n)
	}
	s.Tag(c.socketID, "ada", "x")
	s.Tag(c.socketID, "ada", "y")
	c.conn.Close()
	s.stop()
	if s.Tag(c.socketID, "ada", "x") != "" || s.CloseTagged("x") != 0 || len(s.Tags()) != 0 {
		t.Error("the closed socket is still known")
	}
}

func TestOverCapacityIsSentAfterADelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, func(c *pusherserver.Config) {
			c.MaxConnections, c.MaxRefused = 1, 1
			c.Uint64 = func() uint64 { return uint64(3 * time.Second) }
		})
		first := s.connect()
		began := time.Now()
		held := s.open("/app/" + appKey + "?protocol=7")
		synctest.Wait()
		s.open("/app/" + appKey + "?protocol=7").wantEOF()
		if took := time.Since(began); took != 0 {
			t.Errorf("the socket above MaxRefused was closed after %v, want at once", took)
		}
		held.want("pusher:error")
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("rejected after %v, want 3 s", took)
		}
		held.wantClose(4100)
		first.conn.Close()
		synctest.Wait()
		s.connect()
		if stats := s.Stats(); stats.Refused != 2 || stats.Refusing != 0 || stats.Connections != 1 {
			t.Errorf("got %+v, want two rejected", stats)
		}
	})
}

func TestHeldSocketsDoNotDelayShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, func(c *pusherserver.Config) {
			c.MaxConnections = 1
			c.Uint64 = func() uint64 { return uint64(7 * time.Second) }
		})
		first := s.connect()
		held := s.open("/app/" + appKey + "?protocol=7")
		synctest.Wait()
		first.conn.Close()
		began := time.Now()
		s.stop()
		if took := time.Since(began); took != 0 {
			t.Errorf("Run ended after %v, want at once", took)
		}
		held.wantEOF()
	})
}

func TestNothingRemainsOfClientsThatLeftWhileEventsWerePublished(t *testing.T) {
	s := start(t, nil)
	const rounds, clients = 20, 8
	left := make(chan bool)
	for range clients {
		go func() {
			defer func() { left <- true }()
			for i := range rounds {
				c := s.open("/app/" + appKey + "?protocol=7")
				c.send("pusher:subscribe", map[string]string{"channel": "a"})
				c.send("pusher:subscribe", map[string]string{"channel": fmt.Sprint(i)})
				c.send("pusher:unsubscribe", map[string]string{"channel": fmt.Sprint(i)})
				c.write(ws.NewCloseFrame(nil))
				for f, err := c.frame(); err == nil && f.Header.OpCode != ws.OpClose; f, err = c.frame() {
				}
				c.conn.Close()
			}
		}()
	}
	for gone := 0; gone < clients; {
		s.trigger("a", "edited", "{}")
		select {
		case <-left:
			gone++
		default:
		}
	}
	s.stop()
	stats := s.Stats()
	if stats.Connections != 0 || stats.Channels != 0 || stats.Subscriptions != 0 {
		t.Errorf("got %+v, want nothing left", stats)
	}
}

func TestTLSWorksTheSame(t *testing.T) {
	server := newServer(t, nil)
	web := httptest.NewTLSServer(server)
	t.Cleanup(web.Close)
	s := run(t, server)
	s.url = "http" + strings.TrimPrefix(web.URL, "https")
	s.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		dialer := tls.Dialer{Config: web.Client().Transport.(*http.Transport).TLSClientConfig}
		return dialer.DialContext(ctx, network, address)
	}
	c := s.connect()
	c.subscribe("a")
	for i := range 200 {
		s.trigger("a", fmt.Sprint(i), "{}")
	}
	for i := range 200 {
		c.want(fmt.Sprint(i))
	}
	c.write(ws.NewBinaryFrame(nil))
	c.wantClose(1003)
}

func TestQueueIsBoundedInBytesToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, func(c *pusherserver.Config) { c.MaxEventDataBytes, c.MaxQueuedBytes = 1000, 10_000 })
		c := s.connect()
		c.subscribe("a")
		data := strings.Repeat("x", 1000)
		for range 10 {
			// The writer takes the first frame and blocks on the pipe. Nine more of 1044 bytes fit.
			s.trigger("a", "edited", data)
			synctest.Wait()
		}
		if n := s.Stats().SlowReaders; n != 0 {
			t.Fatal("cut off although less than 10000 bytes wait")
		}
		s.trigger("a", "edited", data)
		if n := s.Stats().SlowReaders; n != 1 {
			t.Errorf("got %d slow readers, want 1", n)
		}
	})
}

func TestCloseTaggedSendsWhatWaitsAndNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, nil)
		c := s.connect()
		c.subscribe("a")
		s.Tag(c.socketID, "ada", "x")
		before := []string{"taken by the writer", "waiting", "waiting, too"}
		for _, event := range before {
			s.trigger("a", event, "{}")
			synctest.Wait()
		}
		s.CloseTagged("x")
		s.trigger("a", "too late", "{}")
		for _, event := range before {
			c.want(event)
		}
		c.want("pusher:error")
		c.wantClose(4009)
	})
}

func TestEndOfTheStreamFollowsTheCloseFrameAtOnce(t *testing.T) {
	s := start(t, nil)
	breach := s.connect()
	breach.write(ws.NewBinaryFrame(nil))
	unknown := s.open("/app/nobody?protocol=7")
	unknown.want("pusher:error")
	for _, c := range []*client{breach, unknown} {
		if f, err := c.frame(); err != nil || f.Header.OpCode != ws.OpClose {
			t.Fatalf("got %v %v, want a close frame", f.Header.OpCode, err)
		}
		began := time.Now()
		c.wantEOF() // although the client has not answered
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("the stream ended after %v", took)
		}
	}
}
