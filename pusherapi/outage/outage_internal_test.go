package outage

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

type quietError struct{ error }

func (quietError) LogLevel() slog.Level { return slog.LevelDebug }

type waitError struct{ wait time.Duration }

func (waitError) Error() string { return "wait" }

func (e waitError) RetryAfter() time.Duration { return e.wait }

func TestAnErrorMayChooseItsLevelAndItsPause(t *testing.T) {
	t.Parallel()
	plain := errors.New("no")
	quiet := fmt.Errorf("wrapped: %w", quietError{plain})
	late := fmt.Errorf("wrapped: %w", waitError{time.Minute})
	if LogLevel(plain) != slog.LevelWarn || LogLevel(quiet) != slog.LevelDebug {
		t.Errorf("levels: %v, %v", LogLevel(plain), LogLevel(quiet))
	}
	if RetryAfter(nil) != 0 || RetryAfter(plain) != 0 || RetryAfter(late) != time.Minute {
		t.Errorf("pauses: %v, %v", RetryAfter(plain), RetryAfter(late))
	}
}

func TestAnOutageTakesFiveRecipientsAndACheck(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	fail := func(o *Outage, recipients ...int) (checks int) {
		for _, recipient := range recipients {
			if o.Failed(recipient, 0, 1, epoch) {
				checks++
			}
		}
		return checks
	}
	var o Outage
	if fail(&o, 1, 2, 3, 4, 1, 2, 3, 4) != 0 || o.Lasts() || o.Checking() {
		t.Error("four failed recipients begin an outage")
	}
	if o.Over() || fail(&o, 5, 6, 7, 8) != 0 {
		t.Error("recipients that failed before a success count")
	}
	if fail(&o, 9) != 1 || !o.Checking() || o.Lasts() || fail(&o, 10, 11) != 0 {
		t.Error("the fifth failed recipient does not lead to exactly one check")
	}
	o.Checked(nil, 1, epoch)
	if o.Lasts() || o.Checking() || fail(&o, 1, 2, 3, 4) != 0 {
		t.Error("a receiver that passed the check counts as down")
	}
	if fail(&o, 5) != 1 {
		t.Error("there is no second check")
	}
	if o.Over() {
		t.Error("a success ends an outage that has not begun")
	}
	o.Checked(down, 1, epoch)
	if o.Lasts() {
		t.Error("the receiver counts as down although a recipient succeeded during the check")
	}
	if fail(&o, 1, 2, 3, 4, 5) != 1 {
		t.Error("there is no third check")
	}
	o.Checked(down, 1, epoch)
	if !o.Lasts() || o.Checking() || !o.Until().Equal(epoch.Add(firstBackoff)) {
		t.Errorf("the outage lasts: %v, until %v", o.Lasts(), o.Until().Sub(epoch))
	}
	if fail(&o, 6) != 0 || !o.Lasts() {
		t.Error("there is a check during the outage")
	}
	if !o.Over() || o.Lasts() || o.Over() {
		t.Error("one success does not end the outage")
	}
	if fail(&o, 1, 2, 3, 4) != 0 {
		t.Error("after the outage four failed recipients begin another one")
	}
}

func TestThePauseOfAnOutageGrowsWithEachTry(t *testing.T) {
	t.Parallel()
	var o Outage
	for recipient := range suspectAfter {
		o.Failed(recipient, 0, 1, epoch)
	}
	o.Checked(&delayedError{300 * time.Millisecond}, 1, epoch)
	var pauses []time.Duration
	now := epoch
	for range 8 {
		pauses = append(pauses, o.Until().Sub(now))
		// Events that were under way when the outage began fail together, and count once.
		for recipient := range 4 {
			o.Failed(recipient, 0, 1, now.Add(time.Millisecond))
		}
		now = o.Until()
		o.Failed(1, 0, 1, now)
	}
	const ms = time.Millisecond
	want := []time.Duration{300 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 5000 * ms, 5000 * ms}
	if diff := cmp.Diff(want, pauses); diff != "" {
		t.Errorf("the pauses (-want +got):\n%s", diff)
	}
	now = o.Until()
	o.Failed(1, time.Minute, 1, now)
	if got := o.Until().Sub(now); got != time.Minute {
		t.Errorf("an error that asks for a minute gets %v", got)
	}
	o.Failed(2, 2*time.Minute, 1, now)
	if got := o.Until().Sub(now); got != 2*time.Minute {
		t.Errorf("a later error that asks for two minutes gets %v", got)
	}
}

type delayedError struct{ wait time.Duration }

func (e *delayedError) Error() string             { return "wait " + e.wait.String() }
func (e *delayedError) RetryAfter() time.Duration { return e.wait }

func TestBackoffDoublesFrom100msTo5s(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	waits := []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 5000 * ms, 5000 * ms}
	for i, want := range waits {
		if got := Backoff(i+1, 1); got != want {
			t.Errorf("after %d failures: %v, want %v", i+1, got, want)
		}
		if got := Backoff(i+1, 0.5); got != want/2 {
			t.Errorf("after %d failures, at half jitter: %v, want %v", i+1, got, want/2)
		}
	}
	if got := Backoff(1_000_000, 1); got != 5*time.Second {
		t.Errorf("after a million failures: %v", got)
	}
}
