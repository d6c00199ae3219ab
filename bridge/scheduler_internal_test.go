package bridge

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// Who asks for much waits longer, and nobody else does.
func TestUsersTakeTurns(t *testing.T) {
	t.Parallel()
	s := newScheduler(&sync.Mutex{}, func(*subscription, time.Time) {})
	for _, user := range []string{"a", "a", "a", "b", "b", "c"} {
		s.add(task{end: &subscription{viewer: Viewer{User: user}}})
	}
	var turns []string
	for s.size > 0 {
		turns = append(turns, s.pop().user())
	}
	if want := []string{"a", "b", "c", "a", "b", "a"}; !slices.Equal(turns, want) {
		t.Errorf("got %v, want %v", turns, want)
	}
}
