package bridge

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"lorebridge/pusherapi"
	"lorebridge/pusherapi/outage"
)

// message is what one subscription is to be sent: its packets in their order.
type message struct {
	sub *subscription
	rendering
	isEnd  bool  // of a subscription that has ended or gone away
	failed error // why nothing can be sent now; nil if something can
}

// errUnwanted is the verdict on what may no longer be sent.
var errUnwanted = errors.New("the subscription ended, or came back, while this waited")

// sender sends messages by Pusher's HTTP API.
type sender struct {
	*registry
	log    *slog.Logger
	pusher *pusherapi.Client
	gate   gate // closed while Pusher is down
}

func newSender(r *registry, pusher *pusherapi.Client, log *slog.Logger) *sender {
	check := func(ctx context.Context) error { // for channels that nobody has
		_, err := pusher.Channels(ctx, forChannels, "private-check-")
		return err
	}
	return &sender{registry: r, log: log, pusher: pusher, gate: gate{check: check, changed: make(chan struct{})}}
}

// send sends messages, no two to one subscription, and returns a verdict for each: nil for sent, an
// *pusherapi.RefusedError if Pusher will never take it, any other error if it could not be sent now. What is the same
// for many goes out in one call, the rest in batches; while Pusher as a whole is down, all wait. However long that
// takes, no result is sent to a subscription that has ended meanwhile, and no end to one that is back.
func (s *sender) send(ctx context.Context, messages []message) []error {
	d := &dispatch{sender: s, messages: messages, verdicts: make([]error, len(messages))}
	for i := range messages {
		d.verdicts[i] = messages[i].failed
	}
	for wave := 0; ; wave++ { // a client's second packet follows its first in another call
		same, order, single := d.sort(wave)
		if len(order) == 0 && len(single) == 0 {
			return d.verdicts
		}
		for _, shared := range order {
			if len(same[shared]) == 1 {
				single = append(single, same[shared][0])
				continue
			}
			for chunk := range slices.Chunk(same[shared], pusherapi.MaxChannels) {
				d.sendSame(ctx, chunk, shared)
			}
		}
		for chunk := range slices.Chunk(single, pusherapi.MaxBatch) {
			d.sendBatch(ctx, chunk, wave)
		}
	}
}

// dispatch is one call of send.
type dispatch struct {
	*sender
	messages []message
	verdicts []error
}

// sort returns which packets of a wave are the same for which messages, the packets in their order, and which messages
// go alone. What was rendered once for many is the same in memory, so no texts are compared.
func (d *dispatch) sort(wave int) (same map[*packet][]int, order []*packet, single []int) {
	same = make(map[*packet][]int)
	for i := range d.messages {
		m := &d.messages[i]
		switch {
		case wave >= len(m.packets) || d.verdicts[i] != nil:
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
func (d *dispatch) sendSame(ctx context.Context, which []int, shared *packet) {
	which, err := d.attempt(ctx, which, func(which []int) error {
		channels := make([]string, len(which))
		for i, m := range which {
			channels[i] = d.messages[m].sub.channel
		}
		return d.pusher.TriggerMulti(ctx, forResults, channels, shared.name, shared.data)
	})
	d.spread(ctx, err, which, func(int) *packet { return shared })
}

// sendBatch sends to each channel a packet of its own.
func (d *dispatch) sendBatch(ctx context.Context, which []int, wave int) {
	own := func(m int) *packet { return &d.messages[m].packets[wave] }
	which, err := d.attempt(ctx, which, func(which []int) error {
		batch := make([]pusherapi.Event, len(which))
		for i, m := range which {
			batch[i] = d.event(m, own(m))
		}
		return d.pusher.TriggerBatch(ctx, forResults, batch)
	})
	d.spread(ctx, err, which, own)
}

// event is a packet on its way to one channel.
func (d *dispatch) event(m int, p *packet) pusherapi.Event {
	return pusherapi.Event{Channel: d.messages[m].sub.channel, Name: p.name, Data: p.data}
}

// spread turns the answer to a call for many into verdicts. If that failed, each is sent alone, so that the one at
// fault costs only itself.
func (d *dispatch) spread(ctx context.Context, together error, which []int, own func(m int) *packet) {
	for _, m := range which {
		d.verdicts[m] = together
		if together == nil || ctx.Err() != nil || len(which) == 1 && !pusherapi.LacksBatch(together) {
			continue
		}
		sent, err := d.attempt(ctx, []int{m}, func([]int) error {
			return d.pusher.Trigger(ctx, forResults, d.event(m, own(m)))
		})
		if len(sent) > 0 {
			d.verdicts[m] = err
			d.pusher.NoteSingle(ctx, together, err)
		}
	}
}

// attempt makes a call once Pusher is not down, and again while it is. It leaves out what is no longer wanted, whose
// verdict is errUnwanted, and returns the rest with how the call ended.
func (d *dispatch) attempt(ctx context.Context, which []int, do func([]int) error) (tried []int, err error) {
	for {
		if err := d.gate.enter(ctx); err != nil {
			return which, err
		}
		if which = d.wanted(which); len(which) == 0 {
			d.gate.leave()
			return nil, nil
		}
		err := do(which)
		switch {
		case err == nil || pusherapi.IsFinal(err):
			d.gate.sent()
			return which, err
		case ctx.Err() != nil, pusherapi.LacksBatch(err), len(which) > 1 && !d.gate.closed():
			d.gate.leave()
			return which, err
		}
		d.log.Log(ctx, outage.LogLevel(err), "results of subscriptions wait", slog.Any("error", err))
		if down := d.gate.failed(ctx, d.messages[which[0]].sub.id, err); !down {
			return which, err
		}
	}
}

// wanted returns those that may still be sent, in which's own memory.
func (d *dispatch) wanted(which []int) []int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.DeleteFunc(which, func(m int) bool {
		unwanted := d.messages[m].sub.over()
		if d.messages[m].isEnd {
			unwanted = d.isBack(d.messages[m].sub)
		}
		if unwanted {
			d.verdicts[m] = errUnwanted
		}
		return unwanted
	})
}
