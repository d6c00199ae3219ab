package bridge

import (
	"context"
	"errors"

	"lorebridge/ent"
	"lorebridge/outbox"
	"lorebridge/pusherapi"
)

var _ outbox.Sender = (*Bridge)(nil)

// Send triggers a batch, as outbox.Sender says.
func (b *Bridge) Send(ctx context.Context, batch []*ent.Event) (verdicts []error, err error) {
	verdicts = make([]error, len(batch))
	messages := make([]pusherapi.Message, 0, len(batch))
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
	answers, err := b.pusher.Send(ctx, forEvents, messages)
	for i, answer := range answers {
		verdicts[index[i]] = verdictOf(answer)
	}
	if err != nil {
		return nil, err
	}
	return verdicts, nil
}

// verdictOf is what an answer is for the log.
func verdictOf(answer error) error {
	if refused, ok := errors.AsType[*pusherapi.RefusedError](answer); ok {
		return &outbox.RefusedError{Reason: refused.Reason}
	}
	if errors.Is(answer, pusherapi.ErrUntried) {
		return outbox.ErrUntried
	}
	return answer
}

// Check implements outbox.Sender: it asks for channels that nobody has.
func (b *Bridge) Check(ctx context.Context) error {
	_, err := b.pusher.Channels(ctx, forChannels, "private-check-")
	return err
}
