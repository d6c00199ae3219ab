package pusherserver_test

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"lorebridge/pusherserver"
)

// changeLog is an OnSubscription that keeps all changes.
type changeLog struct {
	changesMu sync.Mutex
	changes   []pusherserver.SubscriptionChange
	changed   chan struct{} // gets a token after each change
}

func newChangeLog() *changeLog { return &changeLog{changed: make(chan struct{}, 10_000)} }

func (l *changeLog) add(change pusherserver.SubscriptionChange) {
	l.changesMu.Lock()
	l.changes = append(l.changes, change)
	l.changesMu.Unlock()
	l.changed <- struct{}{}
}

// next returns the first change that it has not returned yet.
func (l *changeLog) next(t *testing.T) pusherserver.SubscriptionChange {
	t.Helper()
	select {
	case <-l.changed:
	case <-time.After(patience):
		t.Fatal("no change came")
	}
	l.changesMu.Lock()
	defer l.changesMu.Unlock()
	change := l.changes[0]
	l.changes = l.changes[1:]
	return change
}

// rest returns the changes that next has not returned.
func (l *changeLog) rest() []pusherserver.SubscriptionChange {
	l.changesMu.Lock()
	defer l.changesMu.Unlock()
	return l.changes
}

func startLogged(t *testing.T) (*running, *changeLog) {
	t.Helper()
	log := newChangeLog()
	return start(t, func(c *pusherserver.Config) { c.OnSubscription = log.add }), log
}

func TestSubscriptionChangesAreReported(t *testing.T) {
	s, log := startLogged(t)
	first, second := s.connect(), s.connect()
	first.subscribe("a")
	second.subscribe("a")
	first.subscribe("a") // reports that it still listens
	first.send("pusher:unsubscribe", map[string]string{"channel": "a"})
	first.send("pusher:unsubscribe", map[string]string{"channel": "a"})
	first.send("pusher:unsubscribe", map[string]string{"channel": "never subscribed"})
	first.send("pusher:subscribe", map[string]string{"channel": "private-a"}) // is rejected
	first.wantSubscriptionError("private-a")
	second.conn.Close()
	want := []pusherserver.SubscriptionChange{
		{AppID: appID, Channel: "a", SocketID: first.socketID, Joined: true, Subscribers: 1},
		{AppID: appID, Channel: "a", SocketID: second.socketID, Joined: true, Subscribers: 2},
		{AppID: appID, Channel: "a", SocketID: first.socketID, Joined: true, Subscribers: 2},
		{AppID: appID, Channel: "a", SocketID: first.socketID, Subscribers: 1, Unsubscribed: true},
		{AppID: appID, Channel: "a", SocketID: second.socketID},
	}
	var got []pusherserver.SubscriptionChange
	for range want {
		change := log.next(t)
		if change.At.IsZero() || !change.Heard.Equal(change.At) {
			t.Errorf("%+v: at and heard are not the same moment", change)
		}
		got = append(got, change)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(pusherserver.SubscriptionChange{}, "At", "Heard")); diff != "" {
		t.Error(diff)
	}
	s.stop()
	if rest := log.rest(); len(rest) != 0 {
		t.Errorf("got %+v besides", rest)
	}
}

func TestWhatIsPublishedBecauseOfAJoinFollowsItsConfirmation(t *testing.T) {
	s, log := startLogged(t)
	c := s.connect()
	for i := range 100 {
		channel := fmt.Sprint(i)
		c.send("pusher:subscribe", map[string]string{"channel": channel})
		s.trigger(log.next(t).Channel, "snapshot", "{}")
		c.want("pusher_internal:subscription_succeeded")
		c.want("snapshot")
	}
}

func TestLeavesOfOneSocketAreReportedOnceForEachChannelAtShutdownToo(t *testing.T) {
	s, log := startLogged(t)
	for range 3 {
		s.connect().subscribe("a", "b")
	}
	s.stop()
	left := make(map[string]int)
	counts := make(map[string]int)
	for _, change := range log.rest() {
		if change.Joined {
			counts[change.Channel]++
		} else {
			left[change.Channel+change.SocketID]++
			counts[change.Channel]--
		}
		if change.Subscribers != counts[change.Channel] {
			t.Errorf("%+v: want %d subscribers", change, counts[change.Channel])
		}
	}
	if len(left) != 6 {
		t.Errorf("got leaves %v, want six", left)
	}
	for who, times := range left {
		if times != 1 {
			t.Errorf("%s left %d times", who, times)
		}
	}
}

func TestAResetIsGoodOrder(t *testing.T) {
	s, log := startLogged(t)
	c := s.connect()
	c.subscribe("a")
	log.next(t)
	if err := c.conn.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	c.conn.Close()
	if left := log.next(t); left.Joined || !left.Heard.Equal(left.At) {
		t.Errorf("got %+v, want a leave that was heard when it happened", left)
	}
}

// ignoreFrames reads until the stream ends, and answers no frame.
func (c *client) ignoreFrames() {
	c.conn.SetReadDeadline(time.Time{})
	_, _ = io.Copy(io.Discard, c.reader)
}

// TestHeardIsWhenTheClientSurelyGotWhatWasSent ends a client in several ways. The client subscribes at 0 s and sends a
// ping at 10 s. The table has the times of the leave and of Heard, in seconds.
func TestHeardIsWhenTheClientSurelyGotWhatWasSent(t *testing.T) {
	second := func(n int) { <-time.After(time.Duration(n) * time.Second); synctest.Wait() }
	for name, test := range map[string]struct {
		leave func(*running, *client)
		left  int // at least; the sweep adds at most 5 s
		heard int // -1 means the time of the leave
	}{
		"end of the stream": {leave: func(_ *running, c *client) { c.conn.Close() }, left: 20, heard: -1},
		"close frame": {leave: func(_ *running, c *client) {
			c.write(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "")))
			if f, err := c.frame(); err != nil || f.Header.OpCode != ws.OpClose {
				t.Errorf("got %v %v, want a close frame", f.Header.OpCode, err)
			}
		}, left: 20, heard: -1},
		"no answer to a ping": {leave: func(_ *running, c *client) { go c.ignoreFrames() }, left: 10 + 30 + 60, heard: 10},
		"no byte taken": {leave: func(s *running, _ *client) {
			s.trigger("a", "lost", "{}")
		}, left: 20 + 30, heard: 10},
		"too slow": {leave: func(s *running, _ *client) {
			for range 12 {
				s.trigger("a", "lost", "{}")
				synctest.Wait()
			}
		}, left: 20 + 5, heard: 10},
		"too slow, but talking": {leave: func(s *running, c *client) {
			s.trigger("a", "taken by the writer", "{}")
			second(5)
			c.text(`{"event":"pusher:pong"}`)
			synctest.Wait()
			for range 11 {
				s.trigger("a", "lost", "{}")
			}
			second(1)
			c.text(`{"event":"pusher:pong"}`)
		}, left: 20 + 5 + 5, heard: 20},
		"closed by us, not answering": {leave: func(s *running, c *client) {
			s.Tag(c.socketID, "ada", "x")
			s.CloseTagged("x")
			go c.ignoreFrames()
		}, left: 20 + 5, heard: 10},
		"closed by us, answering after what waited": {leave: func(s *running, c *client) {
			s.Tag(c.socketID, "ada", "x")
			s.trigger("a", "taken by the writer", "{}")
			synctest.Wait()
			s.trigger("a", "waiting", "{}")
			s.CloseTagged("x")
			second(2)
			c.wantClose(4009)
		}, left: 20 + 2, heard: -1},
		"shutdown, not answering": {leave: func(s *running, c *client) {
			go c.ignoreFrames()
			s.stop()
		}, left: 20 + 5, heard: 10},
		"shutdown, answering": {leave: func(s *running, c *client) {
			closed := make(chan struct{})
			go func() {
				c.wantClose(4100)
				close(closed)
			}()
			s.stop()
			<-closed
		}, left: 20, heard: 20},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := newChangeLog()
				s := startInBubble(t, func(c *pusherserver.Config) {
					c.OnSubscription, c.MaxQueuedFrames = log.add, 10
				})
				began := time.Now()
				c := s.connect()
				c.subscribe("a")
				if joined := log.next(t); !joined.At.Equal(began) {
					t.Errorf("joined at %v", joined.At.Sub(began))
				}
				second(10)
				c.roundtrip()
				second(10)
				test.leave(s, c)
				<-log.changed
				left := log.rest()[0]
				at, heard := left.At.Sub(began), left.Heard.Sub(began)
				if late := at - time.Duration(test.left)*time.Second; left.Joined || late < 0 || late > 5*time.Second {
					t.Errorf("left after %v, want %d s", at, test.left)
				}
				want := time.Duration(test.heard) * time.Second
				if test.heard < 0 {
					want = at
				}
				if heard != want {
					t.Errorf("heard at %v, want %v", heard, want)
				}
			})
		})
	}
}
