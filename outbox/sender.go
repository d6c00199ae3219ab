package outbox

import (
	"context"
	"errors"

	"lorebridge/ent"
)

// RefusedError is a Sender's verdict on a single event: it will never be taken.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return "refused for good: " + e.Reason }

// ErrUntried is a Sender's verdict on an event that it did not get to. Nobody is at fault.
var ErrUntried = errors.New("not tried")

// Sender sends events to their recipients.
type Sender interface {
	// Send sends a batch of at most RelayConfig.BatchSize events, no two for the same recipient. It is called
	// concurrently, though never with two events of one recipient at a time.
	//
	// Where the answer distinguishes the events it returns one verdict for each, in the order of the batch: nil for
	// taken, a *RefusedError for never, ErrUntried, any other error for later. Where it does not, err is the answer for
	// all of them: then each is sent alone. Errors must not hold credentials: they are logged and stored.
	Send(ctx context.Context, batch []*ent.Event) (verdicts []error, err error)
	// Check makes a call that has nothing to do with any event, and returns why it failed. Only if it does, the
	// receiver as a whole counts as down.
	Check(ctx context.Context) error
}
