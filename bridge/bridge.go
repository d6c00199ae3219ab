package bridge

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pusher/pusher-http-go/v5"

	"lorebridge/auth"
)

// DefaultPayloadLimit is how many bytes of data hosted Pusher takes in one event.
const DefaultPayloadLimit = 10_240

// DefaultTimeout is how long one call of Pusher's HTTP API may take.
const DefaultTimeout = 5 * time.Second

// Sockets is the embedded server, as far as sessions are concerned.
type Sockets interface {
	// Tag gives a connected socket to its owner, for good, and adds a tag to it. It returns whose the socket is: another than owner if it
	// was given to that one before, empty if there is no such socket; then nothing has changed.
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
	// PublicURL is how browsers reach us; empty if only their requests say it.
	PublicURL string
	// Sockets is the embedded server, and nil where Pusher is another.
	Sockets Sockets
}

// Bridge is our side of one Pusher app.
type Bridge struct {
	config   Config
	client   pusher.Client
	sessions Sessions
	sockets  Sockets
	log      *slog.Logger
	// transport is the way to Pusher's HTTP API.
	transport    http.RoundTripper
	health       health
	noBatchUntil atomic.Int64 // in nanoseconds since 1970: before that, Pusher counts as one without batch_events
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
	b := &Bridge{
		config: c, sessions: parts.Sessions, sockets: parts.Sockets, log: parts.Logger,
		transport: parts.Transport, publicURL: parts.PublicURL, payloadLimit: DefaultPayloadLimit,
	}
	if b.transport == nil {
		b.transport = newTransport()
	}
	b.client = pusher.Client{
		AppID: c.AppID, Key: c.Key, Secret: c.Secret,
		Host: c.Host, Cluster: c.Cluster,
		Secure:                    c.secure(),
		EncryptionMasterKeyBase64: c.MasterKey,
	}
	if c.Embedded() {
		b.client.Host = "embedded" // the transport does not look at it
	}
	return b, nil
}

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

// EndSession implements auth.Listener. It ends the subscriptions of a session, and closes the sockets that it has authorized, where the
// server is our own. Another Pusher has no call for that: there a socket lives until it closes by itself, and can join no further channel.
// It may take farewellTimeout.
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
