package graph_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

func TestRealtimeReturnsHowEachBrowserConnects(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*plan)
		want   string
	}{
		{
			"embedded, by the address of the request", func(*plan) {},
			`{"key":"key","cluster":null,"host":"127.0.0.1","port":PORT,"tls":false,"channel":"private-user-1"}`,
		},
		{
			"embedded, behind TLS", func(p *plan) { p.Auth.PublicURL = "https://lore.example.com" },
			`{"key":"key","cluster":null,"host":"lore.example.com","port":443,"tls":true,"channel":"private-user-1"}`,
		},
		{
			"embedded, at a port", func(p *plan) { p.Auth.PublicURL = "http://lore.example.com:8080/" },
			`{"key":"key","cluster":null,"host":"lore.example.com","port":8080,"tls":false,"channel":"private-user-1"}`,
		},
		{
			"embedded, without TLS or port", func(p *plan) { p.Auth.PublicURL = "http://lore.example.com" },
			`{"key":"key","cluster":null,"host":"lore.example.com","port":80,"tls":false,"channel":"private-user-1"}`,
		},
		{
			"embedded, IPv6", func(p *plan) { p.Auth.PublicURL = "https://[2001:db8::1]:8443" },
			`{"key":"key","cluster":null,"host":"[2001:db8::1]","port":8443,"tls":true,"channel":"private-user-1"}`,
		},
		{
			"embedded, IPv6 without a port", func(p *plan) { p.Auth.PublicURL = "https://[2001:db8::1]" },
			`{"key":"key","cluster":null,"host":"[2001:db8::1]","port":443,"tls":true,"channel":"private-user-1"}`,
		},
		{
			"a trusted proxy's TLS", func(p *plan) { p.Auth.TrustedProxies = []string{"127.0.0.1"} },
			`{"key":"key","cluster":null,"host":"127.0.0.1","port":PORT,"tls":true,"channel":"private-user-1"}`,
		},
		{
			"hosted", func(p *plan) { p.Pusher.Cluster = "eu" },
			`{"key":"key","cluster":"eu","host":null,"port":null,"tls":true,"channel":"private-user-1"}`,
		},
		{
			"another server", func(p *plan) { p.Pusher.Host = "pusher.internal:6001" },
			`{"key":"key","cluster":null,"host":"pusher.internal","port":6001,"tls":true,"channel":"private-user-1"}`,
		},
		{
			"another server without TLS", func(p *plan) { p.Pusher.Host, p.Pusher.Scheme = "pusher.internal:6001", "http" },
			`{"key":"key","cluster":null,"host":"pusher.internal","port":6001,"tls":false,"channel":"private-user-1"}`,
		},
		{
			"another server by a public name", func(p *plan) { p.Pusher.Host, p.Pusher.PublicHost = "pusher.internal:6001", "ws.example.com" },
			`{"key":"key","cluster":null,"host":"ws.example.com","port":443,"tls":true,"channel":"private-user-1"}`,
		},
		{
			"encrypted", func(p *plan) {
				p.Auth.PublicURL = "https://lore.example.com"
				p.Pusher.MasterKey = base64.StdEncoding.EncodeToString(make([]byte, 32))
			},
			`{"key":"key","cluster":null,"host":"lore.example.com","port":443,"tls":true,"channel":"private-encrypted-user-1"}`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := build(t, test.change)
			a := h.post(h.person("Ada"), `{"query":"{ realtime { key cluster host port tls channel } }"}`, "X-Forwarded-Proto", "https")
			want := strings.ReplaceAll(test.want, "PORT", h.url[strings.LastIndex(h.url, ":")+1:])
			if got := fmt.Sprintf(`{"realtime":%s}`, want); string(a.Data) != got {
				t.Errorf("got  %s\nwant %s", a.body, want)
			}
		})
	}
}
