package rule

import (
	"fmt"
	"time"
)

// UnavailableError says that the database cannot serve just now, for a reason that passes or that the operator can
// end. A change that got it was not made, and may be tried again.
type UnavailableError struct {
	// RetryAfter is when it is worth another try.
	RetryAfter time.Duration
	// Reason says in plain words what is in the way.
	Reason string
	// Err is for the log: it may name files.
	Err error
}

func (e *UnavailableError) Error() string { return "the database is unavailable: " + e.Err.Error() }

// Unwrap returns what the database said.
func (e *UnavailableError) Unwrap() error { return e.Err }

// Message is for clients.
func (e *UnavailableError) Message() string {
	return fmt.Sprintf("the database cannot serve just now: try again in %d seconds", e.Seconds())
}

// Seconds is RetryAfter in whole seconds, at least one.
func (e *UnavailableError) Seconds() int {
	return max(1, int((e.RetryAfter+time.Second-1)/time.Second))
}
