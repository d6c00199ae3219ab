package bridge

import (
	"context"

	"github.com/pusher/pusher-http-go/v5"

	"lorebridge/ent"
	"lorebridge/outbox"
)

var _ outbox.Sender = (*Bridge)(nil)

// Send triggers a batch, as outbox.Sender says. A batch that is refused because of its content, or that the server
// does not know, is sent event by event, so that one bad event costs only itself.
func (b *Bridge) Send(ctx context.Context, batch []*ent.Event) (verdicts []error, err error) {
	verdicts = make([]error, len(batch))
	messages := make([]outgoing, 0, len(batch))
	index := make([]int, 0, len(batch)) // of each message in the batch
	for i, e := range batch {
		m, err := b.newMessage(e)
		if err != nil {
			verdicts[i] = &outbox.RefusedError{Reason: err.Error()}
			continue
		}
		messages, index = append(messages, m), append(index, i)
	}
	if len(messages) == 0 {
		return verdicts, nil
	}
	together := b.triggerBatch(ctx, messages)
	switch {
	case together == nil:
		return verdicts, nil
	case !isSplit(together):
		return nil, together
	}
	for i := range messages {
		m := &messages[i]
		err := together
		if len(messages) > 1 || lacksBatch(together) {
			err = b.trigger(ctx, m.event)
		}
		if isAboutContent(err) && m.shorten() {
			err = b.trigger(ctx, m.event)
		}
		b.noteBatch(ctx, together, err)
		verdicts[index[i]] = err
		if isAboutAll(err) { // the others are not tried now: it may take long
			for _, rest := range index[i+1:] {
				verdicts[rest] = outbox.ErrUntried
			}
			break
		}
	}
	return verdicts, nil
}

// Check implements outbox.Sender: it asks for channels that nobody has.
func (b *Bridge) Check(ctx context.Context) error {
	none := "private-check-"
	_, err := b.call(ctx, forChannels, func(c *pusher.Client) error {
		_, err := c.Channels(pusher.ChannelsParams{FilterByPrefix: &none})
		return err
	})
	return err
}

// triggerBatch sends messages in one call. On a server without such a call it makes none.
func (b *Bridge) triggerBatch(ctx context.Context, messages []outgoing) error {
	if !b.hasBatch() {
		return errNoBatch
	}
	events := make([]pusher.Event, len(messages))
	for i := range messages {
		events[i] = messages[i].event
	}
	_, err := b.call(ctx, forEvents, func(c *pusher.Client) error {
		_, err := c.TriggerBatch(events)
		return err
	})
	return err
}

// trigger sends one event.
func (b *Bridge) trigger(ctx context.Context, e pusher.Event) error {
	_, err := b.call(ctx, forEvents, func(c *pusher.Client) error { return c.Trigger(e.Channel, e.Name, e.Data) })
	return err
}
