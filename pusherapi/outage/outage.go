// Package outage decides when a receiver counts as down, and how long to wait before the next attempt. It knows nothing
// of Pusher: whoever sends to many recipients through one receiver can use it.
package outage

import (
	"errors"
	"log/slog"
	"time"
)

// suspectAfter is how many recipients must fail, and none succeed, before the receiver itself is suspected.
const suspectAfter = 5

// Outage knows whether a receiver as a whole is down. That takes three things: suspectAfter recipients have failed,
// none has succeeded since the first of them, and a call that has nothing to do with any of them fails too. One
// success ends it. The zero Outage is none. It is not for concurrent use.
type Outage struct {
	failing  map[int]struct{} // recipients that failed since the last success
	checking bool
	failures int // in a row, since the outage began; 0: there is none
	until    time.Time
}

// Lasts says that the receiver counts as down.
func (o *Outage) Lasts() bool { return o.failures > 0 }

// Until is, while it lasts, when one event is to be tried.
func (o *Outage) Until() time.Time { return o.until }

// Checking says that a check is under way.
func (o *Outage) Checking() bool { return o.checking }

// Failed notes that nothing could be sent to a recipient, and says whether the receiver is to be checked. While the
// outage lasts, the next event is tried after a pause, of at least wait; draw is from [0, 1). Those that fail before
// the pause is over were sent before it: they do not make it longer, unless they ask for that.
func (o *Outage) Failed(recipient int, wait time.Duration, draw float64, now time.Time) (check bool) {
	if o.Lasts() {
		if now.Before(o.until) {
			if asked := now.Add(wait); asked.After(o.until) {
				o.until = asked
			}
			return false
		}
		o.failures++
		o.until = now.Add(max(Backoff(o.failures, draw), wait))
		return false
	}
	if o.failing == nil {
		o.failing = make(map[int]struct{})
	}
	o.failing[recipient] = struct{}{}
	if len(o.failing) < suspectAfter || o.checking {
		return false
	}
	o.checking = true
	return true
}

// Checked notes how a check ended. If the receiver answers, it is the events that are at fault.
func (o *Outage) Checked(err error, draw float64, now time.Time) {
	o.checking = false
	switch {
	case err == nil:
		o.failing = nil
	case len(o.failing) >= suspectAfter: // nobody has succeeded meanwhile
		o.failures, o.until = 1, now.Add(max(Backoff(1, draw), RetryAfter(err)))
	}
}

// Over notes that something was sent, and says whether that ends an outage.
func (o *Outage) Over() bool {
	lasted := o.Lasts()
	o.failures, o.failing = 0, nil
	return lasted
}

const (
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 5 * time.Second
)

// Backoff is how long to wait after so many failures in a row: full jitter, by a draw from [0, 1), over a limit that
// doubles from 100 ms to five seconds.
func Backoff(failures int, draw float64) time.Duration {
	limit := maxBackoff
	if shift := failures - 1; shift < 6 { // 100 ms << 6 is beyond 5 s
		limit = min(firstBackoff<<shift, maxBackoff)
	}
	return time.Duration(draw * float64(limit))
}

// Delayed is an error that knows how long to wait before the next attempt.
type Delayed interface {
	error
	RetryAfter() time.Duration
}

// RetryAfter returns how long err asks to wait, and zero if it does not.
func RetryAfter(err error) time.Duration {
	if delayed, ok := errors.AsType[Delayed](err); ok {
		return delayed.RetryAfter()
	}
	return 0
}

// Leveled is an error that knows at which level it is to be logged.
type Leveled interface {
	error
	LogLevel() slog.Level
}

// LogLevel returns the level for err: a warning, unless it knows another.
func LogLevel(err error) slog.Level {
	if leveled, ok := errors.AsType[Leveled](err); ok {
		return leveled.LogLevel()
	}
	return slog.LevelWarn
}
