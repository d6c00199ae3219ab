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
	isEnd bool // of a subscription that has ended or gone away
}

// errUnwanted is the verdict on what may no longer be sent.
var errUnwanted = errors.New("the subscription ended, or came back, while this waited")

// push sends mails, no two to one subscription, and returns a verdict for each: nil for sent, an *outbox.RefusedError where Pusher will
// never take it, any other error where it was given up. What is the same for many goes out in one call, the rest in batches. However long
// Pusher takes, no result is sent to a subscription that has ended meanwhile, and no end to one that is back.
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
	which, err := p.attempt(ctx, which, func(c *pusher.Client, which []int) error {
		channels := make([]string, len(which))
		for i, m := range which {
			channels[i] = p.mails[m].sub.channel
		}
		return c.TriggerMulti(channels, shared.name, shared.data)
	})
	p.spread(ctx, err, which, func(c *pusher.Client, m int) error {
		return c.Trigger(p.mails[m].sub.channel, shared.name, shared.data)
	})
}

// sendBatch sends to each channel a packet of its own.
func (p *post) sendBatch(ctx context.Context, which []int, wave int) {
	var err error = errNoBatch
	if p.bridge.hasBatch() {
		which, err = p.attempt(ctx, which, func(c *pusher.Client, which []int) error {
			batch := make([]pusher.Event, len(which))
			for i, m := range which {
				own := p.mails[m].packets[wave]
				batch[i] = pusher.Event{Channel: p.mails[m].sub.channel, Name: own.name, Data: own.data}
			}
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
			sent, err := p.attempt(ctx, []int{m}, func(c *pusher.Client, _ []int) error { return one(c, m) })
			if len(sent) == 0 {
				continue
			}
			p.verdicts[m] = err
			p.bridge.noteBatch(ctx, together, err)
		}
	}
}

// attempt makes a call until Pusher accepts or rejects it, ctx ends, or giveUpAfter would pass. A call for several ends also with what
// calls for it to be split. Each time it leaves out what is no longer wanted, whose verdict is errUnwanted, and in the end returns the rest.
func (p *post) attempt(ctx context.Context, which []int, do func(*pusher.Client, []int) error) (tried []int, err error) {
	if p.givenUp != nil {
		return which, p.givenUp
	}
	begun := time.Now()
	backoff := firstPushBackoff
	for {
		if which = p.wanted(which); len(which) == 0 {
			return nil, nil
		}
		_, err := p.bridge.call(ctx, forResults, func(c *pusher.Client) error { return do(c, which) })
		if err == nil || isFinal(err) || lacksBatch(err) || len(which) > 1 && isSplit(err) || ctx.Err() != nil {
			return which, err
		}
		wait := max(rand.N(backoff), outbox.RetryAfter(err)) //nolint:gosec // only spreads retries
		if time.Since(begun)+wait > giveUpAfter {
			p.givenUp = err
			return which, err
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
			return which, err
		case <-timer.C:
		}
	}
}

// wanted returns those that may still be sent, in which's own memory.
func (p *post) wanted(which []int) []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(which, func(m int) bool {
		unwanted := p.mails[m].sub.gone()
		if p.mails[m].isEnd {
			unwanted = p.isBack(p.mails[m].sub)
		}
		if unwanted {
			p.verdicts[m] = errUnwanted
		}
		return unwanted
	})
}
