package bridge

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/pusher/pusher-http-go/v5"

	"lorebridge/ent"
	"lorebridge/outbox"
)

// message is an event as browsers get it. Its keys are a contract.
type message struct {
	outbox.Payload
	EventID string `json:"eventId"`
}

// outgoing is an event on its way to Pusher.
type outgoing struct {
	event   pusher.Event
	content message
}

// newMessage makes the Pusher event of a row. Texts that would not fit through Pusher are left out: the client
// reads them over GraphQL.
func (b *Bridge) newMessage(e *ent.Event) (outgoing, error) {
	if e.RecipientID == nil {
		return outgoing{}, fmt.Errorf("event %d is for nobody", e.ID)
	}
	o := outgoing{content: message{EventID: strconv.Itoa(e.ID)}}
	if err := json.Unmarshal(e.Payload, &o.content.Payload); err != nil {
		return outgoing{}, fmt.Errorf("read the payload of event %d: %w", e.ID, err)
	}
	o.event.Channel, o.event.Name = b.Channel(*e.RecipientID), o.content.Type
	data, err := outbox.EncodeJSON(o.content)
	if err != nil {
		return outgoing{}, err
	}
	o.event.Data = string(data)
	if b.wireSize(len(data), b.config.encrypts()) > b.payloadLimit {
		o.shorten()
	}
	return o, nil
}

// shorten leaves out the texts. It reports false if there are none.
func (o *outgoing) shorten() bool {
	short := o.content
	short.Question, short.ResponseContent = "", ""
	data, err := outbox.EncodeJSON(short)
	if err != nil || short == o.content {
		return false
	}
	o.content, o.event.Data = short, string(data)
	return true
}

// sealedSize is how many bytes n bytes of data become where they are encrypted: a JSON object of a nonce and of the sealed
// box, which is 16 bytes longer, both in base64.
func sealedSize(n int) int {
	const overhead = len(`{"nonce":"","ciphertext":""}`) + 32
	return overhead + (n+16+2)/3*4
}
