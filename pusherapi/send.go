package pusherapi

import (
	"context"
	"errors"
)

// ErrUntried is the result of a message that was not sent. An earlier one of its batch failed, and this one would have
// failed for the same reason.
var ErrUntried = errors.New("not tried")

// Message is an event that Send may shorten.
type Message struct {
	Event
	// Shorten returns shorter data, which is sent instead of Data if Data is too large. It reports false if there is
	// no shorter form. It may be nil.
	Shorten func() (data string, ok bool)
}

// Send sends at most MaxBatch messages. It sends them one by one if Pusher rejects the batch because of its content, or
// if the server has no batches. So one bad event does not stop the others.
//
// Send returns one result for each message, in their order, if the answers distinguish them. A result is nil if Pusher
// accepted the event, a *RefusedError if it never will, ErrUntried if it was not sent, and else a *CallError. If the
// answers do not distinguish the messages, err is the result of all. Send may be called concurrently.
func (c *Client) Send(ctx context.Context, p Purpose, messages []Message) (results []error, err error) {
	events := make([]Event, len(messages))
	for i := range messages {
		events[i] = messages[i].Event
	}
	results = make([]error, len(messages))
	together := c.TriggerBatch(ctx, p, events)
	switch {
	case together == nil:
		return results, nil
	case !mustSplit(together):
		return nil, together
	}
	for i := range messages {
		err := together
		if len(messages) > 1 || LacksBatch(together) {
			err = c.Trigger(ctx, p, events[i])
		}
		if shorten := messages[i].Shorten; shorten != nil && isAboutContent(err) {
			if data, ok := shorten(); ok {
				events[i].Data = data
				err = c.Trigger(ctx, p, events[i])
			}
		}
		c.NoteSingle(ctx, together, err)
		results[i] = err
		if isAboutAll(err) { // the others are not tried now, because each attempt may take long
			for rest := range results[i+1:] {
				results[i+1+rest] = ErrUntried
			}
			break
		}
	}
	return results, nil
}
