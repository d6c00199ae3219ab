package realtime

import (
	"errors"
	"log/slog"
	"net/http"

	"lorebridge/pusherapi"
)

// forEvents is the purpose of the calls for people's events.
const forEvents pusherapi.Purpose = "events"

// NewClient returns a client for the app in c. It returns an error if c is not valid, or has no credentials.
// payloadLimit is in bytes. transport sends the calls. It is nil for the network, but must be set with the embedded
// server.
func NewClient(c Config, payloadLimit int, transport http.RoundTripper, log *slog.Logger) (*pusherapi.Client, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if !c.HasApp() {
		return nil, errors.New("realtime: the app's credentials are missing")
	}
	return pusherapi.New(pusherapi.Config{
		AppID: c.AppID, Key: c.Key, Secret: c.Secret, Host: c.Host, Cluster: c.Cluster, TLS: c.secure(),
		MasterKey: c.MasterKey, PayloadLimit: payloadLimit,
		Names: pusherapi.Names{
			AppID: "PUSHER_APP_ID", Key: "PUSHER_KEY", Secret: "PUSHER_SECRET",
			Cluster: "PUSHER_CLUSTER", Host: "PUSHER_HOST", TLS: "PUSHER_SCHEME",
		},
	}, pusherapi.Deps{Logger: log, Transport: transport})
}

// People has the private channel of each person, and the settings with which browsers reach it. It may be used
// concurrently.
type People struct {
	config    Config
	pusher    *pusherapi.Client
	publicURL string
}

// NewPeople returns the channels of the app in c, over its client. publicURL is the URL at which browsers reach the
// server. It is empty if that is known only from their requests.
func NewPeople(c Config, client *pusherapi.Client, publicURL string) *People {
	return &People{config: c, pusher: client, publicURL: publicURL}
}
