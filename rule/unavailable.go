package rule

import (
	"fmt"
	"time"
)

// UnavailableError reports that the database cannot serve now, for a reason that passes or that the operator can end.
// The change was not made and may be retried.
type UnavailableError struct {
	// RetryAfter is the time after which a retry makes sense.
	RetryAfter time.Duration
	// Reason names the obstacle in plain words, without names of files.
	Reason string
	// Err is for the log, because it may name files.
	Err error
}

func (e *UnavailableError) Error() string { return "the database is unavailable: " + e.Err.Error() }

// Unwrap returns the error of the database.
func (e *UnavailableError) Unwrap() error { return e.Err }

// Message returns the text for clients.
func (e *UnavailableError) Message() string {
	return fmt.Sprintf("the database cannot serve just now: try again in %d seconds", e.Seconds())
}

// Seconds returns RetryAfter in whole seconds, at least one.
func (e *UnavailableError) Seconds() int {
	return max(1, int((e.RetryAfter+time.Second-1)/time.Second))
}
