package realtime

import (
	"context"
	"errors"

	"lorebridge/ent"
	"lorebridge/outbox"
	"lorebridge/pusherapi"
)

var _ outbox.Sender = (*People)(nil)

// Send implements outbox.Sender: it triggers a batch.
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

// verdictOf returns a result of pusherapi as outbox knows it.
func verdictOf(answer error) error {
	if final, ok := errors.AsType[*pusherapi.RefusedError](answer); ok {
		return &outbox.RefusedError{Reason: final.Reason}
	}
	if errors.Is(answer, pusherapi.ErrUntried) {
		return outbox.ErrUntried
	}
	return answer
}

// Check implements outbox.Sender: it lists channels under a prefix that nobody uses.
func (p *People) Check(ctx context.Context) error {
	_, err := p.pusher.Channels(ctx, forEvents, "private-check-")
	return err
}
