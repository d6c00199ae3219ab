package realtime

import (
	"encoding/json"
	"testing"

	"lorebridge/ent"
	"lorebridge/outbox"
)

// A payload that is sent unchanged must not differ from one that is decoded and encoded, with any characters in its
// texts.
func TestAStoredPayloadIsSentAsIfItWereEncodedAnew(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "plain", `"quoted" and \ back`, "lines\r\n\tand\x00\x01\b\f\x1f\x7f", "<b>&amp;</b>", "\u2028\u2029", `\u003c`, "é ü 🙂", `{"type":"`,
	} {
		want := message{EventID: "42", Payload: outbox.Payload{
			Type: outbox.TypeKnowledgeResponse, RequestID: 7, Status: "approved", Question: text, RequesterName: text,
			ResponseContent: text, CreatedAt: "2026-11-27T08:00:00.000Z",
		}}
		sent, err := outbox.EncodeJSON(want)
		if err != nil {
			t.Fatal(err)
		}
		fresh, err := outbox.EncodeJSON(want.Payload)
		if err != nil {
			t.Fatal(err)
		}
		read, err := json.Marshal(json.RawMessage(fresh)) // as ent stores it
		if err != nil {
			t.Fatal(err)
		}
		for from, payload := range map[string][]byte{"memory": fresh, "the table": read, "another order": reordered(t, fresh)} {
			name, data, err := encodeMessage(&ent.Event{ID: 42, Payload: payload})
			if err != nil || name != want.Type || data != string(sent) {
				t.Errorf("%q from %s: got %s %s, %v; want %s", text, from, name, data, err, sent)
			}
		}
	}
	for _, damaged := range []string{``, `{"type":"x"`, `{"type":"x`, `{"type":1}`, `[]`, `{"type":"a\u`} {
		if name, data, err := encodeMessage(&ent.Event{ID: 42, Payload: []byte(damaged)}); err == nil {
			t.Errorf("%s: got %s %s, want an error", damaged, name, data)
		}
	}
}

// reordered returns the payload with its keys in the order of their names, as other tools may write it.
func reordered(t *testing.T, payload []byte) []byte {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(payload, &members); err != nil {
		t.Fatal(err)
	}
	sorted, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return sorted
}
