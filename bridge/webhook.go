package bridge

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
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

// ServeWebhook is POST /pusher/webhooks, where Pusher reports which channels are occupied. What is not signed by one of
// our tokens is answered 401; what is late, repeated or about other channels changes nothing. Nothing in it is
// decrypted, because nothing needs to be.
func (s *Subscriptions) ServeWebhook(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		s.bridge.refuse(w, refusal{http.StatusMethodNotAllowed, "use POST"})
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxWebhook))
	if err != nil {
		s.bridge.refuse(w, refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is over %d bytes, or could not be read", maxWebhook)})
		return
	}
	secret, known := s.tokens[r.Header.Get("X-Pusher-Key")]
	if !known || !signedWith(secret, body, r.Header.Get("X-Pusher-Signature")) {
		s.bridge.refuse(w, refusal{http.StatusUnauthorized, "X-Pusher-Key and X-Pusher-Signature are not those of a token of this app"})
		return
	}
	var hook webhook
	if err := json.Unmarshal(body, &hook); err != nil {
		s.bridge.refuse(w, refusal{http.StatusBadRequest, "the body is not a webhook of Pusher Channels"})
		return
	}
	at, now := time.UnixMilli(hook.TimeMS), time.Now()
	switch {
	case now.Sub(at) > maxWebhookAge:
		s.bridge.refuse(w, refusal{http.StatusBadRequest, "the webhook is too old: time_ms is over ten minutes ago"})
		return
	case at.Sub(now) > maxWebhookAge:
		s.bridge.refuse(w, refusal{http.StatusBadRequest, "the webhook is from the future: time_ms is over ten minutes ahead; check both clocks"})
		return
	case at.After(now): // by another clock: later webhooks, with a right one, must not count as older
		at = now
	}
	for _, e := range hook.Events {
		s.hooked(e.Name, e.Channel, at)
	}
	s.bridge.write(w, http.StatusOK, []byte(`{"message":"okay"}`))
}

// hooked takes in one event of a webhook. It may have been said before, or be overtaken by a newer one: then it says
// nothing. What is older than the last authorization is about an earlier stay.
func (s *Subscriptions) hooked(name, channel string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.known(channel)
	if sub == nil || at.Before(sub.authorizedAt.Truncate(time.Millisecond)) || at.Before(sub.hookedAt) {
		return
	}
	sub.hookedAt = at
	switch name {
	case "channel_occupied":
		s.occupiedNow(sub)
	case "channel_vacated": // said some time after the client left, and later still where it vanished
		s.vacate(sub, at.Add(-catchUpWindow), false)
	}
}

// signedWith compares in constant time.
func signedWith(secret string, body []byte, signature string) bool {
	given, err := hex.DecodeString(signature)
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hmac.Equal(given, mac.Sum(nil))
}

// readTokens reads key:secret pairs.
func readTokens(pairs []string) (map[string]string, error) {
	tokens := make(map[string]string)
	for _, pair := range pairs {
		key, secret, found := strings.Cut(strings.TrimSpace(pair), ":")
		if !found || !appID.MatchString(key) || secret == "" {
			return nil, errors.New("PUSHER_WEBHOOK_TOKENS has a pair that is not key:secret: give pairs such as a1b2c3:0123abcd, separated by commas")
		}
		tokens[key] = secret
	}
	return tokens, nil
}
