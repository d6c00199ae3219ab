package pusherserver_test

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"lorebridge/pusherserver"
)

// frameAfter returns the next frame and how long it took, without a limit.
func (c *client) frameAfter() (ws.Frame, time.Duration) {
	c.t.Helper()
	asked := time.Now()
	c.conn.SetReadDeadline(time.Time{})
	header, err := ws.ReadHeader(c.reader)
	if err != nil {
		c.t.Fatal(err)
	}
	payload := make([]byte, header.Length)
	if header.Length > 0 {
		if _, err := c.reader.Read(payload); err != nil {
			c.t.Fatal(err)
		}
	}
	return ws.Frame{Header: header, Payload: payload}, time.Since(asked)
}

func TestSilentClientIsPingedAndThenClosedWith4201(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, nil)
		c := s.connect()
		ping, took := c.frameAfter()
		if ping.Header.OpCode != ws.OpPing || took < 30*time.Second || took > 35*time.Second {
			t.Fatalf("got %v after %v, want a ping after 30 s", ping.Header.OpCode, took)
		}
		closing, took := c.frameAfter()
		code, _ := ws.ParseCloseFrameData(closing.Payload)
		if closing.Header.OpCode != ws.OpClose || code != 4201 || took < 60*time.Second || took > 65*time.Second {
			t.Fatalf("got %v %d after %v, want 4201 after 60 s", closing.Header.OpCode, code, took)
		}
		// This client does not answer the close frame either.
		c.wantEOF()
		synctest.Wait()
		if stats := s.Stats(); stats.Connections != 0 {
			t.Errorf("got %+v, want no connections", stats)
		}
	})
}

func TestAnyMessageCountsAsLife(t *testing.T) {
	for name, answer := range map[string]ws.Frame{
		"pong":        ws.NewPongFrame(nil),
		"ping":        ws.NewPingFrame(nil),
		"pusher:ping": ws.NewTextFrame([]byte(`{"event":"pusher:ping","data":{}}`)),
		"nonsense":    ws.NewTextFrame([]byte(`nonsense`)),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := startInBubble(t, nil)
				c := s.connect()
				for range 10 {
					f, took := c.frameAfter()
					if f.Header.OpCode != ws.OpPing || took < 25*time.Second {
						t.Fatalf("got %v %q after %v, want a ping", f.Header.OpCode, f.Payload, took)
					}
					c.write(answer)
					if answer.Header.OpCode != ws.OpPong {
						c.frameAfter()
					}
				}
			})
		})
	}
}

func TestIdleWriterIsRetiredAndStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, func(c *pusherserver.Config) { c.ActivityTimeout = 2 * time.Minute })
		c := s.connect()
		c.subscribe("news")
		synctest.Wait()
		busy := runtime.NumGoroutine()
		for range 3 {
			<-time.After(30 * time.Second) // several sweeps
			synctest.Wait()
			if n := runtime.NumGoroutine(); n != busy-1 {
				t.Fatalf("%d goroutines are left of %d, want one less: the writer", n, busy)
			}
			s.trigger("news", "edited", "{}")
			c.want("edited")
			synctest.Wait()
			if n := runtime.NumGoroutine(); n != busy {
				t.Fatalf("got %d goroutines, want %d: the writer stays for a while", n, busy)
			}
		}
	})
}

func TestSocketThatTakesNothingIsClosedAfterTheWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, func(c *pusherserver.Config) { c.WriteTimeout = 20 * time.Second })
		c := s.connect()
		c.subscribe("news")
		s.trigger("news", "edited", "{}")
		<-time.After(19 * time.Second)
		synctest.Wait()
		if n := s.Stats().Connections; n != 1 {
			t.Fatalf("got %d connections before the timeout, want 1", n)
		}
		<-time.After(time.Second)
		synctest.Wait()
		if stats := s.Stats(); stats.Connections != 0 || stats.SlowReaders != 1 {
			t.Errorf("got %+v, want the connection gone as a slow reader", stats)
		}
	})
}
