package pusherserver

import (
	"errors"
	"fmt"
	"net/url"
)

// Names of the events that webhooks carry ("Webhooks" in the document of the service).
const (
	webhookOccupied  = "channel_occupied"
	webhookVacated   = "channel_vacated"
	webhookCacheMiss = "cache_miss"
)

// Webhook is a receiver of the events of an app: channel_occupied, channel_vacated and cache_miss, for all its
// channels. The client libraries of the hosted service check and read what it gets.
//
// Of one channel, what was received came in the order in which it happened. Anything may come twice, after an answer
// that got lost, and the oldest may be missing: after five minutes without a 2xx, above MaxQueuedWebhookEvents, and
// where the process ended otherwise than by the end of Run. While another process takes over, channels are occupied
// anew without having been vacated: nothing says that they were, for their clients come back.
type Webhook struct {
	URL string // absolute, http or https, without a fragment
}

// validate returns what is allowed.
func (w Webhook) validate() error {
	u, err := url.Parse(w.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Fragment != "" {
		return fmt.Errorf("must be an absolute http or https URL without a fragment, such as https://example.com/pusher, it is %.200q",
			withoutSecrets(w.URL))
	}
	return nil
}

// withoutSecrets is what a log may show of a URL: user, password and query often hold keys.
func withoutSecrets(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "a malformed URL"
	}
	u.User, u.RawQuery = nil, ""
	return u.String()
}

// webhookEvent is one of the events in the body of a webhook.
type webhookEvent struct {
	Name    string `json:"name"`
	Channel string `json:"channel"`
}

// webhookBody is the body of a webhook.
type webhookBody struct {
	TimeMillis int64          `json:"time_ms"` // since 1970
	Events     []webhookEvent `json:"events"`
}

// cause drops the URL, of which a log must not show everything, from an error of an http.Client.
func cause(err error) error {
	if e := new(url.Error); errors.As(err, &e) {
		return e.Err
	}
	return err
}
