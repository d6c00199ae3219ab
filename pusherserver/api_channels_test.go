package pusherserver_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pusher/pusher-http-go/v5"

	"lorebridge/pusherserver"
)

func TestRealLibraryListsOccupiedChannels(t *testing.T) {
	s := start(t, nil)
	c := s.connect()
	c.subscribe("a", "private-a", "private-b", "x,y;z", "left")
	c.send("pusher:unsubscribe", map[string]string{"channel": "left"})
	c.roundtrip()
	for name, publisher := range publishers(s) {
		for prefix, want := range map[string][]string{
			"":             {"a", "private-a", "private-b", "x,y;z"},
			"private-":     {"private-a", "private-b"},
			"x,y;":         {"x,y;z"},
			"nothing-like": {},
		} {
			params := pusher.ChannelsParams{}
			if prefix != "" {
				params.FilterByPrefix = &prefix
			}
			list, err := publisher.Channels(params)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			wanted := make(map[string]pusher.ChannelListItem)
			for _, channel := range want {
				wanted[channel] = pusher.ChannelListItem{}
			}
			if !cmp.Equal(wanted, list.Channels) {
				t.Errorf("%s, prefix %q: %s", name, prefix, cmp.Diff(wanted, list.Channels))
			}
		}
	}
}

func TestRealLibraryAsksForOneChannel(t *testing.T) {
	s := start(t, nil)
	for range 3 {
		s.connect().subscribe("private-cache-x,y;z")
	}
	info := "subscription_count,cache"
	for name, publisher := range publishers(s) {
		for channel, want := range map[string]pusher.Channel{
			"private-cache-x,y;z": {Occupied: true, SubscriptionCount: 3},
			"cache-nobody":        {},
		} {
			want.Name = channel
			got, err := publisher.Channel(channel, pusher.ChannelParams{Info: &info})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if !cmp.Equal(&want, got) {
				t.Errorf("%s: %s", name, cmp.Diff(&want, got))
			}
		}
		if _, err := publisher.GetChannelUsers("a"); err == nil || !strings.Contains(err.Error(), "400") {
			t.Errorf("%s: got error %v for the users of a public channel", name, err)
		}
	}
}

func TestChannelAnswersHoldWhatWasAskedFor(t *testing.T) {
	s := start(t, nil)
	s.connect().subscribe("a")
	s.connect().subscribe("a")
	s.trigger("cache-a", "edited", `{"text":"<é>"}`)
	long := strings.Repeat("x", 165)
	for _, test := range []struct {
		path   string
		extra  []string
		status int
		want   string
	}{
		{"channels", nil, 200, `{"channels":{"a":{}}}`},
		{"channels", []string{"filter_by_prefix=presence-", "info=user_count"}, 200, `{"channels":{}}`},
		{"channels", []string{"info=user_count"}, 400, "filter_by_prefix"},
		{"channels", []string{"filter_by_prefix=private-", "info=user_count"}, 400, "filter_by_prefix"},
		{"channels", []string{"filter_by_prefix=presence-", "info=user_count,subscription_count"}, 400, "subscription_count"},
		{"channels", []string{"info="}, 400, "only user_count"},
		{"channels/a", nil, 200, `{"occupied":true}`},
		{"channels/a", []string{"info=subscription_count"}, 200, `{"occupied":true,"subscription_count":2}`},
		{"channels/b", nil, 200, `{"occupied":false}`},
		{"channels/b", []string{"info=subscription_count"}, 200, `{"occupied":false,"subscription_count":0}`},
		{"channels/cache-a", nil, 200, `{"occupied":false}`},
		{
			"channels/cache-a",
			[]string{"info=subscription_count,cache"},
			200,
			`{"occupied":false,"subscription_count":0,"cache":{"data":"{\"text\":\"<é>\"}","ttl":1800}}`,
		},
		{"channels/private-cache-b", []string{"info=cache"}, 200, `{"occupied":false,"cache":null}`},
		{"channels/a", []string{"info=cache"}, 400, "cache"},
		{"channels/a", []string{"info=user_count"}, 400, "presence"},
		{"channels/a", []string{"info=subscription_count,x"}, 400, "unknown"},
		{"channels/a", []string{"info="}, 400, "unknown"},
		{"channels/a b", nil, 400, "invalid"},
		{"channels/a/b", nil, 404, "not found"},
		{"channels/" + long, nil, 400, "at most 164"},
		{"channels/presence-a", nil, 400, "not supported"},
		{"channels/a/users", nil, 400, "only presence channels have users"},
		{"channels/a b/users", nil, 400, "invalid"},
	} {
		path := "/apps/3/" + test.path
		request, err := http.NewRequest(http.MethodGet, s.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.URL.Path = path
		request.URL.RawQuery = signedQueryOf(http.MethodGet, path, "", time.Now(), test.extra...)
		status, answer := do(t, s.http.Transport, request)
		matches := answer == test.want
		if test.status != 200 {
			matches = strings.Contains(answer, test.want)
		}
		if status != test.status || !matches {
			t.Errorf("%s %v: got %d %s, want %d %s", test.path, test.extra, status, answer, test.status, test.want)
		}
	}
}

func TestEscapedParametersAreSignedAsTheyAreDecoded(t *testing.T) {
	s := start(t, nil)
	const path = "/apps/3/channels/a"
	signed := signedQueryOf(http.MethodGet, path, "", time.Now(), "info=subscription_count,subscription_count")
	for _, query := range []string{signed, strings.ReplaceAll(signed, ",", "%2C")} {
		request, err := http.NewRequest(http.MethodGet, s.url+path+"?"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		if status, answer := do(t, s.http.Transport, request); status != 200 {
			t.Errorf("got %d %s", status, answer)
		}
	}
}

func TestChannelQueriesNeedTheirSignatureAndMethod(t *testing.T) {
	s := start(t, nil)
	now := time.Now()
	for _, path := range []string{"/apps/3/channels", "/apps/3/channels/a", "/apps/3/channels/a/users"} {
		for _, query := range []string{
			"", signedQuery(path, "", now), signedQueryOf(http.MethodGet, path+"x", "", now),
			signedQueryOf(http.MethodGet, path, "", now) + "&info=subscription_count",
			signedQueryOf(http.MethodGet, path, "", now.Add(-time.Hour)),
		} {
			request, err := http.NewRequest(http.MethodGet, s.url+path+"?"+query, nil)
			if err != nil {
				t.Fatal(err)
			}
			if status, answer := do(t, s.http.Transport, request); status != http.StatusUnauthorized {
				t.Errorf("%s?%s: got %d %s, want 401", path, query, status, answer)
			}
		}
		request, err := http.NewRequest(http.MethodPost, s.url+path+"?"+signedQuery(path, "{}", now), strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		response, err := s.http.Transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") != "GET" {
			t.Errorf("POST %s: got %s, Allow %q", path, response.Status, response.Header.Get("Allow"))
		}
	}
}

func TestTimeToLiveOfACachedEventIsWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, func(c *pusherserver.Config) { c.CacheTTL = time.Minute })
		s.trigger("cache-a", "edited", "1")
		for _, test := range []struct {
			after time.Duration
			want  string
		}{
			{0, `{"data":"1","ttl":60}`},
			{40 * time.Second, `{"data":"1","ttl":20}`},
			{19*time.Second + 500*time.Millisecond, `{"data":"1","ttl":1}`},
			{500 * time.Millisecond, `null`},
		} {
			<-time.After(test.after)
			_, answer := get(t, s.RoundTripper(), "http://x", "/apps/3/channels/cache-a", "info=cache")
			if want := fmt.Sprintf(`{"occupied":false,"cache":%s}`, test.want); answer != want {
				t.Errorf("got %s, want %s", answer, want)
			}
		}
	})
}
