package realtime_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"lorebridge/auth"
	"lorebridge/realtime"
)

func TestEachMistakeInTheConfigurationNamesItsVariable(t *testing.T) {
	t.Parallel()
	with := func(change func(*realtime.Config)) realtime.Config {
		c := ourPusher()
		change(&c)
		return c
	}
	none := realtime.Config{Scheme: "https"}
	for name, c := range map[string]realtime.Config{
		"nothing":                    none,
		"an app of its own":          ourPusher(),
		"a cluster":                  with(func(c *realtime.Config) { c.Cluster = "ap-southeast-1" }),
		"a host":                     with(func(c *realtime.Config) { c.Host = "pusher.internal:6001" }),
		"a host without a port":      with(func(c *realtime.Config) { c.Host = "pusher.internal" }),
		"an IPv6 host":               with(func(c *realtime.Config) { c.Host = "[2001:db8::1]:6001" }),
		"a host and a public one":    with(func(c *realtime.Config) { c.Host, c.PublicHost = "pusher.internal:6001", "ws.example.com" }),
		"http":                       with(func(c *realtime.Config) { c.Host, c.Scheme = "localhost:6001", "http" }),
		"a master key":               with(func(c *realtime.Config) { c.MasterKey = masterKey }),
		"a master key of one's own":  {Scheme: "https", MasterKey: masterKey},
		"an id with - and _":         with(func(c *realtime.Config) { c.AppID = "a-b_C-9" }),
		"a secret of any characters": with(func(c *realtime.Config) { c.Secret = "p&ss =word%" }),
	} {
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for want, c := range map[string]realtime.Config{
		"PUSHER_SECRET must be set too":                           with(func(c *realtime.Config) { c.Secret = "" }),
		"PUSHER_KEY and PUSHER_SECRET must be set too":            with(func(c *realtime.Config) { c.Key, c.Secret = "", "" }),
		"PUSHER_APP_ID must be set too":                           with(func(c *realtime.Config) { c.AppID = "" }),
		"PUSHER_APP_ID and PUSHER_KEY and PUSHER_SECRET must be ": {Scheme: "https", Cluster: "eu"},
		"PUSHER_APP_ID and PUSHER_KEY and PUSHER_SECRET must":     {Scheme: "https", Host: "localhost:6001"},
		"PUSHER_APP_ID is \"../apps\"":                            with(func(c *realtime.Config) { c.AppID = "../apps" }),
		"PUSHER_KEY is \"a b\"":                                   with(func(c *realtime.Config) { c.Key = "a b" }),
		"PUSHER_CLUSTER and PUSHER_HOST are both set":             with(func(c *realtime.Config) { c.Cluster, c.Host = "eu", "localhost:6001" }),
		"PUSHER_CLUSTER is \"EU\"":                                with(func(c *realtime.Config) { c.Cluster = "EU" }),
		"PUSHER_CLUSTER is \"eu.evil.example\"":                   with(func(c *realtime.Config) { c.Cluster = "eu.evil.example" }),
		"PUSHER_PUBLIC_HOST is set without PUSHER_HOST":           with(func(c *realtime.Config) { c.PublicHost = "ws.example.com" }),
		"PUSHER_SCHEME is \"ws\"":                                 with(func(c *realtime.Config) { c.Host, c.Scheme = "localhost:6001", "ws" }),
		"PUSHER_SCHEME is \"\"":                                   with(func(c *realtime.Config) { c.Scheme = "" }),
		"PUSHER_HOST is \"http://localhost:6001\"":                with(func(c *realtime.Config) { c.Host = "http://localhost:6001" }),
		"PUSHER_HOST is \"localhost:\"":                           with(func(c *realtime.Config) { c.Host = "localhost:" }),
		"PUSHER_HOST is \"localhost:0\"":                          with(func(c *realtime.Config) { c.Host = "localhost:0" }),
		"PUSHER_HOST is \"localhost:65536\"":                      with(func(c *realtime.Config) { c.Host = "localhost:65536" }),
		"PUSHER_HOST is \"localhost:http\"":                       with(func(c *realtime.Config) { c.Host = "localhost:http" }),
		"PUSHER_HOST is \":6001\"":                                with(func(c *realtime.Config) { c.Host = ":6001" }),
		"PUSHER_HOST is \"a@localhost:6001\"":                     with(func(c *realtime.Config) { c.Host = "a@localhost:6001" }),
		"PUSHER_HOST is \"local host:6001\"":                      with(func(c *realtime.Config) { c.Host = "local host:6001" }),
		"PUSHER_HOST is \"localhost/x:6001\"":                     with(func(c *realtime.Config) { c.Host = "localhost/x:6001" }),
		"PUSHER_HOST is \"localhost?x:6001\"":                     with(func(c *realtime.Config) { c.Host = "localhost?x:6001" }),
		"PUSHER_HOST is \"localhost#x:6001\"":                     with(func(c *realtime.Config) { c.Host = "localhost#x:6001" }),
		"PUSHER_HOST is \"local%zz:6001\"":                        with(func(c *realtime.Config) { c.Host = "local%zz:6001" }),
		"PUSHER_HOST is \"local\\nhost:6001\"":                    with(func(c *realtime.Config) { c.Host = "local\nhost:6001" }),
		"PUSHER_HOST is \"2001:db8::1:6001\"":                     with(func(c *realtime.Config) { c.Host = "2001:db8::1:6001" }),
		"PUSHER_PUBLIC_HOST is \"https://ws.example.com\"":        with(func(c *realtime.Config) { c.Host, c.PublicHost = "localhost:6001", "https://ws.example.com" }),
		"PUSHER_ENCRYPTION_MASTER_KEY is not 32 bytes in base64":  with(func(c *realtime.Config) { c.MasterKey = "secret" }),
		"PUSHER_ENCRYPTION_MASTER_KEY is not 32 bytes":            with(func(c *realtime.Config) { c.MasterKey = base64.StdEncoding.EncodeToString(make([]byte, 31)) }),
	} {
		err := c.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("the error is %v, want %s …", err, want)
			continue
		}
		if c.Secret != "" && strings.Contains(err.Error(), c.Secret) || c.MasterKey == "secret" && strings.Contains(err.Error(), c.MasterKey) {
			t.Errorf("the error has a secret: %v", err)
		}
		if _, newErr := realtime.NewClient(c, 0, nil, discard); newErr == nil || newErr.Error() != err.Error() {
			t.Errorf("a client is made: %v", newErr)
		}
	}
}

func TestAClientNeedsAnAppAndAWayThere(t *testing.T) {
	t.Parallel()
	transport := carrier(func(*http.Request) (*http.Response, error) { return nil, errors.New("not in a test") })
	if _, err := realtime.NewClient(ourPusher(), 0, transport, discard); err != nil {
		t.Error(err)
	}
	if _, err := realtime.NewClient(ourPusher(), 0, nil, discard); err == nil {
		t.Error("the embedded server needs no transport")
	}
	if _, err := realtime.NewClient(ourPusher(), 0, transport, nil); err == nil {
		t.Error("no logger is needed")
	}
	if _, err := realtime.NewClient(realtime.Config{Scheme: "https"}, 0, transport, discard); err == nil {
		t.Error("no app is enough")
	}
}

func TestABrowserGetsTheAddressToConnectTo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*realtime.Config)
		client auth.Client
		want   realtime.Connection
	}{
		"embedded": {
			func(*realtime.Config) {},
			auth.Client{Host: "localhost:8080"},
			realtime.Connection{Key: key, Host: "localhost", Port: 8080, Channel: "private-user-7"},
		},
		"embedded, over TLS": {
			func(*realtime.Config) {},
			auth.Client{Host: "lore.example.com", TLS: true},
			realtime.Connection{Key: key, Host: "lore.example.com", Port: 443, TLS: true, Channel: "private-user-7"},
		},
		"embedded, by an IPv6 address": {
			func(*realtime.Config) {},
			auth.Client{Host: "[::1]:8080"},
			realtime.Connection{Key: key, Host: "[::1]", Port: 8080, Channel: "private-user-7"},
		},
		"embedded, by an IPv6 address alone": {
			func(*realtime.Config) {},
			auth.Client{Host: "[::1]"},
			realtime.Connection{Key: key, Host: "[::1]", Port: 80, Channel: "private-user-7"},
		},
		"hosted": {
			func(c *realtime.Config) { c.Cluster = "eu" },
			auth.Client{Host: "localhost:8080"},
			realtime.Connection{Key: key, Cluster: "eu", TLS: true, Channel: "private-user-7", NoticeChannel: "lorebridge"},
		},
		"another": {
			func(c *realtime.Config) { c.Host, c.Scheme = "pusher.internal:6001", "http" },
			auth.Client{Host: "lore.example.com", TLS: true},
			realtime.Connection{Key: key, Host: "pusher.internal", Port: 6001, Channel: "private-user-7", NoticeChannel: "lorebridge"},
		},
		"another, by its public name": {
			func(c *realtime.Config) { c.Host, c.PublicHost = "pusher.internal:6001", "ws.example.com:8443" },
			auth.Client{Host: "localhost"},
			realtime.Connection{Key: key, Host: "ws.example.com", Port: 8443, TLS: true, Channel: "private-user-7", NoticeChannel: "lorebridge"},
		},
		"encrypted": {
			func(c *realtime.Config) { c.Cluster, c.MasterKey = "eu", masterKey },
			auth.Client{},
			realtime.Connection{Key: key, Cluster: "eu", TLS: true, Channel: "private-encrypted-user-7", NoticeChannel: "lorebridge"},
		},
	} {
		c := ourPusher()
		test.change(&c)
		if got, err := granting(t, c).Connection(test.client, 7); err != nil || got != test.want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, test.want)
		}
	}
	for _, host := range []string{"", "a b", "host:port", "[::1", "a/b"} { // the Host of a request may be any text
		if got, err := granting(t, ourPusher()).Connection(auth.Client{Host: host}, 7); err == nil {
			t.Errorf("at %q: %+v", host, got)
		}
	}
}

func TestThePolicyPermitsThePageToConnectWhereItsBrowserMust(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change    func(*realtime.Config)
		publicURL string
		want      []string
	}{
		"embedded":                         {func(*realtime.Config) {}, "", nil},
		"embedded, with a public URL":      {func(*realtime.Config) {}, "https://lore.example.com/", []string{"wss://lore.example.com:443"}},
		"embedded, with a port":            {func(*realtime.Config) {}, "http://lore.example.com:8080", []string{"ws://lore.example.com:8080", "wss://lore.example.com:8080"}},
		"embedded, at an IPv6 address":     {func(*realtime.Config) {}, "http://[::1]:8080", []string{"ws:", "wss:"}},
		"embedded, by a name not in ASCII": {func(*realtime.Config) {}, "https://löre.example", []string{"wss:"}},
		"hosted": {
			func(c *realtime.Config) { c.Cluster = "eu" }, "https://lore.example.com",
			[]string{"wss://ws-eu.pusher.com", "https://sockjs-eu.pusher.com"},
		},
		"another": {
			func(c *realtime.Config) { c.Host, c.Scheme = "pusher.internal", "http" }, "https://lore.example.com",
			[]string{"ws://pusher.internal:80", "wss://pusher.internal:80"},
		},
		"another, by its public name": {
			func(c *realtime.Config) { c.Host, c.PublicHost = "pusher.internal:6001", "ws.example.com:8443" }, "",
			[]string{"wss://ws.example.com:8443"},
		},
	} {
		c := ourPusher()
		test.change(&c)
		must(t, c.Validate())
		if got := c.Origins(test.publicURL); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
