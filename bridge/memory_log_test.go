package bridge_test

import (
	"testing"

	"lorebridge/bridge"
)

func TestAMemoryLogKeepsMoreThanAClientIsSentThatComesBack(t *testing.T) {
	t.Parallel()
	const sent = 50 // as docs/protocol.md says
	log := bridge.NewMemoryLog(1)
	for range 2 * sent {
		log.Append(nil, "room")
	}
	missed, err := log.After(t.Context(), "room", 0, 2*sent)
	if err != nil {
		t.Fatal(err)
	}
	if len(missed) <= sent {
		t.Errorf("the log has %d events: a client that missed more gets no gap", len(missed))
	}
}
