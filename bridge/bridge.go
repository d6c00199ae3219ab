package bridge

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"lorebridge/auth"
	"lorebridge/pusherapi"
)

// What calls of Pusher's HTTP API are for.
const (
	forEvents   pusherapi.Purpose = "events"
	forResults  pusherapi.Purpose = "results of subscriptions"
	forChannels pusherapi.Purpose = "the list of channels"
)

// Sockets is the embedded server, as far as sessions are concerned.
type Sockets interface {
	// Tag gives a connected socket to its owner, for good, and adds a tag to it. It returns whose the socket is:
	// another than owner if it was given to that one before, empty if there is no such socket; then nothing has
	// changed.
	Tag(socketID, owner, tag string) (holder string)
	// Tags are those that sockets have.
	Tags() []string
	// CloseTagged closes the sockets with a tag and says how many there were.
	CloseTagged(tag string) int
}

// Sessions says whether a viewer's session still holds; auth.Accounts does.
type Sessions interface {
	Holds(ctx context.Context, v auth.Viewer) (bool, error)
}

// Parts are what a Bridge works with besides its configuration.
type Parts struct {
	Sessions Sessions
	Logger   *slog.Logger
	// Transport carries the calls of Pusher's HTTP API; nil means over the network.
	Transport http.RoundTripper
	// PayloadLimit is how many bytes of data one event may have; 0 is pusherapi.DefaultPayloadLimit.
	PayloadLimit int
	// PublicURL is how browsers reach us; empty if only their requests say it.
	PublicURL string
	// Sockets is the embedded server, and nil where Pusher is another.
	Sockets Sockets
}

// Bridge is our side of one Pusher app.
type Bridge struct {
	config       Config
	pusher       *pusherapi.Client
	sessions     Sessions
	sockets      Sockets
	log          *slog.Logger
	publicURL    string
	payloadLimit int // bytes of data in one event
	// subscriptions have channels too; nil where there are none. NewSubscriptions sets it.
	subscriptions *Subscriptions
}

// New returns a bridge to the app that c names. The credentials must be set, also for the embedded server.
func New(c Config, parts Parts) (*Bridge, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	switch {
	case !c.HasApp():
		return nil, errors.New("bridge: the app's credentials are missing")
	case parts.Sessions == nil || parts.Logger == nil:
		return nil, errors.New("bridge: Parts needs Sessions and a Logger")
	case c.Embedded() && (parts.Transport == nil || parts.Sockets == nil):
		return nil, errors.New("bridge: the embedded server needs its Transport and its Sockets")
	}
	client, err := pusherapi.New(pusherapi.Config{
		AppID: c.AppID, Key: c.Key, Secret: c.Secret, Host: c.Host, Cluster: c.Cluster, TLS: c.secure(),
		MasterKey: c.MasterKey, PayloadLimit: parts.PayloadLimit,
	}, pusherapi.Deps{Logger: parts.Logger, Transport: parts.Transport})
	if err != nil {
		return nil, err
	}
	return &Bridge{
		config: c, pusher: client, sessions: parts.Sessions, sockets: parts.Sockets, log: parts.Logger,
		publicURL: parts.PublicURL, payloadLimit: cmp.Or(parts.PayloadLimit, pusherapi.DefaultPayloadLimit),
	}, nil
}

// Faults is pusherapi.Client.Faults.
func (b *Bridge) Faults() (problems, warnings []string) { return b.pusher.Faults() }

var _ auth.Listener = (*Bridge)(nil)

// OpenSessions implements auth.Listener: those that have subscriptions or have authorized sockets.
func (b *Bridge) OpenSessions() []int {
	var ids []int
	if b.subscriptions != nil {
		ids = b.subscriptions.openSessions()
	}
	if b.sockets != nil {
		for _, tag := range b.sockets.Tags() {
			if id, err := strconv.Atoi(strings.TrimPrefix(tag, sessionTagPrefix)); err == nil { // as sessionTag made it
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// EndSession implements auth.Listener. It ends the subscriptions of a session, and closes the sockets that it has
// authorized, where the server is our own. Another Pusher has no call for that: there a socket lives until it closes
// by itself, and can join no further channel. It may take endTimeout.
func (b *Bridge) EndSession(id int, reason auth.EndReason) {
	if b.subscriptions != nil {
		b.subscriptions.endSession(context.Background(), id, reason)
	}
	if b.sockets != nil {
		b.sockets.CloseTagged(sessionTag(id))
	}
}

const sessionTagPrefix = "session-"

func sessionTag(sessionID int) string { return sessionTagPrefix + strconv.Itoa(sessionID) }

func ownerTag(userID int) string { return "user-" + strconv.Itoa(userID) }
