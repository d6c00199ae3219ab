package realtime_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gobwas/ws/wsutil"
	"github.com/pusher/pusher-http-go/v5"
)

// listener is a browser that has joined the channel of a subscription.
type listener struct {
	*browser
	channel string
}

// authorize requests a channel as pusher-js does.
func (s *server) authorize(p person, socketID, channel string) answer {
	s.t.Helper()
	return s.send(p, http.MethodPost, "/pusher/auth", url.Values{"socket_id": {socketID}, "channel_name": {channel}}.Encode(), "Content-Type", form)
}

// listen connects a person's browser, and joins a channel.
func (s *server) listen(p person, channel string) *listener {
	s.t.Helper()
	l := &listener{browser: browse(s.t, s.pusher), channel: channel}
	s.join(p, l)
	return l
}

// join joins the listener's channel. A listener that has left can join once more.
func (s *server) join(p person, l *listener) {
	s.t.Helper()
	granted := s.authorize(p, l.socketID, l.channel)
	if granted.status != http.StatusOK {
		s.t.Fatalf("got %d %s, want the channel", granted.status, granted.body)
	}
	if m := l.join(l.channel, granted.body); m.Event != "pusher_internal:subscription_succeeded" {
		s.t.Fatalf("got %v, want to have joined", m)
	}
}

// update is one message of a subscription.
type update struct {
	Event  string `json:"-"`
	More   bool
	Result *struct {
		Data   map[string]map[string]any
		Errors []struct {
			Message    string
			Extensions map[string]any
		}
		Extensions struct{ Subscription struct{ Seq int } }
	}
	Raw string `json:"-"`
}

// update returns the next message on the channel.
func (l *listener) update() update {
	l.t.Helper()
	m := l.next()
	if m.Channel != l.channel {
		l.t.Fatalf("got %v, want an update on %s", m, l.channel)
	}
	u := update{Event: m.Event, Raw: open(l.t, l.channel, m.Data)}
	must(l.t, json.Unmarshal([]byte(u.Raw), &u))
	return u
}

// open decrypts data from an encrypted channel. It uses the code of pusher-http-go that decrypts events in a webhook.
func open(t *testing.T, channel, data string) string {
	t.Helper()
	if !strings.HasPrefix(channel, "private-encrypted-") {
		return data
	}
	webhook := pusher.Webhook{Events: []pusher.WebhookEvent{{Name: "client_event", Channel: channel, Data: data}}}
	body, err := json.Marshal(webhook)
	must(t, err)
	client := pusher.Client{Key: key, Secret: secret, EncryptionMasterKeyBase64: masterKey}
	opened, err := client.Webhook(http.Header{"X-Pusher-Key": {key}, "X-Pusher-Signature": {signature(secret, body)}}, body)
	must(t, err)
	return opened.Events[0].Data
}

// signature returns the signature of a webhook.
func signature(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// receive returns a field of the value in the next message, and its seq.
func (l *listener) receive(field string) (value string, seq int) {
	l.t.Helper()
	u := l.update()
	if !u.More || u.Result == nil || len(u.Result.Errors) > 0 {
		l.t.Fatalf("got %s, want a value", u.Raw)
	}
	for _, object := range u.Result.Data {
		value = fmt.Sprint(object[field])
	}
	return value, u.Result.Extensions.Subscription.Seq
}

// receives fails the test unless the next messages have these titles, with growing seqs.
func (l *listener) receives(titles ...string) {
	l.t.Helper()
	last := 0
	for _, want := range titles {
		got, seq := l.receive("title")
		if got != want || seq <= last {
			l.t.Fatalf("got %q as number %d after %d, want %q", got, seq, last, want)
		}
		last = seq
	}
}

// leave unsubscribes from the channel, and returns when the server has processed that.
func (l *listener) leave() {
	l.t.Helper()
	l.write("pusher:unsubscribe", map[string]string{"channel": l.channel})
	l.write("pusher:ping", map[string]string{})
	for l.next().Event != "pusher:pong" {
	}
}

// write sends a message of the protocol.
func (b *browser) write(event string, data any) {
	b.t.Helper()
	text, err := json.Marshal(map[string]any{"event": event, "data": data})
	must(b.t, err)
	must(b.t, wsutil.WriteClientText(b.conn, text))
}
