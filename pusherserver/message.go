package pusherserver

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/gobwas/ws"
)

// Names of the events that are part of the protocol.
const (
	reservedPrefix         = "pusher:"
	internalPrefix         = "pusher_internal:"
	clientEventPrefix      = "client-"
	eventEstablished       = "pusher:connection_established"
	eventError             = "pusher:error"
	eventPing              = "pusher:ping"
	eventPong              = "pusher:pong"
	eventSubscribe         = "pusher:subscribe"
	eventUnsubscribe       = "pusher:unsubscribe"
	eventSubscribed        = "pusher_internal:subscription_succeeded"
	eventSubscriptionError = "pusher:subscription_error"
	eventCacheMiss         = "pusher:cache_miss"
)

// message is an event for a client. Data is a string that holds JSON, because strict client libraries need that. Only
// pusher:error has an object, both in the document of the protocol and on the wire of the service.
type message struct {
	Event   string `json:"event"`
	Channel string `json:"channel,omitempty"`
	Data    any    `json:"data,omitempty"` // absent if nil
}

// frame returns m as a WebSocket frame.
func (m message) frame() []byte { return textFrame(encode(m)) }

// establishedFrame returns the handshake. pusher-js throws on an activity timeout of zero, so Config does not allow it.
func establishedFrame(socketID string, activityTimeout time.Duration) []byte {
	return message{Event: eventEstablished, Data: string(encode(struct {
		SocketID        string `json:"socket_id"`
		ActivityTimeout int    `json:"activity_timeout"`
	}{socketID, int(activityTimeout / time.Second)}))}.frame()
}

func pongFrame() []byte { return message{Event: eventPong, Data: "{}"}.frame() }

func subscribedFrame(channel string) []byte {
	return message{Event: eventSubscribed, Channel: channel, Data: "{}"}.frame()
}

// cacheMissFrame returns the message that a cache channel has no cached event.
func cacheMissFrame(channel string) []byte {
	return message{Event: eventCacheMiss, Channel: channel}.frame()
}

// subscriptionErrorFrame returns a pusher:subscription_error. Its form is that of pusher-js for a failed authorization
// request, so a client needs one handler for both. status is an HTTP status.
func subscriptionErrorFrame(channel, kind string, status int, reason string) []byte {
	return message{Event: eventSubscriptionError, Channel: channel, Data: string(encode(struct {
		Type   string `json:"type"`
		Error  string `json:"error"`
		Status int    `json:"status"`
	}{kind, reason, status}))}.frame()
}

// errorFrame returns a pusher:error. A zero code becomes null, which means that the connection stays open.
func errorFrame(code ws.StatusCode, reason string) []byte {
	var nullable *ws.StatusCode
	if code != 0 {
		nullable = &code
	}
	return message{Event: eventError, Data: struct {
		Code    *ws.StatusCode `json:"code"`
		Message string         `json:"message"`
	}{nullable, reason}}.frame()
}

// closeFrame returns a close frame. It cuts reason to the length that a control frame allows.
func closeFrame(code ws.StatusCode, reason string) []byte {
	return ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(code, reason)))
}

// textFrame returns payload as one unmasked frame. Any number of sockets may share it.
func textFrame(payload []byte) []byte { return append(newTextFrame(len(payload)), payload...) }

// newTextFrame returns the header of an unmasked text frame (RFC 6455 section 5.2), with capacity for its payload.
func newTextFrame(payloadLength int) []byte {
	const final, lengthIn2Bytes, lengthIn8Bytes = 0x80, 126, 127
	frame := append(make([]byte, 0, ws.MaxHeaderSize+payloadLength), final|byte(ws.OpText))
	switch {
	case payloadLength < lengthIn2Bytes:
		return append(frame, byte(payloadLength)) //nolint:gosec // it is below 126
	case payloadLength <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(frame, lengthIn2Bytes), uint16(payloadLength))
	}
	return binary.BigEndian.AppendUint64(append(frame, lengthIn8Bytes), uint64(payloadLength))
}

// encode returns v as JSON. It does not escape '<' and similar characters, because clients get the data byte for byte.
// It cannot fail: v is always a type of this package that holds strings and numbers only.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// isReserved reports whether publishers may not use the name. Clients believe that such events come from the server.
func isReserved(event string) bool {
	return strings.HasPrefix(event, reservedPrefix) || strings.HasPrefix(event, internalPrefix)
}
