package bridge_test

import (
	"errors"
	"testing"

	"lorebridge/bridge"
)

func TestAMemoryLogKeepsMoreThanAClientIsSentThatComesBackAndKnowsWhatItDropped(t *testing.T) {
	t.Parallel()
	const sent = 50 // as docs/protocol.md says
	log := bridge.NewMemoryLog(1)
	for range 2 * sent {
		log.Append(nil, "room")
	}
	kept := log.Recent("room", 2*sent)
	if len(kept) <= sent {
		t.Errorf("the log has %d events: a client that missed more gets no gap", len(kept))
	}
	oldest := kept[0].Seq
	if events, err := log.After(t.Context(), "room", oldest-1, 2*sent); err != nil || len(events) != len(kept) {
		t.Errorf("behind the last one that was dropped: %d events, %v", len(events), err)
	}
	if events, err := log.After(t.Context(), "room", oldest-2, 2*sent); !errors.Is(err, bridge.ErrGap) {
		t.Errorf("where one was dropped: %d events, %v", len(events), err)
	}
}
