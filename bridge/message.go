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

// newMessage makes the Pusher event of a row. Texts that would not fit through Pusher are left out: the client
// reads them over GraphQL.
func (b *Bridge) newMessage(e *ent.Event) (pusher.Event, error) {
	if e.RecipientID == nil {
		return pusher.Event{}, fmt.Errorf("event %d is for nobody", e.ID)
	}
	m := message{EventID: strconv.Itoa(e.ID)}
	if err := json.Unmarshal(e.Payload, &m.Payload); err != nil {
		return pusher.Event{}, fmt.Errorf("read the payload of event %d: %w", e.ID, err)
	}
	data, err := outbox.EncodeJSON(m)
	if err != nil {
		return pusher.Event{}, err
	}
	if b.wireSize(len(data), b.config.MasterKey != "") > outbox.MaxPayload {
		m.Question, m.ResponseContent = "", ""
		if data, err = outbox.EncodeJSON(m); err != nil {
			return pusher.Event{}, err
		}
	}
	return pusher.Event{Channel: b.Channel(*e.RecipientID), Name: m.Type, Data: string(data)}, nil
}

// sealedSize is how many bytes n bytes of data become where they are encrypted: a JSON object of a nonce and of the sealed
// box, which is 16 bytes longer, both in base64.
func sealedSize(n int) int {
	const overhead = len(`{"nonce":"","ciphertext":""}`) + 32
	return overhead + (n+16+2)/3*4
}
