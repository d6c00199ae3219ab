package pusherserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// request is a message from a client. Data is an object, or a string that holds the object as JSON.
type request struct {
	Event string          `json:"event"`
	Data  json.RawMessage `json:"data"`
}

// subscriptionRequest is the data of pusher:subscribe and pusher:unsubscribe. The latter has only Channel.
type subscriptionRequest struct {
	Channel     string `json:"channel"`
	Auth        string `json:"auth"`
	ChannelData string `json:"channel_data"`
}

// handle answers one message of the client. An invalid message does not end the connection.
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
		// read has set lastSeen, and a pong needs no more.
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

// withSubscriptionData calls act with the data of r, which may have either form. It rejects invalid data.
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

// subscribe sends a confirmation or a subscription error. Both name the channel, because pusher-js emits them on it.
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

// unsubscribe sends nothing, because the protocol has no answer. It ignores a channel that c is not subscribed to.
func (c *connection) unsubscribe(s subscriptionRequest) {
	delete(c.subscriptions, s.Channel)
	c.app.hub.unsubscribe(s.Channel, c)
}

// reject sends the client the reason why its message is invalid. The code is null, as that of the service.
func (c *connection) reject(reason string) { c.queue.send(errorFrame(0, reason)) }
