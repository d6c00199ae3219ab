package realtime_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lorebridge/bridge"
	"lorebridge/ent/storedsubscription"
	"lorebridge/realtime"
)

// webhookBody returns the body of a webhook. events are pairs of a name and a channel.
func webhookBody(t testing.TB, at time.Time, events ...string) []byte {
	t.Helper()
	list := []map[string]string{}
	for i := 0; i < len(events); i += 2 {
		list = append(list, map[string]string{"name": events[i], "channel": events[i+1]})
	}
	body, err := json.Marshal(map[string]any{"time_ms": at.UnixMilli(), "events": list})
	must(t, err)
	return body
}

// webhook delivers a signed webhook, and fails the test unless it is accepted.
func (q *quietServer) webhook(at time.Time, events ...string) {
	q.t.Helper()
	body := webhookBody(q.t, at, events...)
	if got := q.deliverWebhook(http.MethodPost, body, key, signature(secret, body)); got.Code != http.StatusOK || got.Body.String() != `{"message":"okay"}` {
		q.t.Errorf("got %d %s", got.Code, got.Body)
	}
	synctest.Wait()
}

func (q *quietServer) deliverWebhook(method string, body []byte, key, signature string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(q.t.Context(), method, "/pusher/webhooks", strings.NewReader(string(body)))
	r.Header.Set("X-Pusher-Key", key)
	r.Header.Set("X-Pusher-Signature", signature)
	w := httptest.NewRecorder()
	q.subscriptions.WebhookHandler().ServeHTTP(w, r)
	return w
}

func TestPoint11ALateVacatedIsIgnored(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		hooks func(q *quietServer, channel string, joined time.Time)
		live  bool
	}{
		"from before it joined": {func(q *quietServer, channel string, joined time.Time) {
			q.webhook(joined.Add(-time.Second), "channel_vacated", channel)
		}, true},
		"from after it joined": {func(q *quietServer, channel string, joined time.Time) {
			q.webhook(joined.Add(time.Second), "channel_vacated", channel)
		}, false},
		"twice": {func(q *quietServer, channel string, joined time.Time) {
			q.webhook(joined.Add(time.Second), "channel_vacated", channel)
			q.webhook(joined.Add(time.Second), "channel_vacated", channel)
		}, false},
		"and the client is back": {func(q *quietServer, channel string, joined time.Time) {
			q.webhook(joined.Add(time.Second), "channel_vacated", channel)
			q.webhook(joined.Add(2*time.Second), "channel_occupied", channel)
			q.webhook(joined.Add(time.Second), "channel_vacated", channel)
		}, true},
		"after it came back with another connection": {func(q *quietServer, channel string, joined time.Time) {
			q.webhook(joined.Add(time.Second), "channel_vacated", channel)
			q.wait(10 * time.Second)
			q.may(q.person("Nobody"), channel)
			q.webhook(joined.Add(11*time.Second), "channel_occupied", channel)
			q.webhook(joined.Add(time.Second), "channel_vacated", channel)
		}, true},
		"behind an occupied that is older": {func(q *quietServer, channel string, joined time.Time) {
			q.webhook(joined.Add(2*time.Second), "channel_vacated", channel)
			q.webhook(joined.Add(time.Second), "channel_occupied", channel)
		}, false},
		"both in one body": {func(q *quietServer, channel string, joined time.Time) {
			q.webhook(joined.Add(time.Second), "channel_vacated", channel, "channel_occupied", channel)
		}, true},
		"of others": {func(q *quietServer, channel string, joined time.Time) {
			q.webhook(joined.Add(time.Second), "channel_vacated", "private-user-1", "channel_vacated", "private-gql-nobody",
				"cache_miss", channel, "member_removed", channel)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQuietServer(t, elsewhere)
				ada := q.person("Ada")
				joined := time.Now()
				channel := q.subscribeAndJoin(ada, title)
				q.wait(5 * time.Second)
				test.hooks(q, channel, joined)
				q.wait(time.Second)
				q.publish(ada, "compilers", "")
				if !test.live {
					q.receives(channel)
					q.open(channel, storedsubscription.StateVacated)
					return
				}
				q.receives(channel, "compilers")
				q.open(channel, storedsubscription.StateLive)
			})
		})
	}
}

func TestAVacatedOfTheFormerConnectionDoesNotStopTheNewOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, elsewhere)
		ada := q.person("Ada")
		channel := q.subscribeAndJoin(ada, title)
		q.wait(time.Minute)
		if !q.may(ada, channel) {
			t.Fatal("the authorization is rejected")
		}
		q.webhook(time.Now().Add(time.Millisecond), "channel_vacated", channel)
		q.wait(6 * time.Second) // it has joined, and a poll finds it
		q.publish(ada, "compilers", "")
		q.receives(channel, "compilers")
	})
}

// A webhook does not contain the time at which the client was lost. So it is unknown whether the client received the
// events of the last two minutes.
func TestAClientThatLeftByAWebhookIsSentTheLastTwoMinutesAndNoGap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, elsewhere)
		ada := q.person("Ada")
		channel := q.subscribeAndJoin(ada, title)
		q.publish(ada, "compilers", "")
		q.wait(30 * time.Second)
		q.publish(ada, "parsers", "")
		q.wait(110 * time.Second)
		q.away(channel)
		q.webhook(time.Now(), "channel_vacated", channel)
		q.publish(ada, "linkers", "")
		q.wait(50 * time.Second)
		q.receives(channel, "compilers", "parsers")
		q.join(ada, channel, "")
		q.wait(time.Second)
		q.receives(channel, "parsers", "linkers")
	})
}

func TestPoint12AWebhookThatIsNotPushersChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, elsewhere)
		ada := q.person("Ada")
		channel := q.subscribeAndJoin(ada, title)
		q.wait(5 * time.Second)
		body := webhookBody(t, time.Now(), "channel_vacated", channel)
		old := webhookBody(t, time.Now().Add(-11*time.Minute), "channel_vacated", channel)
		large := webhookBody(t, time.Now(), "channel_vacated", strings.Repeat("x", 256<<10))
		for name, test := range map[string]struct {
			method         string
			body           []byte
			key, signature string
			status         int
		}{
			"unsigned":                       {"POST", body, "", "", 401},
			"of no key":                      {"POST", body, "", signature(secret, body), 401},
			"of an unknown key":              {"POST", body, "another", signature(secret, body), 401},
			"without a signature":            {"POST", body, key, "", 401},
			"signed with another secret":     {"POST", body, key, signature("guessed", body), 401},
			"signed with nothing":            {"POST", body, key, signature("", body), 401},
			"signed for another body":        {"POST", body, key, signature(secret, old), 401},
			"with half a signature":          {"POST", body, key, signature(secret, body)[:32], 401},
			"with a signature of words":      {"POST", body, key, strings.Repeat("z", 64), 401},
			"unsigned and no webhook at all": {"POST", []byte("hello"), key, "", 401},
			"no webhook at all":              {"POST", []byte("hello"), key, signature(secret, []byte("hello")), 400},
			"too old":                        {"POST", old, key, signature(secret, old), 400},
			"too large":                      {"POST", large, key, signature(secret, large), 413},
			"with GET":                       {"GET", body, key, signature(secret, body), 405},
		} {
			if got := q.deliverWebhook(test.method, test.body, test.key, test.signature); got.Code != test.status {
				t.Errorf("%s: got %d %s, want %d", name, got.Code, got.Body, test.status)
			}
		}
		q.publish(ada, "compilers", "")
		q.receives(channel, "compilers")
	})
}

func TestPoint13KeysCanBeExchanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, elsewhere, func(p *quietOptions) {
			p.subscriptions.WebhookTokens = []string{"oldkey:old:secret", " older:0123abcd "}
		})
		channel := q.subscribeAndJoin(q.person("Ada"), title)
		q.wait(5 * time.Second)
		body := webhookBody(t, time.Now(), "channel_vacated", channel)
		for _, wrong := range [][2]string{{"oldkey", secret}, {key, "old:secret"}, {"older", "old:secret"}} {
			if got := q.deliverWebhook(http.MethodPost, body, wrong[0], signature(wrong[1], body)); got.Code != http.StatusUnauthorized {
				t.Errorf("%v: got %d", wrong, got.Code)
			}
		}
		for _, right := range [][2]string{{"oldkey", "old:secret"}, {"older", "0123abcd"}, {key, secret}} {
			if got := q.deliverWebhook(http.MethodPost, body, right[0], signature(right[1], body)); got.Code != http.StatusOK {
				t.Errorf("%v: got %d", right, got.Code)
			}
		}
		q.open(channel, storedsubscription.StateVacated)
	})
}

func TestPoint13TokensThatAreNoPairsAreNamed(t *testing.T) {
	t.Parallel()
	for _, pair := range []string{"", "key", "key:", ":secret", "a key:secret"} {
		c := realtime.SubscriptionsConfig{
			PerPerson: 1, Grace: time.Minute, Lifetime: time.Hour, Sweep: time.Minute,
			Oversize: bridge.OversizeError, PayloadLimit: 10240, WebhookTokens: []string{pair},
		}
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "PUSHER_WEBHOOK_TOKENS") {
			t.Errorf("%q: got %v", pair, err)
		}
	}
}

func TestPoint14AWebhookAboutAnEncryptedChannelCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, elsewhere, encrypting)
		channel := q.subscribeAndJoin(q.person("Ada"), title)
		if !strings.HasPrefix(channel, "private-encrypted-gql-") {
			t.Fatal(channel)
		}
		q.wait(5 * time.Second)
		q.webhook(time.Now(), "channel_vacated", channel)
		q.open(channel, storedsubscription.StateVacated)
		q.webhook(time.Now(), "channel_occupied", channel)
		q.open(channel, storedsubscription.StateLive)
	})
}

func TestPushersOwnWebhooksReportWhoJoinsAndLeaves(t *testing.T) {
	t.Parallel()
	s := startServer(t, pusherSetups["elsewhere, with webhooks"])
	ada, grace := s.person("Ada"), s.person("Grace")
	channel := s.subscribe(ada, title)
	l := s.listen(ada, channel)
	s.publish(grace, "compilers")
	l.receives("compilers")
	l.leave()
	eventually(t, "the webhook", func() bool { return s.row(channel).State == storedsubscription.StateVacated })
	s.publish(grace, "parsers")
	s.join(ada, l)
	s.publish(grace, "linkers")
	l.receives("compilers", "parsers", "linkers") // repeated, because the webhook has no time of the loss
}

func TestPoint29WithoutWebhooksAChannelThatIsNotFoundTwiceIsTakenForLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, elsewhere)
		ada := q.person("Ada")
		stays, leaves, blinks := q.subscribeAndJoin(ada, title), q.subscribeAndJoin(ada, title), q.subscribeAndJoin(ada, title)
		q.wait(30 * time.Second)
		q.away(leaves)
		q.away(blinks)
		q.wait(time.Minute) // the time of one sweep
		q.open(leaves, storedsubscription.StateLive)
		q.back(blinks)
		q.wait(time.Minute)
		q.open(leaves, storedsubscription.StateVacated)
		q.away(blinks)
		q.wait(time.Minute) // not found for the second time, but not twice in succession
		q.back(blinks)
		q.wait(3 * time.Hour)
		q.open(stays, storedsubscription.StateLive)
		q.open(blinks, storedsubscription.StateLive)
		q.open(leaves, storedsubscription.StateAway)
	})
}

func TestPoint29TheSweepFindsWhatNoWebhookReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, elsewhere, func(p *quietOptions) { p.subscriptions.Sweep = 20 * time.Second })
		ada := q.person("Ada")
		channel := q.subscribeAndJoin(ada, title)
		q.wait(5 * time.Second)
		q.webhook(time.Now(), "channel_vacated", channel) // and no webhook reports that it is occupied
		q.publish(ada, "compilers", "")
		q.receives(channel)
		q.wait(30 * time.Second)
		q.receives(channel, "compilers")
		q.open(channel, storedsubscription.StateLive)
	})
}

func TestPoint29TheSweepReadsLongLists(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, elsewhere)
		for i := range 5000 {
			q.joined[fmt.Sprintf("private-gql-%026d", i)] = struct{}{}
		}
		channel := q.subscribeAndJoin(q.person("Ada"), title)
		q.wait(10 * time.Minute)
		q.open(channel, storedsubscription.StateLive)
		q.away(channel)
		q.wait(2 * time.Minute)
		q.open(channel, storedsubscription.StateVacated)
	})
}

func TestPoint29AChannelThatCannotBePolledCountsAsJoined(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, elsewhere)
		q.gate.on(func(r *http.Request, _ []sent) (int, error) {
			if r.Method == http.MethodGet {
				return http.StatusNotFound, nil
			}
			return 0, nil
		})
		ada := q.person("Ada")
		channel := q.subscribe(ada, title)
		q.may(ada, channel)
		q.publish(ada, "compilers", "")
		q.wait(4 * time.Second)
		q.receives(channel)
		q.wait(10 * time.Second)
		if got := q.received(channel); !slices.Equal(got, []string{"compilers"}) {
			t.Errorf("got %v", got)
		}
	})
}

// Pusher's clock may differ from ours. Within ten minutes the times in webhooks count, and a later webhook never counts
// as older because of the difference.
func TestAWebhooksTimeIsBelievedOverTheWholeRange(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		ahead  time.Duration
		status int
	}{
		{-24 * time.Hour, 400},
		{-10*time.Minute - time.Second, 400},
		{-10 * time.Minute, 200},
		{-time.Second, 200},
		{0, 200},
		{time.Second, 200},
		{5 * time.Minute, 200},
		{10 * time.Minute, 200},
		{10*time.Minute + time.Second, 400},
		{time.Hour, 400},
		{100 * 365 * 24 * time.Hour, 400},
	} {
		synctest.Test(t, func(t *testing.T) {
			q := newQuietServer(t, elsewhere)
			ada := q.person("Ada")
			channel := q.subscribeAndJoin(ada, title)
			q.wait(10 * time.Second)
			body := webhookBody(t, time.Now().Add(test.ahead), "channel_occupied", channel)
			if got := q.deliverWebhook(http.MethodPost, body, key, signature(secret, body)); got.Code != test.status {
				t.Errorf("%v ahead is answered %d %s, want %d", test.ahead, got.Code, got.Body, test.status)
			}
			q.wait(time.Second)
			q.webhook(time.Now(), "channel_vacated", channel)
			q.open(channel, storedsubscription.StateVacated)
			q.wait(time.Second)
			q.webhook(time.Now(), "channel_occupied", channel)
			q.publish(ada, "compilers", "")
			if got := q.received(channel); len(got) == 0 || got[len(got)-1] != "compilers" {
				t.Errorf("%v ahead: got %v", test.ahead, got)
			}
		})
	}
}
