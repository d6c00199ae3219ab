package outbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Names of events, as their recipients get them. Product contract.
const (
	TypeKnowledgeRequest  = "knowledge-request"
	TypeKnowledgeResponse = "knowledge-response"
)

// MaxText is how many bytes of a text an event keeps. A longer one is not
// copied into the event: its recipient reads it from the request.
const MaxText = 10_240

// Payload is what an event tells its recipient, as the Event row keeps it; what an event does not have is absent.
// The order of the fields is the order of the keys on the wire, where eventId, the row's id, comes last.
type Payload struct {
	Type            string `json:"type"`
	RequestID       int    `json:"requestId"`
	Status          string `json:"status,omitempty"`
	Question        string `json:"question,omitempty"`
	RequesterName   string `json:"requesterName,omitempty"`
	ResponseContent string `json:"responseContent,omitempty"`
	CreatedAt       string `json:"createdAt,omitempty"`
}

// FormatTime writes a moment as events carry it: UTC with three decimals.
func FormatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// EncodeJSON writes v as JSON without HTML escaping, as events are sent.
func EncodeJSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("encode an event: %w", err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
