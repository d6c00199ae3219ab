package pusherapi

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pusher/pusher-http-go/v5"
)

const (
	// DefaultPayloadLimit is how many bytes of data hosted Pusher takes in one event.
	DefaultPayloadLimit = 10_240
	// DefaultTimeout is how long one call may take.
	DefaultTimeout = 5 * time.Second
	// MaxChannels is how many channels one call with one event may have.
	MaxChannels = 100
	// MaxBatch is how many events one call may have.
	MaxBatch = 10
)

// Config is one app at one Pusher: hosted with a Cluster, at another address with a Host, and with neither wherever
// Deps.Transport leads.
type Config struct {
	AppID, Key, Secret string
	Cluster            string // such as eu
	Host               string // host:port
	TLS                bool   // for Host; hosted Pusher is always called over TLS
	MasterKey          string // 32 bytes in base64: events on private-encrypted- channels are encrypted; empty for none
	PayloadLimit       int    // bytes of data in one event; 0 is DefaultPayloadLimit
}

// Deps is what a Client works with.
type Deps struct {
	Logger    *slog.Logger
	Transport http.RoundTripper // nil means over the network
}

// Client calls one app's HTTP API. It may be used concurrently.
type Client struct {
	pusher       pusher.Client
	limit        int // bytes of data in one event
	transport    http.RoundTripper
	log          *slog.Logger
	health       health
	noBatchUntil atomic.Int64 // in nanoseconds since 1970: before that, Pusher counts as one without batch_events
}

// Event is what one channel gets. Data is sent as it is; for others than ours it should be JSON.
type Event struct{ Channel, Name, Data string }

// New returns a client. Its credentials must be set.
func New(c Config, deps Deps) (*Client, error) {
	switch {
	case c.AppID == "" || c.Key == "" || c.Secret == "":
		return nil, errors.New("pusherapi: Config needs AppID, Key and Secret")
	case deps.Logger == nil:
		return nil, errors.New("pusherapi: Deps needs a Logger")
	case c.Cluster == "" && c.Host == "" && deps.Transport == nil:
		return nil, errors.New("pusherapi: without a Cluster or a Host Deps needs a Transport")
	case c.PayloadLimit < 0:
		return nil, errors.New("pusherapi: PayloadLimit must not be negative")
	}
	client := &Client{limit: cmp.Or(c.PayloadLimit, DefaultPayloadLimit), transport: deps.Transport, log: deps.Logger}
	if client.transport == nil {
		client.transport = newTransport()
	}
	client.pusher = pusher.Client{
		AppID: c.AppID, Key: c.Key, Secret: c.Secret,
		Host: c.Host, Cluster: c.Cluster, Secure: c.Cluster != "" || c.Host != "" && c.TLS,
		EncryptionMasterKeyBase64: c.MasterKey,
	}
	if c.PayloadLimit > 0 {
		// Of its own the library takes no more than hosted Pusher.
		client.pusher.OverrideMaxMessagePayloadKB = (c.PayloadLimit + 1023) >> 10
	}
	if c.Cluster == "" && c.Host == "" {
		client.pusher.Host = "embedded" // the transport does not look at it
	}
	return client, nil
}

// Trigger sends one event. Its error is a *RefusedError if the event will never be taken, and a *CallError if it can be
// sent again. Any other error means that no call was made: the address of Pusher cannot be read.
func (c *Client) Trigger(ctx context.Context, p Purpose, e Event) error {
	_, err := c.call(ctx, p, func(c *pusher.Client) error { return c.Trigger(e.Channel, e.Name, e.Data) })
	return err
}

// TriggerMulti sends the same to at most MaxChannels channels, none of which may be encrypted. Its errors are those of
// Trigger.
func (c *Client) TriggerMulti(ctx context.Context, p Purpose, channels []string, name, data string) error {
	_, err := c.call(ctx, p, func(c *pusher.Client) error { return c.TriggerMulti(channels, name, data) })
	return err
}

// TriggerBatch sends at most MaxBatch events in one call. Its errors are those of Trigger; one for which LacksBatch
// holds means that Pusher knows no such call. A server that was found to know none is not asked for a while.
func (c *Client) TriggerBatch(ctx context.Context, p Purpose, events []Event) error {
	if !c.hasBatch() {
		return errNoBatch
	}
	batch := make([]pusher.Event, len(events))
	for i, e := range events {
		batch[i] = pusher.Event{Channel: e.Channel, Name: e.Name, Data: e.Data}
	}
	_, err := c.call(ctx, p, func(c *pusher.Client) error {
		_, err := c.TriggerBatch(batch)
		return err
	})
	return err
}

// Channels returns the occupied channels whose names have a prefix. Its error is a *CallError where the call was made.
func (c *Client) Channels(ctx context.Context, p Purpose, prefix string) ([]string, error) {
	a, err := c.call(ctx, p, func(c *pusher.Client) error {
		_, err := c.Channels(pusher.ChannelsParams{FilterByPrefix: &prefix})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list channels: %w", err)
	}
	var channels map[string]json.RawMessage
	if a.Channels[0] == '{' {
		if err := json.Unmarshal(a.Channels, &channels); err != nil {
			return nil, fmt.Errorf("read the list of channels: %w", err)
		}
	}
	return slices.Collect(maps.Keys(channels)), nil
}

// Occupied reports whether somebody is subscribed to a channel. Its errors are those of Channels.
func (c *Client) Occupied(ctx context.Context, p Purpose, channel string) (bool, error) {
	a, err := c.call(ctx, p, func(c *pusher.Client) error {
		_, err := c.Channel(channel, pusher.ChannelParams{})
		return err
	})
	return err == nil && *a.Occupied, err
}

// Authorize signs that a socket may subscribe to a private channel, as JSON for pusher-js. It makes no call. An error
// says that the socket's id or the channel's name is not one of Pusher's.
func (c *Client) Authorize(socketID, channel string) ([]byte, error) {
	client := c.pusher // a copy: the library writes to it
	form := url.Values{"socket_id": {socketID}, "channel_name": {channel}}
	return client.AuthorizePrivateChannel([]byte(form.Encode()))
}

// PayloadLimit is how many bytes of data one event may have on its way.
func (c *Client) PayloadLimit() int { return c.limit }

// Encrypts reports whether there is a key for channels whose names begin with private-encrypted-.
func (c *Client) Encrypts() bool { return c.pusher.EncryptionMasterKeyBase64 != "" }

// Signs reports whether a key and a signature are those of the app, for a body such as a webhook's. It compares in
// constant time.
func (c *Client) Signs(key string, body []byte, signature string) bool {
	return key == c.pusher.Key && SignedWith(c.pusher.Secret, body, signature)
}

// SignedWith reports whether a signature, in hexadecimal, is that of a body with a secret. It compares in constant
// time.
func SignedWith(secret string, body []byte, signature string) bool {
	given, err := hex.DecodeString(signature)
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hmac.Equal(given, mac.Sum(nil))
}

// WireSize is how many bytes n bytes of data become on their way, which must not be more than the payload limit.
func WireSize(n int, encrypted bool) int {
	if !encrypted {
		return n
	}
	// A JSON object of a nonce and of the sealed box, which is 16 bytes longer, both in base64.
	const overhead = len(`{"nonce":"","ciphertext":""}`) + 32
	return overhead + (n+16+2)/3*4
}
