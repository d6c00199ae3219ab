package realtime

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"lorebridge/ent"
	"lorebridge/outbox"
	"lorebridge/pusherapi"
)

// message is the data of an event, as browsers get it. docs/protocol.md promises its keys.
type message struct {
	outbox.Payload
	EventID string `json:"eventId"`
}

// newMessage returns the Pusher event for a row. It leaves out texts that are too large for Pusher, because a client
// can read them over GraphQL.
func (p *People) newMessage(e *ent.Event) (pusherapi.Message, error) {
	if e.RecipientID == nil {
		return pusherapi.Message{}, fmt.Errorf("event %d is for nobody", e.ID)
	}
	name, data, err := encodeMessage(e)
	if err != nil {
		return pusherapi.Message{}, err
	}
	m := pusherapi.Message{Event: pusherapi.Event{Channel: p.Channel(*e.RecipientID), Name: name, Data: data}}
	m.Shorten = func() (string, bool) { return withoutTexts(e) }
	if pusherapi.WireSize(len(data), p.config.encrypts()) > p.pusher.PayloadLimit() {
		if short, ok := m.Shorten(); ok {
			m.Data, m.Shorten = short, nil
		}
	}
	return m, nil
}

// encodeMessage returns the name of an event and its data. A stored payload is sent unchanged, except if it has
// escapes: the JSON of the database may have some that events must not have.
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

// withoutTexts returns the data of an event without its texts. It reports false if it has none.
func withoutTexts(e *ent.Event) (short string, ok bool) {
	m, err := decodeMessage(e)
	if err != nil || m.Question == "" && m.ResponseContent == "" {
		return "", false
	}
	m.Question, m.ResponseContent = "", ""
	encoded, err := outbox.EncodeJSON(m)
	return string(encoded), err == nil
}
