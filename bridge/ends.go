package bridge

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"lorebridge/pusherapi/outage"
)

// endTimeout bounds what a sign-out waits for.
const endTimeout = time.Second

// ender ends subscriptions for their sessions and for administrators, and sends their clients the end.
type ender struct {
	*registry
	keeper  *keeper
	sender  *sender
	sockets Sockets // nil where Pusher is another
	log     *slog.Logger
}

// End ends a subscription by its id. It is written down before End returns. One that is not there, or has ended, is
// ErrNotFound.
func (e *ender) End(ctx context.Context, id int, reason string) error {
	if e.endNow(id, reason) {
		return e.keeper.Persist(ctx)
	}
	ended, err := e.keeper.rows.End(ctx, []int{id}, reason, false)
	if err != nil {
		return err
	}
	if e.endNow(id, reason) { // it was revived meanwhile
		return e.keeper.Persist(ctx)
	}
	if ended == 0 {
		return ErrNotFound
	}
	return nil
}

// endNow ends a subscription that is in memory, and reports whether it is.
func (e *ender) endNow(id int, reason string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	sub := e.byID[id]
	if sub != nil {
		e.end(sub, reason, false)
	}
	return sub != nil
}

// OpenSessions are the sessions for which something is open here: those of the subscriptions that go on, and those that
// authorized sockets of the embedded server. They come in any order, repeated or not.
func (e *ender) OpenSessions() []string {
	var sessions []string
	e.mu.Lock()
	for _, sub := range e.byID {
		if sub.viewer.Session != "" {
			sessions = append(sessions, sub.viewer.Session)
		}
	}
	e.mu.Unlock()
	if e.sockets != nil {
		for _, tag := range e.sockets.Tags() {
			if session, ok := strings.CutPrefix(tag, sessionTagPrefix); ok {
				sessions = append(sessions, session)
			}
		}
	}
	return sessions
}

// EndSession ends the subscriptions of a session, which has ended for a reason, and sends their clients the end. It
// closes the sockets that the session has authorized, if the server is embedded. Another Pusher has no call for
// that: there a socket lives until it closes by itself, and can join no further channel. It takes little more than a
// second.
func (e *ender) EndSession(ctx context.Context, session, reason string) {
	if session == "" { // those without a session have none that could end
		return
	}
	var messages []message
	e.mu.Lock()
	for _, sub := range e.byID {
		if sub.viewer.Session == session {
			if !sub.authorizedAt.IsZero() {
				messages = append(messages, endOf(sub, sub.protocol))
			}
			e.end(sub, reasonExpired+": "+reason, true)
		}
	}
	e.mu.Unlock()
	sending, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	verdicts := e.sender.send(sending, messages)
	e.mu.Lock()
	for i, verdict := range verdicts {
		if isLater(verdict) {
			e.tasks.add(task{end: messages[i].sub})
		}
	}
	e.mu.Unlock()
	if err := e.keeper.rows.EndSession(ctx, session, reasonExpired); err != nil {
		e.log.WarnContext(ctx, "the subscriptions of a session that ended are not all ended; the sweep tries again", slog.Any("error", err))
	}
	if e.sockets != nil {
		e.sockets.CloseTagged(sessionTag(session))
	}
}

// endOf is the end, for a client of a protocol.
func endOf(sub *subscription, protocol Protocol) message {
	return message{sub: sub, rendering: rendering{packets: endPackets[protocol]}, isEnd: true}
}

// sendEnd sends the client of a subscription that it has ended, and tries for as long as its record is kept.
func (e *ender) sendEnd(ctx context.Context, sub *subscription) {
	verdict := e.sender.send(ctx, []message{endOf(sub, e.protocolOf(sub))})[0]
	if !isLater(verdict) || ctx.Err() != nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	since := sub.closedAt
	for _, t := range []time.Time{sub.vacatedAt, sub.authorizedAt} {
		if t.After(since) {
			since = t
		}
	}
	if time.Since(since) > keepClosed {
		return
	}
	sub.endTries++
	wait := max(outage.Backoff(sub.endTries, rand.Float64()), outage.RetryAfter(verdict)) //nolint:gosec // only spreads retries
	sub.endAt = time.Now().Add(wait)
	e.schedule(sub)
}
