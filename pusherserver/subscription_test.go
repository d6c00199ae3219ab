package pusherserver_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lorebridge/pusherserver"
)

type subscriptionError struct {
	Type   string
	Error  string
	Status int
}

func (c *client) wantSubscriptionError(channel string) subscriptionError {
	c.t.Helper()
	m := c.want("pusher:subscription_error")
	if m.Channel != channel {
		c.t.Errorf("error is on channel %q, want %q", m.Channel, channel)
	}
	var e subscriptionError
	if err := json.Unmarshal([]byte(m.text(c.t)), &e); err != nil {
		c.t.Fatal(err)
	}
	return e
}

func TestSubscribersGetEventsUntilTheyUnsubscribe(t *testing.T) {
	s := start(t, nil)
	c := s.connect()
	for _, channel := range []string{"news", "private-news", "private-encrypted-news"} {
		c.subscribe(channel)
		s.trigger(channel, "edited", `{"a":"<b>&"}`)
		got := c.want("edited")
		if want := (wire{"edited", channel, json.RawMessage(`"{\"a\":\"<b>&\"}"`)}); !cmp.Equal(got, want) {
			t.Error(cmp.Diff(want, got))
		}
		c.send("pusher:unsubscribe", map[string]string{"channel": channel})
		c.roundtrip()
		s.trigger(channel, "edited", "{}")
		c.roundtrip()
	}
	if stats := s.Stats(); stats.Channels != 0 || stats.Subscriptions != 0 {
		t.Errorf("got %+v, want no channels", stats)
	}
}

func TestPrivateChannelsNeedTheRightSignature(t *testing.T) {
	s := start(t, nil)
	c, other := s.connect(), s.connect()
	right := sign(appSecret, c.socketID+":private-a")
	const data = `{"user_id":10}`
	withData := sign(appSecret, c.socketID+":private-a:"+data)
	for name, subscription := range map[string]map[string]string{
		"no auth":              {},
		"no key":               {"auth": right},
		"another key":          {"auth": "other:" + right},
		"another secret":       {"auth": appKey + ":" + sign("other", c.socketID+":private-a")},
		"another socket":       {"auth": appKey + ":" + sign(appSecret, other.socketID+":private-a")},
		"another channel":      {"auth": appKey + ":" + sign(appSecret, c.socketID+":private-b")},
		"cut":                  {"auth": appKey + ":" + right[:63]},
		"unsigned data":        {"auth": appKey + ":" + right, "channel_data": data},
		"signed data taken":    {"auth": appKey + ":" + withData},
		"signed data replaced": {"auth": appKey + ":" + withData, "channel_data": `{"user_id":11}`},
	} {
		subscription["channel"] = "private-a"
		c.send("pusher:subscribe", subscription)
		if e := c.wantSubscriptionError("private-a"); e.Type != "AuthError" || e.Status != 401 || e.Error == "" {
			t.Errorf("%s: got %+v", name, e)
		}
	}
	if n := s.Stats().Subscriptions; n != 0 {
		t.Errorf("got %d subscriptions, want none", n)
	}
	for _, subscription := range []map[string]string{
		{"auth": appKey + ":" + right},
		{"auth": appKey + ":" + withData, "channel_data": data},
	} {
		subscription["channel"] = "private-a"
		c.send("pusher:subscribe", subscription)
		c.want("pusher_internal:subscription_succeeded")
	}
}

func TestSubscriptionDataMayBeJSONInAString(t *testing.T) {
	s := start(t, nil)
	c := s.connect()
	c.send("pusher:subscribe", `{"channel":"news"}`)
	c.want("pusher_internal:subscription_succeeded")
}

func TestSubscribingTwiceCountsOnce(t *testing.T) {
	s := start(t, func(c *pusherserver.Config) { c.MaxSubscriptions = 1 })
	c := s.connect()
	c.subscribe("news", "news")
	if stats := s.Stats(); stats.Channels != 1 || stats.Subscriptions != 1 {
		t.Errorf("got %+v, want one subscription", stats)
	}
	s.trigger("news", "first", "")
	s.trigger("news", "second", "")
	c.want("first")
	c.want("second")
}

func TestSubscriptionsOfAConnectionAreBounded(t *testing.T) {
	s := start(t, func(c *pusherserver.Config) { c.MaxSubscriptions = 2 })
	c := s.connect()
	c.subscribe("a", "b")
	c.send("pusher:subscribe", map[string]string{"channel": "c"})
	if e := c.wantSubscriptionError("c"); e.Type != "LimitReached" || !strings.Contains(e.Error, "2") {
		t.Errorf("got %+v", e)
	}
	c.send("pusher:unsubscribe", map[string]string{"channel": "a"})
	c.subscribe("c")
}

func TestUnsupportedChannelsAreRejectedByName(t *testing.T) {
	s := start(t, nil)
	c := s.connect()
	for channel, want := range map[string]subscriptionError{
		"presence-a":             {Type: "UnsupportedChannel", Status: 501, Error: "presence-"},
		"presence-cache-a":       {Type: "UnsupportedChannel", Status: 501, Error: "presence-"},
		"#server-to-user-1":      {Type: "UnsupportedChannel", Status: 501, Error: "#server-to-user-"},
		"":                       {Type: "InvalidChannel", Status: 400, Error: "missing"},
		"a b":                    {Type: "InvalidChannel", Status: 400, Error: "invalid"},
		"é":                      {Type: "InvalidChannel", Status: 400, Error: "invalid"},
		strings.Repeat("a", 165): {Type: "InvalidChannel", Status: 400, Error: "at most 164"},
	} {
		c.send("pusher:subscribe", map[string]string{"channel": channel})
		got := c.wantSubscriptionError(channel)
		if got.Type != want.Type || got.Status != want.Status || !strings.Contains(got.Error, want.Error) {
			t.Errorf("%q: got %+v, want %+v", channel, got, want)
		}
	}
	c.subscribe(strings.Repeat("a", 164), "-_=@,.;aZ9")
}

func TestMessagesThatMakeNoSenseAreAnsweredAndTheConnectionStays(t *testing.T) {
	s := start(t, nil)
	c := s.connect()
	for _, text := range []string{
		"", "{", "null", "[]", `"x"`, "1", `{"event":1}`, `{}`, `{"event":"edited"}`, `{"event":"pusher:signin","data":{}}`,
		`{"event":"pusher:subscribe"}`, `{"event":"pusher:subscribe","data":[]}`, `{"event":"pusher:subscribe","data":"x"}`,
		`{"event":"pusher:subscribe","data":{"channel":1}}`, `{"event":"pusher:unsubscribe","data":7}`,
		`{"event":"client-typed","channel":"private-a","data":{}}`,
		fmt.Sprintf(`{"event":%q}`, strings.Repeat("x", 30000)),
	} {
		c.text(text)
		var data map[string]any
		if err := json.Unmarshal(c.want("pusher:error").Data, &data); err != nil {
			t.Fatal(err)
		}
		if code, ok := data["code"]; !ok || code != nil || data["message"] == "" {
			t.Errorf("%.80q: got %v, want a null code and a message", text, data)
		}
	}
	c.send("pusher:unsubscribe", map[string]string{"channel": "never subscribed"})
	c.send("pusher:pong", struct{}{})
	c.roundtrip()
}

func TestLeavingRemovesEverySubscription(t *testing.T) {
	s := start(t, nil)
	c := s.connect()
	c.subscribe("a", "private-b")
	c.conn.Close()
	s.stop()
	if stats := s.Stats(); stats != (pusherserver.Stats{}) {
		t.Errorf("got %+v, want nothing left", stats)
	}
}

func TestAppsDoNotHearEachOther(t *testing.T) {
	s := start(t, func(c *pusherserver.Config) {
		c.Apps = append(c.Apps, pusherserver.App{ID: "4", Key: "other", Secret: "s"})
	})
	ours, theirs := s.connect(), s.open("/app/other?protocol=7")
	theirs.want("pusher:connection_established")
	ours.subscribe("news")
	theirs.subscribe("news")
	s.trigger("news", "edited", "{}")
	ours.want("edited")
	theirs.roundtrip()
}
