package auth_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lorebridge/auth"
)

// wait returns the RetryAfter of a *RateLimitError, or zero if err is nil.
func wait(t *testing.T, err error) time.Duration {
	t.Helper()
	var limited *auth.RateLimitError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &limited) || limited.RetryAfter <= 0:
		t.Fatalf("got %v, want a RateLimitError with a wait", err)
	}
	return limited.RetryAfter
}

func limiter(t *testing.T, perMinute int) *auth.Limiter[string] {
	t.Helper()
	l, err := auth.NewLimiter[string](perMinute)
	must(t, err)
	return l
}

func TestALimiterAllowsSoManyAMinuteAndReturnsWhenToRetry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, 5)
		for range 5 {
			must(t, l.Allow("ada"))
		}
		<-time.After(20 * time.Second)
		for range 100 { // rejected ones do not count
			if d := wait(t, l.Allow("ada")); d != 40*time.Second {
				t.Fatalf("wait %v, want what is left of the minute", d)
			}
		}
		must(t, l.Allow("bob"))
		<-time.After(40*time.Second - time.Nanosecond)
		if d := wait(t, l.Allow("ada")); d != time.Nanosecond {
			t.Errorf("wait %v, want a nanosecond", d)
		}
		<-time.After(time.Nanosecond)
		for range 5 {
			must(t, l.Allow("ada"))
			<-time.After(time.Second)
		}
		if d := wait(t, l.Allow("ada")); d != 55*time.Second {
			t.Errorf("wait %v, want until the oldest of five is a minute old", d)
		}
		<-time.After(time.Hour)
		for range 5 {
			must(t, l.Allow("ada"))
		}
		if wait(t, l.Allow("ada")) == 0 {
			t.Error("an hour's patience allows more than a minute's worth")
		}
	})
}

// Actions that are rejected at the same time delay neither each other nor later ones.
func TestRejectedActionsDoNotCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, 5)
		for range 5 {
			must(t, l.Allow("ada"))
		}
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() {
				for range 200 {
					if d := wait(t, l.Allow("ada")); d > time.Minute {
						t.Errorf("wait %v, want at most a minute", d)
						return
					}
				}
			})
		}
		group.Wait()
		<-time.After(time.Minute)
		must(t, l.Allow("ada"))
	})
}

func TestALimitMustBeAtLeastOne(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, -1} {
		if _, err := auth.NewLimiter[string](n); err == nil {
			t.Errorf("%d a minute is a limit", n)
		}
	}
}

func TestSecondsAreRoundedUp(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]int{1: 1, time.Second: 1, time.Second + 1: 2, time.Minute: 60} {
		if got := (&auth.RateLimitError{RetryAfter: wait}).Seconds(); got != want {
			t.Errorf("%v is %d seconds, want %d", wait, got, want)
		}
	}
}

// The memory is bounded, even if attempts come from very many addresses.
func TestALimiterForgetsTheOldestOfTenThousand(t *testing.T) {
	t.Parallel()
	l := limiter(t, 1)
	must(t, l.Allow("first"))
	for i := range 10_000 {
		must(t, l.Allow(fmt.Sprint(i)))
	}
	must(t, l.Allow("first"))
	if wait(t, l.Allow("9999")) == 0 {
		t.Error("the newest is forgotten")
	}
}
