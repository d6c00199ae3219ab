package pusherserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// request is what a client sends. Data is an object, or the same as JSON within a string.
type request struct {
	Event string          `json:"event"`
	Data  json.RawMessage `json:"data"`
}

// subscriptionRequest is the data of pusher:subscribe, and with Channel alone that of pusher:unsubscribe.
type subscriptionRequest struct {
	Channel     string `json:"channel"`
	Auth        string `json:"auth"`
	ChannelData string `json:"channel_data"`
}

// handle answers one message of the client. Nothing in it, however wrong, ends the connection.
func (c *connection) handle(text []byte) {
	var r request
	if err := json.Unmarshal(text, &r); err != nil {
		c.reject(`message must be a JSON object with an "event" string`)
		return
	}
	switch {
	case r.Event == eventPing:
		c.queue.send(pongFrame())
	case r.Event == eventPong:
		// It counted as life; that is all a pong is for.
	case r.Event == eventSubscribe:
		c.withSubscriptionData(r, c.subscribe)
	case r.Event == eventUnsubscribe:
		c.withSubscriptionData(r, c.unsubscribe)
	case strings.HasPrefix(r.Event, clientEventPrefix):
		c.reject("Client event rejected - client events are not enabled for this app")
	default:
		c.reject(fmt.Sprintf("event %.64q is not supported", r.Event))
	}
}

// withSubscriptionData calls act with the data of r in either of its forms.
func (c *connection) withSubscriptionData(r request, act func(subscriptionRequest)) {
	data := []byte(r.Data)
	var inner string
	if json.Unmarshal(data, &inner) == nil {
		data = []byte(inner)
	}
	var s subscriptionRequest
	if err := json.Unmarshal(data, &s); err != nil {
		c.reject(fmt.Sprintf(`data of %s must be an object with a "channel" string`, r.Event))
		return
	}
	act(s)
}

// subscribe answers with success or with the reason against it, always on the channel: pusher-js hands both to whoever
// subscribed there.
func (c *connection) subscribe(s subscriptionRequest) {
	config := &c.server.config
	if err := checkChannel(s.Channel, config.MaxChannelNameLength); err != nil {
		kind, status := "InvalidChannel", http.StatusBadRequest
		if reason := new(channelError); errors.As(err, &reason) && reason.unsupported {
			kind, status = "UnsupportedChannel", http.StatusNotImplemented
		}
		c.queue.send(subscriptionErrorFrame(s.Channel, kind, status, err.Error()))
		return
	}
	if isPrivate(s.Channel) {
		if err := c.app.verifySubscription(c.socketID, s.Channel, s.ChannelData, s.Auth); err != nil {
			c.queue.send(subscriptionErrorFrame(s.Channel, "AuthError", http.StatusUnauthorized, err.Error()))
			return
		}
	}
	if _, ok := c.subscriptions[s.Channel]; !ok && len(c.subscriptions) >= config.MaxSubscriptions {
		c.queue.send(subscriptionErrorFrame(s.Channel, "LimitReached", http.StatusTooManyRequests,
			fmt.Sprintf("a connection can have at most %d subscriptions", config.MaxSubscriptions)))
		return
	}
	c.subscriptions[s.Channel] = struct{}{}
	c.app.hub.subscribe(s.Channel, c, subscribedFrame(s.Channel))
}

// unsubscribe has no answer in the protocol, not even for a channel that c is not subscribed to.
func (c *connection) unsubscribe(s subscriptionRequest) {
	delete(c.subscriptions, s.Channel)
	c.app.hub.unsubscribe(s.Channel, c)
}

// reject tells the client what was wrong with its message, in the way of the service: with a null code.
func (c *connection) reject(reason string) { c.queue.send(errorFrame(0, reason)) }
