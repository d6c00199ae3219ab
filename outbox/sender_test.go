package outbox_test

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"lorebridge/ent"
	"lorebridge/outbox"
)

type quietError struct{ error }

func (quietError) LogLevel() slog.Level { return slog.LevelDebug }

func TestAnErrorMaySayHowLoudItIsAndHowLongToWait(t *testing.T) {
	t.Parallel()
	plain := errors.New("no")
	quiet := fmt.Errorf("wrapped: %w", quietError{plain})
	late := fmt.Errorf("wrapped: %w", waitError{time.Minute})
	if outbox.LogLevel(plain) != slog.LevelWarn || outbox.LogLevel(quiet) != slog.LevelDebug {
		t.Errorf("levels: %v, %v", outbox.LogLevel(plain), outbox.LogLevel(quiet))
	}
	if outbox.RetryAfter(nil) != 0 || outbox.RetryAfter(plain) != 0 || outbox.RetryAfter(late) != time.Minute {
		t.Errorf("pauses: %v, %v", outbox.RetryAfter(plain), outbox.RetryAfter(late))
	}
	if text := (&outbox.RefusedError{Reason: "HTTP 413"}).Error(); text != "refused for good: HTTP 413" {
		t.Errorf("a refusal says %q", text)
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
