package bridge

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/pusher/pusher-http-go/v5"

	"lorebridge/outbox"
)

const (
	maxChannels = 100 // of one call with one event
	maxBatch    = 10  // events of one call

	firstPushBackoff = 100 * time.Millisecond
	maxPushBackoff   = time.Minute
	// giveUpAfter is how long a call is tried again. Its subscriptions are then caught up as if their clients came back.
	giveUpAfter = 2 * time.Minute
)

// mail is what one subscription is to be sent: its packets in their order.
type mail struct {
	sub *subscription
	rendering
}

// push sends mails, no two to one subscription, and returns a verdict for each: nil for sent, an *outbox.RefusedError where Pusher will
// never take it, any other error where it was given up. What is the same for many goes out in one call, the rest in batches.
func (s *Subscriptions) push(ctx context.Context, mails []mail) []error {
	p := &post{Subscriptions: s, mails: mails, verdicts: make([]error, len(mails))}
	for wave := 0; ; wave++ { // a client's second packet follows its first in another call
		same, order, single := p.sort(wave)
		if len(order) == 0 && len(single) == 0 {
			return p.verdicts
		}
		for _, shared := range order {
			if len(same[shared]) == 1 {
				single = append(single, same[shared][0])
				continue
			}
			for chunk := range slices.Chunk(same[shared], maxChannels) {
				p.sendSame(ctx, chunk, shared)
			}
		}
		for chunk := range slices.Chunk(single, maxBatch) {
			p.sendBatch(ctx, chunk, wave)
		}
	}
}

// post is a push under way.
type post struct {
	*Subscriptions
	mails    []mail
	verdicts []error
	givenUp  error // a call of it that was given up: the others are not tried, for Pusher is down
}

// sort says which packets of a wave are the same for which mails, the packets in their order, and which mails go alone. What was rendered
// once for many is the same in memory, so no texts are compared.
func (p *post) sort(wave int) (same map[*packet][]int, order []*packet, single []int) {
	same = make(map[*packet][]int)
	for i := range p.mails {
		m := &p.mails[i]
		switch {
		case wave >= len(m.packets) || p.verdicts[i] != nil:
		case encrypted(m.sub.channel): // one call cannot encrypt for several
			single = append(single, i)
		default:
			shared := &m.packets[wave]
			if same[shared] == nil {
				order = append(order, shared)
			}
			same[shared] = append(same[shared], i)
		}
	}
	return same, order, single
}

// sendSame sends one packet to many channels.
func (p *post) sendSame(ctx context.Context, which []int, shared *packet) {
	channels := make([]string, len(which))
	for i, m := range which {
		channels[i] = p.mails[m].sub.channel
	}
	err := p.attempt(ctx, len(which) > 1, func(c *pusher.Client) error { return c.TriggerMulti(channels, shared.name, shared.data) })
	p.spread(ctx, err, which, func(c *pusher.Client, m int) error {
		return c.Trigger(p.mails[m].sub.channel, shared.name, shared.data)
	})
}

// sendBatch sends to each channel a packet of its own.
func (p *post) sendBatch(ctx context.Context, which []int, wave int) {
	batch := make([]pusher.Event, len(which))
	for i, m := range which {
		own := p.mails[m].packets[wave]
		batch[i] = pusher.Event{Channel: p.mails[m].sub.channel, Name: own.name, Data: own.data}
	}
	var err error = errNoBatch
	if p.bridge.hasBatch() {
		err = p.attempt(ctx, len(which) > 1, func(c *pusher.Client) error {
			_, err := c.TriggerBatch(batch)
			return err
		})
	}
	p.spread(ctx, err, which, func(c *pusher.Client, m int) error {
		own := p.mails[m].packets[wave]
		return c.Trigger(p.mails[m].sub.channel, own.name, own.data)
	})
}

// spread turns the answer to a call for many into verdicts. If it is refused because of its content, or the server does not know batches,
// each is sent alone, so that the one at fault costs only itself.
func (p *post) spread(ctx context.Context, together error, which []int, one func(*pusher.Client, int) error) {
	for _, m := range which {
		p.verdicts[m] = together
		if lacksBatch(together) || len(which) > 1 && isSplit(together) {
			p.verdicts[m] = p.attempt(ctx, false, func(c *pusher.Client) error { return one(c, m) })
			p.bridge.noteBatch(ctx, together, p.verdicts[m])
		}
	}
}

// attempt makes a call until Pusher accepts or rejects it, ctx ends, or giveUpAfter would pass. A call for several ends also with what
// calls for it to be split.
func (p *post) attempt(ctx context.Context, several bool, do func(*pusher.Client) error) error {
	if p.givenUp != nil {
		return p.givenUp
	}
	begun := time.Now()
	backoff := firstPushBackoff
	for {
		_, err := p.bridge.call(ctx, forResults, do)
		if err == nil || isFinal(err) || lacksBatch(err) || several && isSplit(err) || ctx.Err() != nil {
			return err
		}
		wait := max(rand.N(backoff), outbox.RetryAfter(err)) //nolint:gosec // only spreads retries
		if time.Since(begun)+wait > giveUpAfter {
			p.givenUp = err
			return err
		}
		level := slog.LevelWarn
		if errors.Is(err, outbox.ErrUnauthorized) {
			level = slog.LevelError
		}
		p.log.Log(ctx, level, "results of subscriptions wait", slog.Any("error", err), slog.Duration("next_attempt", wait))
		backoff = min(2*backoff, maxPushBackoff)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
	}
}
