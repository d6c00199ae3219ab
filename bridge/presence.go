package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"lorebridge/pusherapi"
)

// leaveMargin is how long before it left a client may have missed what was sent to it.
const leaveMargin = 2 * time.Second

// Change is a socket of the embedded server that joined or left a channel.
type Change struct {
	Channel   string
	Joined    bool
	Listeners int // of the channel after the change
	// Unsubscribed is for a leave: the client asked for it, and stays connected.
	Unsubscribed bool
	// Heard is when the client is last known to have received what was sent to it.
	Heard time.Time
}

// presence knows which clients are there: the embedded server reports each change. Another Pusher sends webhooks, and
// is asked.
type presence struct {
	*registry
	replies
	pusher   *pusherapi.Client
	prefixes []string          // of subscriptions' channels
	tokens   map[string]string // further secrets by key that webhooks may be signed with
	log      *slog.Logger
}

// Changed takes in what the embedded server reports. It does not block.
func (p *presence) Changed(c Change) {
	if !isSubscriptionChannel(c.Channel) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	sub := p.known(c.Channel)
	switch {
	case sub == nil:
	case c.Joined && sub.live(): // late, or once more
		p.apply(sub, p.doubt(sub, joinedAgain, time.Now().Add(-catchUpWindow)))
	case c.Joined:
		p.occupied(sub, occupied)
	case c.Listeners == 0:
		p.vacate(sub, c.Heard.Add(-leaveMargin), c.Unsubscribed)
	}
}

// vacate notes that the client left, and has received what was sent by the moment to. left means on purpose.
// mu is held.
func (p *presence) vacate(sub *subscription, to time.Time, left bool) {
	if sub.parting {
		sub.occupied = false
		return
	}
	h := p.doubt(sub, vacated, to)
	h.left = left
	p.apply(sub, h)
}

// poll asks whether a channel is occupied, for the client of a join. A Pusher that does not answer leaves it at the
// authorization.
func (p *presence) poll(ctx context.Context, sub *subscription, joins int) {
	isOccupied, _ := p.pusher.Occupied(ctx, forChannels, sub.channel) // without an answer the authorization is all there is
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case sub.joins != joins || sub.occupied:
	case sub.parting && (isOccupied || time.Since(sub.authorizedAt) > lastPoll):
		p.occupied(sub, occupied)
	case sub.parting:
		sub.pollWait = min(2*sub.pollWait, lastPoll)
		sub.wakeAt = time.Now().Add(sub.pollWait)
		p.schedule(sub)
	case sub.state != StateJoining:
	case isOccupied:
		if p.rules.embedded {
			p.log.WarnContext(ctx, "the embedded Pusher server did not report a join: hand its reports to Bridge.Changed",
				slog.String("channel", sub.channel))
		}
		p.apply(sub, happening{event: occupied})
	default:
		p.apply(sub, happening{event: unoccupied})
	}
}

// sweep compares what is taken for live with what Pusher knows, so that a client's leave and return are noticed even if
// no webhook ever comes. The embedded server reports each change itself, so there nothing can differ. Every is how
// often it is called.
func (p *presence) sweep(ctx context.Context, every time.Duration) error {
	if p.rules.embedded {
		return nil
	}
	isOccupied := make(map[string]bool)
	for _, prefix := range p.prefixes {
		list, err := p.pusher.Channels(ctx, forChannels, prefix)
		if err != nil {
			return err
		}
		for _, channel := range list {
			isOccupied[channel] = true
		}
	}
	var missing []*subscription
	p.mu.Lock()
	for _, sub := range p.byID {
		if isOccupied[sub.channel] {
			p.apply(sub, happening{event: found}) // perhaps the webhook of its return was lost
			continue
		}
		p.apply(sub, happening{event: notFound})
		if sub.live() && sub.absent >= absentSweeps {
			missing = append(missing, sub)
		}
	}
	p.mu.Unlock()
	return p.vacateAbsent(ctx, missing, time.Now().Add(-absentSweeps*every-catchUpWindow))
}

// vacateAbsent notes that nobody listens on the channels of these live subscriptions, since a moment after to. Each
// channel is asked for on its own, because a list can be old, cut, or another server's.
func (p *presence) vacateAbsent(ctx context.Context, missing []*subscription, to time.Time) error {
	for _, sub := range missing {
		isOccupied, err := p.pusher.Occupied(ctx, forChannels, sub.channel)
		if err != nil {
			return fmt.Errorf("ask for a channel: %w", err)
		}
		p.mu.Lock()
		switch {
		case isOccupied:
			if sub.live() { // otherwise it left while Pusher was asked
				p.apply(sub, happening{event: found})
			}
		case sub.live() && sub.absent >= absentSweeps:
			p.vacate(sub, to, false)
		}
		p.mu.Unlock()
	}
	return nil
}
