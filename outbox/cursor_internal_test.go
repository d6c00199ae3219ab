package outbox

import (
	"testing"
)

func TestCursorsAreCompared(t *testing.T) {
	t.Parallel()
	a, b := CursorOf(3), CursorOf(4)
	if !a.Before(b) || b.Before(a) || a.Before(a) {
		t.Error("Before is no order")
	}
	if Earlier(a, b) != a || Earlier(b, a) != a || Later(a, b) != b || Later(b, a) != b {
		t.Error("Earlier or Later is the other one")
	}
	if a.next() != b || b.Previous() != a || a.Seq() != 3 {
		t.Error("there is something between 3 and 4")
	}
}
