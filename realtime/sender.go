package realtime

import (
	"context"
	"errors"

	"lorebridge/ent"
	"lorebridge/outbox"
	"lorebridge/pusherapi"
)

var _ outbox.Sender = (*People)(nil)

// Send triggers a batch, as outbox.Sender says.
func (p *People) Send(ctx context.Context, batch []*ent.Event) (verdicts []error, err error) {
	verdicts = make([]error, len(batch))
	messages := make([]pusherapi.Message, 0, len(batch))
	index := make([]int, 0, len(batch)) // of each message in the batch
	for i, e := range batch {
		m, err := p.newMessage(e)
		if err != nil {
			verdicts[i] = &outbox.RefusedError{Reason: err.Error()}
			continue
		}
		messages, index = append(messages, m), append(index, i)
	}
	if len(messages) == 0 {
		return verdicts, nil
	}
	answers, err := p.pusher.Send(ctx, forEvents, messages)
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
func (p *People) Check(ctx context.Context) error {
	_, err := p.pusher.Channels(ctx, forEvents, "private-check-")
	return err
}
