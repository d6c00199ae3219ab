package bridge

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"lorebridge/pusherapi"
	"lorebridge/pusherapi/outage"
)

// mail is what one subscription is to be sent: its packets in their order.
type mail struct {
	sub *subscription
	rendering
	isEnd  bool  // of a subscription that has ended or gone away
	failed error // why nothing can be sent now; nil if something can
}

// errUnwanted is the verdict on what may no longer be sent.
var errUnwanted = errors.New("the subscription ended, or came back, while this waited")

// push sends mails, no two to one subscription, and returns a verdict for each: nil for sent, an
// *pusherapi.RefusedError where Pusher will never take it, any other error where it could not be sent now. What is
// the same for many goes out in one call, the rest in batches; while Pusher as a whole is down, all wait. However
// long that takes, no result is sent to a subscription that has ended meanwhile, and no end to one that is back.
func (b *Bridge) push(ctx context.Context, mails []mail) []error {
	p := &post{Bridge: b, mails: mails, verdicts: make([]error, len(mails))}
	for i := range mails {
		p.verdicts[i] = mails[i].failed
	}
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
			for chunk := range slices.Chunk(same[shared], pusherapi.MaxChannels) {
				p.sendSame(ctx, chunk, shared)
			}
		}
		for chunk := range slices.Chunk(single, pusherapi.MaxBatch) {
			p.sendBatch(ctx, chunk, wave)
		}
	}
}

// post is a push under way.
type post struct {
	*Bridge
	mails    []mail
	verdicts []error
}

// sort says which packets of a wave are the same for which mails, the packets in their order, and which mails go
// alone. What was rendered once for many is the same in memory, so no texts are compared.
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
	which, err := p.attempt(ctx, which, func(which []int) error {
		channels := make([]string, len(which))
		for i, m := range which {
			channels[i] = p.mails[m].sub.channel
		}
		return p.pusher.TriggerMulti(ctx, forResults, channels, shared.name, shared.data)
	})
	p.spread(ctx, err, which, func(m int) *packet { return shared })
}

// sendBatch sends to each channel a packet of its own.
func (p *post) sendBatch(ctx context.Context, which []int, wave int) {
	own := func(m int) *packet { return &p.mails[m].packets[wave] }
	which, err := p.attempt(ctx, which, func(which []int) error {
		batch := make([]pusherapi.Event, len(which))
		for i, m := range which {
			batch[i] = p.event(m, own(m))
		}
		return p.pusher.TriggerBatch(ctx, forResults, batch)
	})
	p.spread(ctx, err, which, own)
}

// event is a packet on its way to one channel.
func (p *post) event(m int, packet *packet) pusherapi.Event {
	return pusherapi.Event{Channel: p.mails[m].sub.channel, Name: packet.name, Data: packet.data}
}

// spread turns the answer to a call for many into verdicts. If that failed, each is sent alone, so that the one at
// fault costs only itself.
func (p *post) spread(ctx context.Context, together error, which []int, own func(m int) *packet) {
	for _, m := range which {
		p.verdicts[m] = together
		if together == nil || ctx.Err() != nil || len(which) == 1 && !pusherapi.LacksBatch(together) {
			continue
		}
		sent, err := p.attempt(ctx, []int{m}, func([]int) error {
			return p.pusher.Trigger(ctx, forResults, p.event(m, own(m)))
		})
		if len(sent) > 0 {
			p.verdicts[m] = err
			p.pusher.NoteSingle(ctx, together, err)
		}
	}
}

// attempt makes a call once Pusher is not down, and again while it is. It leaves out what is no longer wanted, whose
// verdict is errUnwanted, and returns the rest with how the call ended.
func (p *post) attempt(ctx context.Context, which []int, do func([]int) error) (tried []int, err error) {
	for {
		if err := p.gate.enter(ctx); err != nil {
			return which, err
		}
		if which = p.wanted(which); len(which) == 0 {
			p.gate.leave()
			return nil, nil
		}
		err := do(which)
		switch {
		case err == nil || pusherapi.IsFinal(err):
			p.gate.sent()
			return which, err
		case ctx.Err() != nil, pusherapi.LacksBatch(err), len(which) > 1 && !p.gate.closed():
			p.gate.leave()
			return which, err
		}
		p.log.Log(ctx, outage.LogLevel(err), "results of subscriptions wait", slog.Any("error", err))
		if down := p.gate.failed(ctx, p.mails[which[0]].sub.id, err); !down {
			return which, err
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
