package bridge

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/pusher/pusher-http-go/v5"

	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/outbox"
)

// message is an event as browsers get it. Its keys are a contract.
type message struct {
	outbox.Payload
	EventID string `json:"eventId"`
}

// outgoing is an event on its way to Pusher.
type outgoing struct {
	event pusher.Event
	row   *ent.Event
}

// eventNames are what events of people are called on their channels, by kind.
var eventNames = map[event.Kind]string{
	event.KindKnowledgeRequest:  outbox.TypeKnowledgeRequest,
	event.KindKnowledgeResponse: outbox.TypeKnowledgeResponse,
}

// newMessage makes the Pusher event of a row. Texts that would not fit through Pusher are left out: the client
// reads them over GraphQL.
func (b *Bridge) newMessage(e *ent.Event) (outgoing, error) {
	name, ok := eventNames[e.Kind]
	if e.RecipientID == nil || !ok {
		return outgoing{}, fmt.Errorf("event %d is for nobody", e.ID)
	}
	// The payload is an object that outbox wrote, and the id is its last key: nothing has to be decoded.
	fields, isObject := strings.CutSuffix(string(e.Payload), "}")
	if !isObject || len(fields) < 2 {
		return outgoing{}, fmt.Errorf("event %d has no payload any more", e.ID)
	}
	data := fields + `,"eventId":"` + strconv.Itoa(e.ID) + `"}`
	o := outgoing{row: e, event: pusher.Event{Channel: b.Channel(*e.RecipientID), Name: name, Data: data}}
	if b.wireSize(len(data), b.config.encrypts()) > b.payloadLimit {
		o.shorten()
	}
	return o, nil
}

// shorten leaves out the texts. It reports false if there are none.
func (o *outgoing) shorten() bool {
	short := message{EventID: strconv.Itoa(o.row.ID)}
	if err := json.Unmarshal(o.row.Payload, &short.Payload); err != nil || short.Question == "" && short.ResponseContent == "" {
		return false
	}
	short.Question, short.ResponseContent = "", ""
	data, err := outbox.EncodeJSON(short)
	if err != nil || o.event.Data == string(data) {
		return false // it has been shortened before
	}
	o.event.Data = string(data)
	return true
}

// sealedSize is how many bytes n bytes of data become where they are encrypted: a JSON object of a nonce and of the sealed
// box, which is 16 bytes longer, both in base64.
func sealedSize(n int) int {
	const overhead = len(`{"nonce":"","ciphertext":""}`) + 32
	return overhead + (n+16+2)/3*4
}
