package bridge

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"lorebridge/pusherapi"
)

const (
	maxWebhook    = 256 << 10        // bytes of a body
	maxWebhookAge = 10 * time.Minute // Pusher tries for five minutes
)

// webhook is the body of a webhook, as far as it concerns us.
type webhook struct {
	TimeMS int64 `json:"time_ms"`
	Events []struct {
		Name    string `json:"name"`
		Channel string `json:"channel"`
	} `json:"events"`
}

// WebhookHandler returns the route POST /pusher/webhooks, where Pusher reports which channels are occupied. What is not
// signed by one of our tokens is answered 401; what is late, repeated or about other channels changes nothing. Nothing
// in it is decrypted, because nothing needs to be.
func (p *presence) WebhookHandler() http.Handler { return http.HandlerFunc(p.serveWebhook) }

func (p *presence) serveWebhook(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		p.reject(w, rejection{http.StatusMethodNotAllowed, "use POST"})
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxWebhook))
	if err != nil {
		p.reject(w, rejection{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is over %d bytes, or could not be read", maxWebhook)})
		return
	}
	if !p.signed(r.Header.Get("X-Pusher-Key"), body, r.Header.Get("X-Pusher-Signature")) {
		p.reject(w, rejection{http.StatusUnauthorized, "X-Pusher-Key and X-Pusher-Signature are not those of a token of this app"})
		return
	}
	var hook webhook
	if err := json.Unmarshal(body, &hook); err != nil {
		p.reject(w, rejection{http.StatusBadRequest, "the body is not a webhook of Pusher Channels"})
		return
	}
	at, now := time.UnixMilli(hook.TimeMS), time.Now()
	switch {
	case now.Sub(at) > maxWebhookAge:
		p.reject(w, rejection{http.StatusBadRequest, "the webhook is too old: time_ms is over ten minutes ago"})
		return
	case at.Sub(now) > maxWebhookAge:
		p.reject(w, rejection{http.StatusBadRequest, "the webhook is from the future: time_ms is over ten minutes ahead; check both clocks"})
		return
	case at.After(now): // by another clock: later webhooks, with a right one, must not count as older
		at = now
	}
	for _, e := range hook.Events {
		p.handleWebhook(e.Name, e.Channel, at)
	}
	p.answer(w, http.StatusOK, []byte(`{"message":"okay"}`))
}

// handleWebhook takes in one event of a webhook. If it is a repeat, or older than another one, it changes nothing. An
// event from before the last authorization is about an earlier stay.
func (p *presence) handleWebhook(name, channel string, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	sub := p.known(channel)
	if sub == nil || at.Before(sub.authorizedAt.Truncate(time.Millisecond)) || at.Before(sub.hookedAt) {
		return
	}
	sub.hookedAt = at
	switch name {
	case "channel_occupied":
		p.occupied(sub, occupied)
	case "channel_vacated": // sent some time after the client left, and later still if it vanished
		p.vacate(sub, at.Add(-catchUpWindow), false)
	}
}

// signed reports whether a webhook is signed with a token of the app.
func (p *presence) signed(key string, body []byte, signature string) bool {
	if p.pusher.Signs(key, body, signature) {
		return true
	}
	secret, known := p.tokens[key]
	return known && pusherapi.SignedWith(secret, body, signature)
}
