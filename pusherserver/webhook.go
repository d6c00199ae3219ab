package pusherserver

import (
	"errors"
	"fmt"
	"net/url"
)

// Names of the events in webhooks ("Webhooks" in the document of the service).
const (
	webhookOccupied  = "channel_occupied"
	webhookVacated   = "channel_vacated"
	webhookCacheMiss = "cache_miss"
)

// Webhook is a URL that gets the events channel_occupied, channel_vacated and cache_miss for all channels of an app.
// The client libraries of the hosted service verify and decode its requests.
//
// The events of one channel come in order. An event comes twice if the answer to its request was lost. The oldest
// events are lost after five minutes without a 2xx, above MaxQueuedWebhookEvents, and if the process ends without the
// end of Run. After a restart the clients connect again, so channel_occupied may come without a channel_vacated before
// it.
type Webhook struct {
	URL string // absolute, http or https, without a fragment
}

// validate returns an error that describes a valid URL, unless w has one.
func (w Webhook) validate() error {
	u, err := url.Parse(w.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Fragment != "" {
		return fmt.Errorf("must be an absolute http or https URL without a fragment, such as https://example.com/pusher, it is %.200q",
			withoutSecrets(w.URL))
	}
	return nil
}

// withoutSecrets returns the URL without user, password and query, because they often hold keys. It is for logs.
func withoutSecrets(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "a malformed URL"
	}
	u.User, u.RawQuery = nil, ""
	return u.String()
}

// webhookEvent is one event in the body of a webhook.
type webhookEvent struct {
	Name    string `json:"name"`
	Channel string `json:"channel"`
}

// webhookBody is the body of a webhook.
type webhookBody struct {
	TimeMillis int64          `json:"time_ms"` // since 1970
	Events     []webhookEvent `json:"events"`
}

// cause returns an error of an http.Client without its URL, which may hold secrets.
func cause(err error) error {
	if e := new(url.Error); errors.As(err, &e) {
		return e.Err
	}
	return err
}
