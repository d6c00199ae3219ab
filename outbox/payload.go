package outbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// These are the names of events on the wire, part of the product's contract.
const (
	TypeKnowledgeRequest  = "knowledge-request"
	TypeKnowledgeResponse = "knowledge-response"
)

// MaxText is the greatest length of a text in an event, in bytes. A longer one is left out, and its recipient reads
// it from the request.
const MaxText = 10_240

// Payload is the part of an event that its recipient gets, as the Event row stores it. Missing values are left out.
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

// FormatTime formats a time as events contain it: UTC with three decimals.
func FormatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// EncodeJSON encodes v as JSON without HTML escaping, as events are sent.
func EncodeJSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("encode an event: %w", err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
