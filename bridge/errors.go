package bridge

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// The codes of errors in results that this package makes itself, in extensions.code.
const (
	CodeGap      = "SUBSCRIPTION_GAP"               // beside ErrGap
	CodeTooLarge = "SUBSCRIPTION_PAYLOAD_TOO_LARGE" // in place of a result that is too large for Pusher
	CodeEnded    = "SUBSCRIPTION_ENDED"             // only for clients that read nothing but data
	CodeInternal = "INTERNAL"                       // after a panic
)

// The codes that by default end a subscription. Deps.Ended decides otherwise.
const (
	codeUnauthenticated = "UNAUTHENTICATED"
	codeForbidden       = "FORBIDDEN"
	codeNotFound        = "NOT_FOUND"
)

// Errors that reach resolvers and clients. An application's error presenter gives them their codes.
var (
	// ErrGap means that a subscription missed events that it cannot get any more.
	ErrGap = errors.New("updates were missed: read the present state with a query")
	// ErrForbidden is for a channel or a topic that is not the viewer's.
	ErrForbidden = errors.New("this is not yours")
	// ErrNotFound is for a subscription that is not there, or has ended.
	ErrNotFound = errors.New("there is no such subscription")
)

// errInternal is what clients see of a panic.
var errInternal = errors.New("internal error")

// panicError is a panic of a resolver in a stream.
type panicError struct {
	reason any
	stack  string
}

func (e *panicError) Error() string { return fmt.Sprint("panic: ", e.reason) }

// InputError is a part of a request that is wrong.
type InputError struct{ Input, Problem string }

func (e *InputError) Error() string { return e.Input + ": " + e.Problem }

func inputErrorf(input, format string, values ...any) error {
	return &InputError{input, fmt.Sprintf(format, values...)}
}

// LimitError means that a viewer has as many subscriptions and streams as one may have.
type LimitError struct {
	Limit      int
	Setting    string // how the operator sets the limit; empty if that is not known
	RetryAfter time.Duration
}

func (e *LimitError) Error() string {
	setting := ""
	if e.Setting != "" {
		setting = " (" + e.Setting + ")"
	}
	return fmt.Sprintf("a person may have %d subscriptions and streams at a time%s: end one that is not needed, or wait until "+
		"one that nobody joined has ended: try again in %d seconds", e.Limit, setting, e.Seconds())
}

// Seconds is RetryAfter in whole seconds, rounded up.
func (e *LimitError) Seconds() int { return int(math.Ceil(e.RetryAfter.Seconds())) }

// Unavailable is an error of the application that passes: a route answers 503 with Retry-After.
type Unavailable interface {
	error
	Seconds() int    // until another try is worth it
	Message() string // for clients
}
