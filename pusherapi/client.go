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
	"strings"
	"sync/atomic"
	"time"

	"github.com/pusher/pusher-http-go/v5"
)

const (
	// DefaultPayloadLimit is the most bytes of data that hosted Pusher accepts in one event.
	DefaultPayloadLimit = 10_240
	// DefaultTimeout is how long one call may take.
	DefaultTimeout = 5 * time.Second
	// MaxChannels is how many channels TriggerMulti takes.
	MaxChannels = 100
	// MaxBatch is how many events TriggerBatch and Send take.
	MaxBatch = 10
)

// Config is one app at one Pusher. With a Cluster that is hosted Pusher, with a Host a server at another address. With
// neither, Deps.Transport must lead to the server.
type Config struct {
	AppID, Key, Secret string
	Cluster            string // such as eu
	Host               string // host:port
	TLS                bool   // whether Host is called over TLS; hosted Pusher always is
	MasterKey          string // 32 bytes in base64, which encrypt events on private-encrypted- channels; may be empty
	PayloadLimit       int    // bytes of data in one event; 0 is DefaultPayloadLimit
	// Names are the settings of the application that fill these fields. Errors name them in their hints.
	Names Names
}

// Names are the names of settings, such as those of environment variables. An empty one stands for the name of the
// field of Config, such as Host.
type Names struct{ AppID, Key, Secret, Cluster, Host, TLS string }

// fill replaces each {Field} in a text by the name of that field's setting.
func (n Names) fill(text string) string {
	return strings.NewReplacer(
		"{AppID}", cmp.Or(n.AppID, "AppID"), "{Key}", cmp.Or(n.Key, "Key"), "{Secret}", cmp.Or(n.Secret, "Secret"),
		"{Cluster}", cmp.Or(n.Cluster, "Cluster"), "{Host}", cmp.Or(n.Host, "Host"), "{TLS}", cmp.Or(n.TLS, "TLS"),
	).Replace(text)
}

// Deps is what New needs besides the configuration.
type Deps struct {
	Logger    *slog.Logger
	Transport http.RoundTripper // nil is the network
}

// Client calls the HTTP API of one app. It may be used concurrently.
type Client struct {
	pusher       pusher.Client
	limit        int // bytes of data in one event
	names        Names
	transport    http.RoundTripper
	log          *slog.Logger
	health       health
	noBatchUntil atomic.Int64 // in nanoseconds since 1970: until then no batch is sent
}

// Event is one event on one channel. Data is sent unchanged. Clients of Pusher usually expect it to be JSON.
type Event struct{ Channel, Name, Data string }

// New returns a client. It returns an error if c or deps lacks something that it needs. It makes no call.
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
	client := &Client{
		limit: cmp.Or(c.PayloadLimit, DefaultPayloadLimit), names: c.Names, transport: deps.Transport, log: deps.Logger,
	}
	if client.transport == nil {
		client.transport = newTransport()
	}
	client.pusher = pusher.Client{
		AppID: c.AppID, Key: c.Key, Secret: c.Secret,
		Host: c.Host, Cluster: c.Cluster, Secure: c.Cluster != "" || c.Host != "" && c.TLS,
		EncryptionMasterKeyBase64: c.MasterKey,
	}
	if c.PayloadLimit > 0 {
		// Without this the library accepts no more than hosted Pusher.
		client.pusher.OverrideMaxMessagePayloadKB = (c.PayloadLimit + 1023) >> 10
	}
	if c.Cluster == "" && c.Host == "" {
		client.pusher.Host = "embedded" // the transport does not look at it
	}
	return client, nil
}

// Trigger sends one event. Its error is a *RefusedError if Pusher will never accept the event, and a *CallError if it
// can be sent again. With any other error no call was made, because the address of Pusher is not valid.
func (c *Client) Trigger(ctx context.Context, p Purpose, e Event) error {
	_, err := c.call(ctx, p, func(c *pusher.Client) error { return c.Trigger(e.Channel, e.Name, e.Data) })
	return err
}

// TriggerMulti sends the same event to at most MaxChannels channels, none of which may be encrypted. Its errors are
// those of Trigger.
func (c *Client) TriggerMulti(ctx context.Context, p Purpose, channels []string, name, data string) error {
	_, err := c.call(ctx, p, func(c *pusher.Client) error { return c.TriggerMulti(channels, name, data) })
	return err
}

// TriggerBatch sends at most MaxBatch events in one call. Its errors are those of Trigger. If LacksBatch holds for the
// error, the server has no batch_events. After NoteSingle such a server is not called for ten minutes.
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

// Channels returns the occupied channels whose names begin with prefix, in no order. Its error is a *CallError if the
// call was made.
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

// Occupied reports whether a channel has a subscriber. Its errors are those of Channels.
func (c *Client) Occupied(ctx context.Context, p Purpose, channel string) (bool, error) {
	a, err := c.call(ctx, p, func(c *pusher.Client) error {
		_, err := c.Channel(channel, pusher.ChannelParams{})
		return err
	})
	return err == nil && *a.Occupied, err
}

// Authorize returns JSON for pusher-js with a signature: it permits a socket to subscribe to a private channel. It
// makes no call. It returns an error if Pusher has no such socket id or channel name.
func (c *Client) Authorize(socketID, channel string) ([]byte, error) {
	client := c.pusher // a copy: the library writes to it
	form := url.Values{"socket_id": {socketID}, "channel_name": {channel}}
	return client.AuthorizePrivateChannel([]byte(form.Encode()))
}

// PayloadLimit returns how many bytes of data one event may have, after encryption. WireSize counts them.
func (c *Client) PayloadLimit() int { return c.limit }

// Encrypts reports whether the client has a master key, so that it can send to private-encrypted- channels.
func (c *Client) Encrypts() bool { return c.pusher.EncryptionMasterKeyBase64 != "" }

// Signs reports whether the app with this key has signed a body, such as that of a webhook. It compares in constant
// time.
func (c *Client) Signs(key string, body []byte, signature string) bool {
	return key == c.pusher.Key && SignedWith(c.pusher.Secret, body, signature)
}

// SignedWith reports whether signature, in hexadecimal, is the one that secret gives to body. It compares in constant
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

// WireSize returns how many bytes of data Pusher gets, if an event has n bytes. That must not exceed
// Client.PayloadLimit.
func WireSize(n int, encrypted bool) int {
	if !encrypted {
		return n
	}
	// A JSON object with a nonce and with the sealed box, which is 16 bytes longer than the data. Both are in base64.
	const overhead = len(`{"nonce":"","ciphertext":""}`) + 32
	return overhead + (n+16+2)/3*4
}
