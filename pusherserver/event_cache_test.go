package pusherserver_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lorebridge/pusherserver"
)

var cacheChannels = []string{"cache-a", "private-cache-a", "private-encrypted-cache-a"}

// wantMiss wants a cache miss without the field data, as the service sends it.
func (c *client) wantMiss(channel string) {
	c.t.Helper()
	if m := c.want("pusher:cache_miss"); m.Channel != channel || m.Data != nil {
		c.t.Errorf("got %s %s, want a miss of %s without data", m.Channel, m.Data, channel)
	}
}

func TestNewSubscribersOfCacheChannelsGetTheLastEvent(t *testing.T) {
	s := start(t, nil)
	for _, channel := range cacheChannels {
		first, second := s.connect(), s.connect()
		first.subscribe(channel)
		first.wantMiss(channel)
		s.trigger(channel, "first", "1")
		s.trigger(channel, "second", "<2>")
		first.want("first")
		first.want("second")
		second.subscribe(channel)
		if m := second.want("second"); m.Channel != channel || m.text(t) != "<2>" {
			t.Errorf("got %+v", m)
		}
		first.subscribe(channel) // a second time: it has the event already
		first.roundtrip()
		first.send("pusher:unsubscribe", map[string]string{"channel": channel})
		second.send("pusher:unsubscribe", map[string]string{"channel": channel})
		first.subscribe(channel)
		first.want("second")
		second.roundtrip()
	}
}

func TestOtherChannelsCacheNothing(t *testing.T) {
	s := start(t, nil)
	for _, channel := range []string{"a", "private-a", "private-encrypted-a", "not-cache-a", "private-x-cache-a", "cachex"} {
		s.trigger(channel, "edited", "1")
		c := s.connect()
		c.subscribe(channel)
		c.roundtrip()
	}
	if n := s.Stats().CachedEvents; n != 0 {
		t.Errorf("%d events are cached", n)
	}
}

func TestPrivateCacheChannelsNeedASignature(t *testing.T) {
	s := start(t, nil)
	c := s.connect()
	for _, channel := range cacheChannels[1:] {
		s.trigger(channel, "secret", "1")
		c.send("pusher:subscribe", map[string]string{"channel": channel})
		if e := c.wantSubscriptionError(channel); e.Type != "AuthError" {
			t.Errorf("%s: got %+v", channel, e)
		}
	}
	c.roundtrip()
}

func TestBatchesAndEventsForManyChannelsAreCachedToo(t *testing.T) {
	s := start(t, nil)
	post(t, s.RoundTripper(), "http://x", "/apps/3/events",
		`{"name":"many","channels":["cache-a","x","cache-b","cache-c"],"data":"1"}`)
	post(t, s.RoundTripper(), "http://x", "/apps/3/batch_events",
		`{"batch":[{"name":"batched","channel":"cache-b","data":"2"},{"name":"batched","channel":"cache-c","data":"3"}]}`)
	post(t, s.RoundTripper(), "http://x", "/apps/3/batch_events",
		`{"batch":[{"name":"batched","channel":"cache-c","data":"4"},{"name":"","channel":"cache-c","data":"invalid"}]}`)
	c := s.connect()
	for channel, want := range map[string]string{"cache-a": "1", "cache-b": "2", "cache-c": "3"} {
		c.subscribe(channel)
		if got := c.message().text(t); got != want {
			t.Errorf("%s: got %s, want %s", channel, got, want)
		}
	}
	if status, _ := post(t, s.RoundTripper(), "http://x", "/apps/3/events",
		`{"name":"e","channels":["private-encrypted-cache-a","cache-a"],"data":""}`); status != http.StatusBadRequest {
		t.Errorf("got %d for an encrypted channel among others, want 400", status)
	}
}

func TestAppsDoNotShareTheirCache(t *testing.T) {
	s := start(t, func(c *pusherserver.Config) {
		c.Apps = append(c.Apps, pusherserver.App{ID: "4", Key: "other", Secret: "s"})
	})
	s.trigger("cache-a", "edited", "1")
	theirs := s.open("/app/other?protocol=7")
	theirs.want("pusher:connection_established")
	theirs.subscribe("cache-a")
	theirs.wantMiss("cache-a")
}

func TestCachedEventsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, nil)
		s.trigger("cache-a", "edited", "1")
		subscribe := func() *client {
			c := s.connect()
			c.subscribe("cache-a")
			return c
		}
		<-time.After(30*time.Minute - time.Second)
		c := subscribe()
		c.want("edited")
		c.conn.Close()
		<-time.After(time.Second)
		subscribe().wantMiss("cache-a")
		s.trigger("cache-b", "edited", "1")
		<-time.After(30*time.Minute + 5*time.Second)
		synctest.Wait()
		if n := s.Stats().CachedEvents; n != 0 {
			t.Errorf("%d events are kept although they expired", n)
		}
	})
}

func TestCacheIsBoundedInEventsAndBytes(t *testing.T) {
	const size = 10_000
	for name, change := range map[string]func(*pusherserver.Config){
		"events": func(c *pusherserver.Config) { c.MaxCachedEvents = 10 },
		"bytes":  func(c *pusherserver.Config) { c.MaxCachedBytes = 10*(size+400) + 1000 },
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, change)
			for i := range 11 {
				s.trigger(fmt.Sprintf("cache-%d", i), "edited", strings.Repeat("x", size))
				s.trigger("cache-1", "edited", strings.Repeat("y", size)) // stays because it is young
			}
			if n := s.Stats().CachedEvents; n != 10 {
				t.Errorf("%d events are cached, want 10", n)
			}
			c := s.connect()
			c.subscribe("cache-0")
			c.wantMiss("cache-0")
			for i := 1; i < 11; i++ {
				c.subscribe(fmt.Sprintf("cache-%d", i))
				c.want("edited")
			}
		})
	}
}

// TestSubscribingToACacheChannelNeitherLosesNorDoublesAnEvent has clients join during a stream of numbers. Each client
// must get all numbers after the first one that it gets.
func TestSubscribingToACacheChannelNeitherLosesNorDoublesAnEvent(t *testing.T) {
	s := start(t, nil)
	const joins, more = 100, 20
	s.trigger("cache-a", "number", "0")
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			default:
				s.trigger("cache-a", "number", fmt.Sprint(i))
			}
		}
	}()
	for range joins {
		c := s.connect()
		c.subscribe("cache-a")
		var first int
		if _, err := fmt.Sscan(c.want("number").text(t), &first); err != nil {
			t.Fatal(err)
		}
		for i := range more {
			if got := c.want("number").text(t); got != fmt.Sprint(first+i+1) {
				t.Fatalf("got %s after %d", got, first+i)
			}
		}
		c.conn.Close()
	}
	close(stop)
	<-stopped
}
