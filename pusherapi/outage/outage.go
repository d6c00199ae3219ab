// Package outage decides when a receiver counts as down, and how long to wait before the next attempt. It is for
// programs that send to many recipients through one receiver, such as Pusher. It does not depend on Pusher.
package outage

import (
	"errors"
	"log/slog"
	"time"
)

// suspectAfter is how many recipients must fail, without a success between them, before the receiver is checked.
const suspectAfter = 5

// Outage holds whether a receiver as a whole is down. An outage begins if suspectAfter recipients have failed, none has
// succeeded since the first of them, and then a check of the receiver fails, too. One success ends it. The zero Outage
// means that the receiver is up. It is not for concurrent use.
type Outage struct {
	failing  map[int]struct{} // recipients that failed since the last success
	checking bool
	failures int // in succession, since the outage began; 0: there is no outage
	until    time.Time
}

// Lasts reports whether the receiver counts as down.
func (o *Outage) Lasts() bool { return o.failures > 0 }

// Until returns when the next event is to be tried. It has a meaning only while the outage lasts.
func (o *Outage) Until() time.Time { return o.until }

// Checking reports whether a check has begun that Checked has not ended.
func (o *Outage) Checking() bool { return o.checking }

// Failed records that sending to a recipient failed, and reports whether the caller must check the receiver now. While
// the outage lasts, the next event is tried after a pause of at least wait; draw is a random number from [0, 1). An
// event that fails before the pause ends was sent before the pause began. It makes the pause longer only by its wait.
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

// Checked records the result of a check. If err is nil the receiver is up, and the events themselves fail.
func (o *Outage) Checked(err error, draw float64, now time.Time) {
	o.checking = false
	switch {
	case err == nil:
		o.failing = nil
	case len(o.failing) >= suspectAfter: // nobody has succeeded meanwhile
		o.failures, o.until = 1, now.Add(max(Backoff(1, draw), RetryAfter(err)))
	}
}

// Over records a success, and reports whether it ends an outage.
func (o *Outage) Over() bool {
	lasted := o.Lasts()
	o.failures, o.failing = 0, nil
	return lasted
}

const (
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 5 * time.Second
)

// Backoff returns how long to wait after so many failures in succession. The wait is draw, a random number from [0, 1),
// times a limit, which doubles from 100 ms to five seconds.
func Backoff(failures int, draw float64) time.Duration {
	limit := maxBackoff
	if shift := failures - 1; shift < 6 { // 100 ms << 6 is beyond 5 s
		limit = min(firstBackoff<<shift, maxBackoff)
	}
	return time.Duration(draw * float64(limit))
}

// Delayed is an error that determines how long to wait before the next attempt.
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

// Leveled is an error that determines the level of its log record.
type Leveled interface {
	error
	LogLevel() slog.Level
}

// LogLevel returns the level of a log record for err: a warning, unless err is Leveled.
func LogLevel(err error) slog.Level {
	if leveled, ok := errors.AsType[Leveled](err); ok {
		return leveled.LogLevel()
	}
	return slog.LevelWarn
}
