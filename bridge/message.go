package bridge

import (
	"bytes"
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
	event pusher.Event
	row   *ent.Event
}

// newMessage makes the Pusher event of a row. Texts that would not fit through Pusher are left out: the client
// reads them over GraphQL.
func (b *Bridge) newMessage(e *ent.Event) (outgoing, error) {
	if e.RecipientID == nil {
		return outgoing{}, fmt.Errorf("event %d is for nobody", e.ID)
	}
	name, data, err := encodeMessage(e)
	if err != nil {
		return outgoing{}, err
	}
	o := outgoing{event: pusher.Event{Channel: b.Channel(*e.RecipientID), Name: name, Data: data}, row: e}
	if b.wireSize(len(data), b.config.encrypts()) > b.payloadLimit {
		o.shorten()
	}
	return o, nil
}

// encodeMessage returns the name of an event and what browsers get of it. A payload is stored as it is sent, except for
// escapes: the database's JSON has some that events do not have.
func encodeMessage(e *ent.Event) (name, data string, err error) {
	if head, found := bytes.CutPrefix(e.Payload, []byte(`{"type":"`)); found && !bytes.Contains(e.Payload, []byte(`\u`)) {
		name, _, named := bytes.Cut(head, []byte(`"`))
		members, whole := bytes.CutSuffix(e.Payload, []byte("}"))
		if named && whole {
			return string(name), string(members) + `,"eventId":"` + strconv.Itoa(e.ID) + `"}`, nil
		}
	}
	m, err := decodeMessage(e)
	if err != nil {
		return "", "", err
	}
	encoded, err := outbox.EncodeJSON(m)
	return m.Type, string(encoded), err
}

func decodeMessage(e *ent.Event) (message, error) {
	m := message{EventID: strconv.Itoa(e.ID)}
	if err := json.Unmarshal(e.Payload, &m.Payload); err != nil {
		return message{}, fmt.Errorf("read the payload of event %d: %w", e.ID, err)
	}
	return m, nil
}

// shorten leaves out the texts. It reports false if there are none.
func (o *outgoing) shorten() bool {
	m, err := decodeMessage(o.row)
	if err != nil {
		return false
	}
	short := m
	short.Question, short.ResponseContent = "", ""
	data, err := outbox.EncodeJSON(short)
	if err != nil || short == m || string(data) == o.event.Data {
		return false
	}
	o.event.Data = string(data)
	return true
}

// sealedSize is how many bytes n bytes of data become where they are encrypted: a JSON object of a nonce and of the
// sealed box, which is 16 bytes longer, both in base64.
func sealedSize(n int) int {
	const overhead = len(`{"nonce":"","ciphertext":""}`) + 32
	return overhead + (n+16+2)/3*4
}
