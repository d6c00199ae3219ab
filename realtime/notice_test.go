package realtime_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"lorebridge/realtime"
)

// recorder is a Pusher that accepts every call and records it.
type recorder struct{ requests []string }

func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	r.requests = append(r.requests, request.Method+" "+request.URL.Path+" "+string(body))
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader("{}")), Request: request,
	}, nil
}

func newNoticeBridge(t *testing.T, c realtime.Config, to *recorder) *realtime.People {
	t.Helper()
	client, err := realtime.NewClient(c, 0, to, discard)
	must(t, err)
	return realtime.NewPeople(c, client, "")
}

func TestPagesOfAnotherPusherAreAskedToConnectAnewOnAChannelThatNoSettingNames(t *testing.T) {
	t.Parallel()
	key := "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
	for name, c := range map[string]realtime.Config{
		"plain":     {AppID: "1", Key: "k", Secret: "s", Host: "pusher.internal:6001", Scheme: "http"},
		"encrypted": {AppID: "1", Key: "k", Secret: "s", Host: "pusher.internal:6001", Scheme: "http", MasterKey: key},
		"hosted":    {AppID: "1", Key: "k", Secret: "s", Cluster: "eu", Scheme: "https"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := &recorder{}
			b := newNoticeBridge(t, c, to)
			if err := b.Announce(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := `POST /apps/1/events {"channels":["lorebridge"],"data":"{}","name":"realtime-changed"}`
			if len(to.requests) != 1 || to.requests[0] != want {
				t.Errorf("got %q, want %q", to.requests, want)
			}
		})
	}
}

func TestTheEmbeddedServerAnnouncesNothing(t *testing.T) {
	t.Parallel()
	to := &recorder{}
	b := newNoticeBridge(t, realtime.Config{AppID: "1", Key: "k", Secret: "s", Scheme: "https"}, to)
	if err := b.Announce(t.Context()); err != nil || len(to.requests) > 0 {
		t.Errorf("got %v and %q", err, to.requests)
	}
}

func TestTheVersionDiffersWithEachSettingThatPagesConnectBy(t *testing.T) {
	t.Parallel()
	base := realtime.Config{AppID: "1", Key: "k", Secret: "s", Host: "pusher.internal:6001", Scheme: "http"}
	with := func(change func(*realtime.Config)) realtime.Config {
		c := base
		change(&c)
		return c
	}
	version := func(c realtime.Config, publicURL string) string {
		return newNoticeBridge(t, c, &recorder{}).Version(publicURL)
	}
	seen := map[string]string{version(base, ""): "as it was"}
	for name, v := range map[string]string{
		"app":           version(with(func(c *realtime.Config) { c.AppID = "2" }), ""),
		"key":           version(with(func(c *realtime.Config) { c.Key = "l" }), ""),
		"cluster":       version(with(func(c *realtime.Config) { c.Host, c.Cluster = "", "eu" }), ""),
		"host":          version(with(func(c *realtime.Config) { c.Host = "pusher.internal:6002" }), ""),
		"embedded":      version(with(func(c *realtime.Config) { c.Host = "" }), ""),
		"scheme":        version(with(func(c *realtime.Config) { c.Scheme = "https" }), ""),
		"public host":   version(with(func(c *realtime.Config) { c.PublicHost = "ws.example.com" }), ""),
		"public scheme": version(with(func(c *realtime.Config) { c.PublicHost, c.PublicScheme = "ws.example.com", "https" }), ""),
		"namespace":     version(with(func(c *realtime.Config) { c.Namespace = "shop" }), ""),
		"encryption":    version(with(func(c *realtime.Config) { c.MasterKey = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=" }), ""),
		"public URL":    version(base, "https://lore.example.com"),
	} {
		if other, ok := seen[v]; ok {
			t.Errorf("%s has the version of %s", name, other)
		}
		seen[v] = name
	}
	if repeated := version(base, ""); seen[repeated] != "as it was" {
		t.Errorf("the same settings have another version: %s", repeated)
	}
	if v := version(with(func(c *realtime.Config) { c.Secret = "another" }), ""); seen[v] != "as it was" {
		t.Error("the version depends on the secret, so it reveals it")
	}
}
