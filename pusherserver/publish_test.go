package pusherserver_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pusher/pusher-http-go/v5"

	"lorebridge/pusherserver"
)

// publishers returns clients of the real library: one over TCP and one without.
func publishers(s *running) map[string]*pusher.Client {
	return map[string]*pusher.Client{
		"TCP": {AppID: appID, Key: appKey, Secret: appSecret, Host: strings.TrimPrefix(s.url, "http://"), HTTPClient: s.http},
		"loopback": {
			AppID: appID, Key: appKey, Secret: appSecret, Host: "nowhere.invalid",
			HTTPClient:                &http.Client{Transport: s.RoundTripper()},
			EncryptionMasterKeyBase64: "ZUhQVldIZzduRkdZVkJzS2pPRkRYV1JyaWJJUjJiMGI=",
		},
	}
}

func TestRealLibraryPublishes(t *testing.T) {
	s := start(t, nil)
	for name, publisher := range publishers(s) {
		t.Run(name, func(t *testing.T) {
			c := s.connect()
			c.t = t
			c.subscribe("a", "private-b")
			if err := publisher.Trigger("a", "one", map[string]string{"text": "<é>"}); err != nil {
				t.Fatal(err)
			}
			if err := publisher.TriggerMulti([]string{"private-b", "a"}, "two", "plain"); err != nil {
				t.Fatal(err)
			}
			if _, err := publisher.TriggerBatch([]pusher.Event{
				{Channel: "a", Name: "three", Data: "3"}, {Channel: "private-b", Name: "four", Data: []byte("4")},
			}); err != nil {
				t.Fatal(err)
			}
			for _, want := range []struct{ event, channel, data string }{
				{"one", "a", `{"text":"\u003cé\u003e"}`},
				{"two", "private-b", "plain"},
				{"two", "a", "plain"},
				{"three", "a", "3"},
				{"four", "private-b", "4"},
			} {
				if m := c.want(want.event); m.Channel != want.channel || m.text(t) != want.data {
					t.Errorf("got %s on %s: %s; want %+v", m.Event, m.Channel, m.Data, want)
				}
			}
		})
	}
}

func TestRealLibraryAuthorizesAndEncrypts(t *testing.T) {
	s := start(t, nil)
	c := s.connect()
	publisher := publishers(s)["loopback"]
	const channel = "private-encrypted-a"
	answer, err := publisher.AuthorizePrivateChannel([]byte("socket_id=" + c.socketID + "&channel_name=" + channel))
	if err != nil {
		t.Fatal(err)
	}
	var auth struct{ Auth string }
	if err := json.Unmarshal(answer, &auth); err != nil {
		t.Fatal(err)
	}
	c.send("pusher:subscribe", map[string]string{"channel": channel, "auth": auth.Auth})
	c.want("pusher_internal:subscription_succeeded")
	if err := publisher.Trigger(channel, "secret", "x"); err != nil {
		t.Fatal(err)
	}
	if data := c.want("secret").text(t); !strings.Contains(data, "ciphertext") {
		t.Errorf("data is %s", data)
	}
}

func TestRealLibraryReadsSubscriptionCounts(t *testing.T) {
	s := start(t, nil)
	first, second := s.connect(), s.connect()
	first.subscribe("a")
	second.subscribe("a", "b")
	info := "subscription_count"
	for name, publisher := range publishers(s) {
		got, err := publisher.TriggerMultiWithParams([]string{"a", "b", "c"}, "e", "", pusher.TriggerParams{Info: &info})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		counts := make(map[string]int)
		for channel, item := range got.Channels {
			counts[channel] = *item.SubscriptionCount
		}
		if want := map[string]int{"a": 2, "b": 1, "c": 0}; !cmp.Equal(counts, want) {
			t.Errorf("%s: %s", name, cmp.Diff(want, counts))
		}
		batch, err := publisher.TriggerBatch([]pusher.Event{{Channel: "b", Name: "e"}, {Channel: "a", Name: "e", Info: &info}})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(batch.Batch) != 2 || batch.Batch[0].SubscriptionCount != nil || *batch.Batch[1].SubscriptionCount != 2 {
			t.Errorf("%s: batch answer is %+v", name, batch)
		}
	}
}

func TestBatchListsInformationInTheOrderOfItsEvents(t *testing.T) {
	s := start(t, nil)
	s.connect().subscribe("a")
	body := `{"batch":[{"channel":"b","name":"e","data":""},{"channel":"a","name":"e","data":"","info":"subscription_count"}]}`
	status, answer := post(t, s.RoundTripper(), "http://x", "/apps/3/batch_events", body)
	if want := `{"batch":[{},{"subscription_count":1}]}`; status != 200 || answer != want {
		t.Errorf("got %d %s, want %s", status, answer, want)
	}
}

func TestExcludedSocketDoesNotGetTheEvent(t *testing.T) {
	s := start(t, nil)
	sender, other := s.connect(), s.connect()
	sender.subscribe("a", "b")
	other.subscribe("a")
	for _, publisher := range publishers(s) {
		if _, err := publisher.TriggerWithParams("a", "e", "", pusher.TriggerParams{SocketID: &sender.socketID}); err != nil {
			t.Fatal(err)
		}
		if _, err := publisher.TriggerBatch([]pusher.Event{{Channel: "a", Name: "batched", Data: "", SocketID: &sender.socketID}}); err != nil {
			t.Fatal(err)
		}
		other.want("e")
		other.want("batched")
		sender.roundtrip()
	}
}

func TestEventsArriveInTheOrderOfTheirRequests(t *testing.T) {
	s := start(t, nil)
	clients := []*client{s.connect(), s.connect(), s.connect()}
	for _, c := range clients {
		c.subscribe("a", "b")
	}
	const events = 500
	for i := range events {
		s.trigger([]string{"a", "b"}[i%2], fmt.Sprint(i), "{}")
	}
	for _, c := range clients {
		for i := range events {
			c.want(fmt.Sprint(i))
		}
	}
}

func TestConcurrentEventsArriveInOneOrderForEverybody(t *testing.T) {
	s := start(t, nil)
	clients := []*client{s.connect(), s.connect(), s.connect()}
	for _, c := range clients {
		c.subscribe("a")
	}
	const publishers, events = 4, 100
	done := make(chan bool)
	for p := range publishers {
		go func() {
			for i := range events {
				s.trigger("a", fmt.Sprintf("%d.%d", p, i), "{}")
			}
			done <- true
		}()
	}
	var orders [3][]string
	for i, c := range clients {
		for range publishers * events {
			orders[i] = append(orders[i], c.message().Event)
		}
	}
	for range publishers {
		<-done
	}
	if !slices.Equal(orders[0], orders[1]) || !slices.Equal(orders[0], orders[2]) {
		t.Error("clients saw different orders")
	}
}

func TestInvalidEventsAreRejectedByName(t *testing.T) {
	s := start(t, nil)
	long, tooLong := strings.Repeat("x", 201), strings.Repeat("x", 10241)
	hundredAndOne := `"a` + strings.Repeat(`","a`, 100) + `"`
	batch := func(events string) string { return `{"batch":[` + events + `]}` }
	const valid = `{"name":"e","channel":"a","data":""}`
	for _, test := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"events", ``, 400, "JSON"},
		{"events", `{`, 400, "JSON"},
		{"events", valid + valid, 400, "JSON"},
		{"events", `[]`, 400, "JSON object"},
		{"events", `{"channel":"a","data":""}`, 400, "name is missing"},
		{"events", `{"name":"","channel":"a","data":""}`, 400, "name is missing"},
		{"events", `{"name":1,"channel":"a","data":""}`, 400, "name must be of type string, it is of type number"},
		{"events", `{"name":"` + long + `","channel":"a","data":""}`, 400, "201 characters, at most 200"},
		{"events", `{"name":"pusher:x","channel":"a","data":""}`, 400, "must not start with"},
		{"events", `{"name":"pusher_internal:x","channel":"a","data":""}`, 400, "must not start with"},
		{"events", `{"name":"e","channel":"a"}`, 400, "data is missing"},
		{"events", `{"name":"e","channel":"a","data":{}}`, 400, "data must be of type string, it is of type object"},
		{"events", `{"name":"e","channel":"a","data":"` + tooLong + `"}`, 413, "10241 bytes, at most 10240"},
		{"events", `{"name":"e","data":""}`, 400, "channels is missing"},
		{"events", `{"name":"e","channels":[],"data":""}`, 400, "channels is missing"},
		{"events", `{"name":"e","channels":"a","data":""}`, 400, "channels must be of type array"},
		{"events", `{"name":"e","channels":[1],"data":""}`, 400, "must be of type string"},
		{"events", `{"name":"e","channels":[` + hundredAndOne + `],"data":""}`, 400, "101 names, at most 100"},
		{"events", `{"name":"e","channels":["a"],"channel":"a","data":""}`, 400, "exclude"},
		{"events", `{"name":"e","channel":"a b","data":""}`, 400, "invalid"},
		{"events", `{"name":"e","channel":"","data":""}`, 400, "channel name is missing"},
		{"events", `{"name":"e","channel":"` + long + `","data":""}`, 400, "at most 164"},
		{"events", `{"name":"e","channel":"presence-a","data":""}`, 400, "not supported"},
		{"events", `{"name":"e","channel":"#server-to-user-1","data":""}`, 400, "not supported"},
		{"events", `{"name":"e","channels":["a","private-encrypted-a"],"data":""}`, 400, "no other channel"},
		{"events", `{"name":"e","channel":"a","data":"","socket_id":"1"}`, 400, "socket_id"},
		{"events", `{"name":"e","channel":"a","data":"","socket_id":"1.2.3"}`, 400, "socket_id"},
		{"events", `{"name":"e","channel":"a","data":"","socket_id":""}`, 400, "socket_id"},
		{"events", `{"name":"e","channel":"a","data":"","info":"user_count"}`, 400, "presence"},
		{"events", `{"name":"e","channel":"a","data":"","info":"subscription_count,cache"}`, 400, "unknown"},
		{"events", `{"name":"e","channel":"a","data":"","info":""}`, 400, "unknown"},
		{"events", strings.Repeat(" ", 1<<20), 413, "body is larger than"},
		{"batch_events", valid, 400, "1 to 10 events, it holds 0"},
		{"batch_events", batch(valid + strings.Repeat(","+valid, 10)), 400, "1 to 10 events, it holds 11"},
		{"batch_events", batch(`{"name":"e","channels":["a"],"data":""}`), 400, "batch[0]"},
		{"batch_events", batch(valid + `,{"name":"e","channel":"a","data":"` + tooLong + `"}`), 413, "batch[1]: data"},
		{"batch_events", batch(`1`), 400, "batch must be of type object"},
		{"batch_events", `{"batch":{}}`, 400, "batch must be of type array"},
	} {
		status, answer := post(t, s.http.Transport, s.url, "/apps/3/"+test.path, test.body)
		var body struct{ Error string }
		if err := json.Unmarshal([]byte(answer), &body); err != nil || status != test.status || !strings.Contains(body.Error, test.want) {
			t.Errorf("%.90s: got %d %s, want %d %s", test.body, status, answer, test.status, test.want)
		}
	}
}

func TestEventsAtTheLimitsAreDelivered(t *testing.T) {
	s := start(t, nil)
	channels := make([]string, 100)
	for i := range channels {
		channels[i] = fmt.Sprintf("%0164d", i)
	}
	c := s.connect()
	c.subscribe(channels[99])
	name, data := strings.Repeat("\u2028", 200), strings.Repeat("\x00", 10240)
	body, err := json.Marshal(map[string]any{"name": name, "channels": channels, "data": data})
	if err != nil {
		t.Fatal(err)
	}
	if status, answer := post(t, s.RoundTripper(), "http://x", "/apps/3/events", string(body)); status != 200 {
		t.Fatal(answer)
	}
	if got := c.want(name).text(t); got != data {
		t.Errorf("got %d bytes of data, want %d", len(got), len(data))
	}
}

func TestBatchWithOneInvalidEventDeliversNothing(t *testing.T) {
	s := start(t, nil)
	c := s.connect()
	c.subscribe("a")
	status, _ := post(t, s.RoundTripper(), "http://x", "/apps/3/batch_events",
		`{"batch":[{"name":"e","channel":"a","data":""},{"name":"","channel":"a","data":""}]}`)
	if status != 400 {
		t.Errorf("got status %d, want 400", status)
	}
	c.roundtrip()
	if n := s.Stats().Events; n != 0 {
		t.Errorf("%d events were published", n)
	}
}

func TestChannelsNamedTwiceGetTheEventOnce(t *testing.T) {
	s := start(t, nil)
	c := s.connect()
	c.subscribe("a")
	post(t, s.RoundTripper(), "http://x", "/apps/3/events", `{"name":"e","channels":["a","a"],"data":""}`)
	c.want("e")
	c.roundtrip()
}

func TestUnsignedRequestsAreRejected(t *testing.T) {
	const path, body = "/apps/3/events", `{"name":"e","channel":"a","data":""}`
	s := start(t, nil)
	now := time.Now()
	query := signedQuery(path, body, now)
	for name, test := range map[string]struct {
		query, body string
		status      int
	}{
		"signed":          {query, body, 200},
		"more parameters": {signedQuery(path, body, now, "info=user_count,subscription_count"), body, 200},
		"unsigned":        {"", body, 401},
		"another body":    {query, body + " ", 401},
		"old":             {signedQuery(path, body, now.Add(-11*time.Minute)), body, 401},
		"future":          {signedQuery(path, body, now.Add(11*time.Minute)), body, 401},
		"another path":    {signedQuery("/apps/3/batch_events", body, now), body, 401},
		"repeated":        {query + "&auth_version=1.0", body, 400},
		"not a query":     {"%zz", body, 400},
		"no body":         {signedQuery(path, "", now), "", 400},
		"no md5":          {signedQuery(path, "", now), body, 401},
	} {
		request, err := http.NewRequest(http.MethodPost, s.url+path+"?"+test.query, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		if status, answer := do(t, s.http.Transport, request); status != test.status || !json.Valid([]byte(answer)) {
			t.Errorf("%s: got %d %s, want %d", name, status, answer, test.status)
		}
	}
}

func TestServerCanBeMountedUnderAPrefix(t *testing.T) {
	s := newServer(t, nil)
	run(t, s)
	request, err := http.NewRequest(http.MethodPost,
		"/realtime/apps/3/events?"+signedQuery("/apps/3/events", `{"name":"e","channel":"a","data":""}`, time.Now()),
		strings.NewReader(`{"name":"e","channel":"a","data":""}`))
	if err != nil {
		t.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	http.StripPrefix("/realtime", s).ServeHTTP(recorder, request)
	if recorder.Code != 200 {
		t.Errorf("got %d %s", recorder.Code, recorder.Body)
	}
}

func TestTimestampsFollowTheClockOfTheConfig(t *testing.T) {
	past := time.Unix(1353088179, 0)
	s := start(t, func(c *pusherserver.Config) { c.Now = func() time.Time { return past } })
	const path, body = "/apps/3/events", `{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}`
	const query = "auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0" +
		"&body_md5=ec365a775a4cd0599faeb73354201b6f" +
		"&auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"
	request, err := http.NewRequest(http.MethodPost, s.url+path+"?"+query, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if status, answer := do(t, s.http.Transport, request); status != 200 || answer != "{}" {
		t.Errorf("the request of the document got %d %s", status, answer)
	}
}
