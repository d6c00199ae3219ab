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

// listener is a browser on the channel of a subscription.
type listener struct {
	*browser
	channel string
}

// authorize asks for a channel as pusher-js does.
func (h *house) authorize(p person, socketID, channel string) answer {
	h.t.Helper()
	return h.send(p, http.MethodPost, "/pusher/auth", url.Values{"socket_id": {socketID}, "channel_name": {channel}}.Encode(), "Content-Type", form)
}

// listen connects a person's browser, and joins a channel.
func (h *house) listen(p person, channel string) *listener {
	h.t.Helper()
	l := &listener{browser: browse(h.t, h.pusher), channel: channel}
	h.join(p, l)
	return l
}

// join joins the listener's channel, once more where it has left.
func (h *house) join(p person, l *listener) {
	h.t.Helper()
	granted := h.authorize(p, l.socketID, l.channel)
	if granted.status != http.StatusOK {
		h.t.Fatalf("got %d %s, want the channel", granted.status, granted.body)
	}
	if m := l.join(l.channel, granted.body); m.Event != "pusher_internal:subscription_succeeded" {
		h.t.Fatalf("got %v, want to have joined", m)
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

// open decrypts what needs to be: pusher-http-go does so with the events in a webhook.
func open(t *testing.T, channel, data string) string {
	t.Helper()
	if !strings.HasPrefix(channel, "private-encrypted-") {
		return data
	}
	hook := pusher.Webhook{Events: []pusher.WebhookEvent{{Name: "client_event", Channel: channel, Data: data}}}
	body, err := json.Marshal(hook)
	must(t, err)
	client := pusher.Client{Key: key, Secret: secret, EncryptionMasterKeyBase64: masterKey}
	opened, err := client.Webhook(http.Header{"X-Pusher-Key": {key}, "X-Pusher-Signature": {signature(secret, body)}}, body)
	must(t, err)
	return opened.Events[0].Data
}

// signature is what a webhook is signed with.
func signature(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// told returns what the next message tells of a field of its value, and its seq.
func (l *listener) told(field string) (value string, seq int) {
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

// tells fails the test unless the next messages tell these titles, each later than the one before.
func (l *listener) tells(titles ...string) {
	l.t.Helper()
	last := 0
	for _, want := range titles {
		got, seq := l.told("title")
		if got != want || seq <= last {
			l.t.Fatalf("got %q as number %d after %d, want %q", got, seq, last, want)
		}
		last = seq
	}
}

// leave unsubscribes from the channel, and returns when the server has noticed.
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
