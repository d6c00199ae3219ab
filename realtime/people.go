package realtime

import (
	"errors"
	"log/slog"
	"net/http"

	"lorebridge/pusherapi"
)

// forEvents is what calls of Pusher's HTTP API are for.
const forEvents pusherapi.Purpose = "events"

// NewClient returns the client of the app that c names, whose credentials must be set. Transport carries its calls, and
// is nil for the network. With the embedded server it must not be nil.
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

// People is the private channel of each person, and how browsers reach it. It may be used concurrently.
type People struct {
	config    Config
	pusher    *pusherapi.Client
	publicURL string
}

// NewPeople returns the channels of the app that c names, over its client. PublicURL is how browsers reach us; it is
// empty if only their requests say it.
func NewPeople(c Config, client *pusherapi.Client, publicURL string) *People {
	return &People{config: c, pusher: client, publicURL: publicURL}
}
