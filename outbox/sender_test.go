package outbox_test

import (
	"testing"

	"lorebridge/ent"
	"lorebridge/outbox"
)

func TestARefusalNamesItsReason(t *testing.T) {
	t.Parallel()
	if text := (&outbox.RefusedError{Reason: "HTTP 413"}).Error(); text != "refused for good: HTTP 413" {
		t.Errorf("got %q", text)
	}
}

func TestACursorCoversWhatIsNotBehindIt(t *testing.T) {
	t.Parallel()
	at := outbox.CursorOf(7)
	for id, want := range map[int]bool{6: true, 7: true, 8: false} {
		if at.Covers(&ent.Event{ID: id}) != want {
			t.Errorf("place 7 covers event %d: %v", id, !want)
		}
	}
}
