package pusherapi

import (
	"context"
	"errors"
)

// ErrUntried is the verdict on a message that was not sent, because another one of the same batch met a fault that this
// one would meet, too.
var ErrUntried = errors.New("not tried")

// Message is an event that Send may shorten.
type Message struct {
	Event
	// Shorten returns less that can be sent in place of Data where Data is too large; false if there is nothing less.
	// It may be nil.
	Shorten func() (data string, ok bool)
}

// Send sends at most MaxBatch messages. A batch that is refused because of its content, or that the server does not
// know, is sent event by event, so that one bad event costs only itself.
//
// Where the answer distinguishes the messages it returns one verdict for each, in their order: nil for taken, a
// *RefusedError for never, ErrUntried, or a *CallError for later. Where it does not, err is the answer for all.
func (c *Client) Send(ctx context.Context, p Purpose, messages []Message) (verdicts []error, err error) {
	events := make([]Event, len(messages))
	for i := range messages {
		events[i] = messages[i].Event
	}
	verdicts = make([]error, len(messages))
	together := c.TriggerBatch(ctx, p, events)
	switch {
	case together == nil:
		return verdicts, nil
	case !isSplit(together):
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
		verdicts[i] = err
		if isAboutAll(err) { // the others are not tried now: it may take long
			for rest := range verdicts[i+1:] {
				verdicts[i+1+rest] = ErrUntried
			}
			break
		}
	}
	return verdicts, nil
}
