package realtime_test

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"lorebridge/auth"
	"lorebridge/realtime"
)

// hosts are the forms that a host can have, and whether browsers accept it in a URL (URL Standard, host parsing).
var hosts = map[string]bool{
	"localhost": true, "ws.example.com": true, "WS.Example.COM": true, "ws.example.com.": true, "my_host": true, "xn--bcher-kva.example": true,
	"bücher.example": true, "例え.テスト": true, "a": true, "1a": true, "10.0.0.1": true, "10.0.0.1.": true, "[::1]": true, "[2001:db8::1]": true,
	"[2001:DB8::1]": true, "[::ffff:10.0.0.1]": true, "[::]": true,
	"": false, ".": false, "a b": false, "a/b": false, "a?b": false, "a#b": false, "a@b": false, "a%41": false, "a<b": false, "a|b": false, "a^b": false,
	"::1": false, "[::1": false, "::1]": false, "[::1%25eth0]": false, "[::1%eth0]": false, "[10.0.0.1]": false, "[localhost]": false, "[]": false,
	"256.0.0.1": false, "10.0.0.1.2": false, "example.1": false, "a\x00b": false, `a\b`: false,
}

// pusher-js pastes host and port into a URL. That must lead to the right address with each form of host, with and
// without a port, over each scheme and from each source.
func TestEveryAddressOfRealtimeCanBePastedIntoAURL(t *testing.T) {
	t.Parallel()
	for host, valid := range hosts {
		for port, number := range map[string]int{
			"": 0, ":1": 1, ":80": 80, ":443": 443, ":6001": 6001, ":65535": 65535, ":0": -1, ":65536": -1, ":-1": -1, ":+1": -1, ":http": -1, ":": -1, ":80:80": -1,
		} {
			for _, tls := range []bool{false, true} {
				scheme, want := "http", 80
				if tls {
					scheme, want = "https", 443
				}
				if number > 0 {
					want = number
				}
				for source, at := range map[string]func() (realtime.Connection, error){
					"Host or PUBLIC_URL": func() (realtime.Connection, error) {
						return granting(t, ourPusher()).Connection(auth.Client{Host: host + port, TLS: tls}, 7)
					},
					"PUSHER_HOST": func() (realtime.Connection, error) {
						return located(func(c *realtime.Config) { c.Host, c.Scheme = host+port, scheme }, auth.Client{Host: "page"}, "")
					},
					"PUSHER_PUBLIC_HOST": func() (realtime.Connection, error) {
						return located(func(c *realtime.Config) {
							c.Host, c.Scheme, c.PublicHost, c.PublicScheme = "inside:6001", "http", host+port, scheme
						},
							auth.Client{Host: "page"}, "")
					},
				} {
					if host+port == "" && source != "Host or PUBLIC_URL" {
						continue // not set
					}
					name := fmt.Sprintf("%s %q over %s", source, host+port, scheme)
					c, err := at()
					if (err == nil) != (valid && number >= 0) {
						t.Errorf("%s: %+v, %v", name, c, err)
					}
					if err != nil {
						continue
					}
					if c.Host != host || c.Port != want || c.TLS != tls {
						t.Errorf("%s: %+v, want %q, port %d, TLS %t", name, c, host, want, tls)
					}
					pasted, err := url.Parse(fmt.Sprintf("%s://%s:%d/app/%s", strings.Replace(scheme, "http", "ws", 1), c.Host, c.Port, c.Key))
					if err != nil || pasted.Port() != fmt.Sprint(want) || net.JoinHostPort(pasted.Hostname(), pasted.Port()) == "" || pasted.Path != "/app/"+key {
						t.Errorf("%s: pasted it is %v, %v", name, pasted, err)
					}
				}
			}
		}
	}
}

// located returns the connection of a browser with a configuration, or the error of either.
func located(change func(*realtime.Config), client auth.Client, publicURL string) (realtime.Connection, error) {
	c := ourPusher()
	change(&c)
	if err := c.Validate(); err != nil {
		return realtime.Connection{}, err
	}
	return realtime.NewPeople(c, nil, publicURL).Connection(client, 7)
}

// A page on https can open no socket without TLS. Our own calls may use another scheme.
func TestBrowsersReachPusherByTheSchemeThatTheirPageCanUse(t *testing.T) {
	t.Parallel()
	const inside, public = "inside:6001", "ws.example.com"
	for _, test := range []struct {
		scheme, publicHost, publicScheme, publicURL string
		pageTLS, tls                                bool
		port                                        int
		origins                                     string
	}{
		{"http", "", "", "", false, false, 6001, "ws://inside:6001 wss://inside:6001"},
		{"https", "", "", "", false, true, 6001, "wss://inside:6001"},
		{"http", "", "", "https://lore.example.com", true, false, 6001, "ws://inside:6001 wss://inside:6001"},
		{"http", "", "https", "", false, true, 6001, "wss://inside:6001"},
		{"http", public, "", "https://lore.example.com", true, true, 443, "wss://ws.example.com:443"},
		{"http", public + ":443", "", "https://lore.example.com", true, true, 443, "wss://ws.example.com:443"},
		{"http", public, "", "HTTPS://lore.example.com", true, true, 443, "wss://ws.example.com:443"},
		{"http", public, "", "http://lore.example.com", false, false, 80, "ws://ws.example.com:80 wss://ws.example.com:80"},
		{"https", public, "", "http://lore.example.com", false, false, 80, "ws://ws.example.com:80 wss://ws.example.com:80"},
		{"http", public, "http", "https://lore.example.com", true, false, 80, "ws://ws.example.com:80 wss://ws.example.com:80"},
		{"http", public, "https", "http://lore.example.com", false, true, 443, "wss://ws.example.com:443"},
		{"https", public, "", "", false, true, 443, "wss://ws.example.com:443"},
		{"http", public, "", "", false, false, 80, "ws://ws.example.com:80 wss://ws.example.com:80 wss://ws.example.com:443"},
		{"http", public, "", "", true, true, 443, "ws://ws.example.com:80 wss://ws.example.com:80 wss://ws.example.com:443"},
	} {
		change := func(c *realtime.Config) {
			c.Host, c.Scheme, c.PublicHost, c.PublicScheme = inside, test.scheme, test.publicHost, test.publicScheme
		}
		c, err := located(change, auth.Client{Host: "page", TLS: test.pageTLS}, test.publicURL)
		if err != nil || c.TLS != test.tls || c.Port != test.port {
			t.Errorf("%+v: got %+v, %v", test, c, err)
		}
		config := ourPusher()
		change(&config)
		if got := strings.Join(config.Origins(test.publicURL), " "); got != test.origins {
			t.Errorf("%+v: origins %s", test, got)
		}
	}
}

func TestANamespaceIsInTheNamesOfAllChannels(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"staging", "a", "A-b_9", strings.Repeat("n", 64)} {
		for _, master := range []string{"", masterKey} {
			c := ourPusher()
			c.Namespace, c.MasterKey = name, master
			want := "private-" + name + ".user-7"
			if master != "" {
				want = "private-encrypted-" + name + ".user-7"
			}
			b := granting(t, c)
			if got := b.Channel(7); got != want {
				t.Errorf("%q: %s, want %s", name, got, want)
			}
			for channel, status := range map[string]int{
				want: 200, "private-user-7": 403, "private-encrypted-user-7": 403, "private-other.user-7": 403, "private-encrypted-other.user-7": 403,
				strings.TrimSuffix(want, "7") + "8": 403,
			} {
				if got, body := authorize(t, b, 7, "socket_id=1.2&channel_name="+channel); got != status {
					t.Errorf("%q: %s is answered %d %s, want %d", name, channel, got, body, status)
				}
			}
			synctest.Test(t, func(t *testing.T) {
				q := newQuietServer(t, func(p *quietOptions) { p.pusher.Namespace, p.pusher.MasterKey = name, master })
				ada := q.person("Ada")
				channel := q.subscribeAndJoin(ada, title)
				if want := strings.Replace(want, "user-7", "gql-", 1); !strings.HasPrefix(channel, want) {
					t.Errorf("%q: a subscription has %s, want %s…", name, channel, want)
				}
				q.publish(ada, "heard", "")
				if got := openedTitles(q, channel); !slices.Equal(got, []string{"heard"}) {
					t.Errorf("%q: %s hears %v", name, channel, got)
				}
			})
		}
	}
	for _, name := range []string{"a b", "a.b", "ä", "encrypted-a", "cache-a", strings.Repeat("n", 65), "a;", "a,b"} {
		c := ourPusher()
		c.Namespace = name
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), "PUSHER_CHANNEL_NAMESPACE is ") {
			t.Errorf("%q: %v", name, err)
		}
	}
}
