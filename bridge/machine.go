package bridge

import "time"

const (
	// joinTimeout is how long a registered subscription may take to join its channel.
	joinTimeout = time.Minute
	// leftStays is how long a channel that its client left on purpose can be joined again. Laravel Echo leaves and
	// joins in a row.
	leftStays = 10 * time.Second
	// catchUpWindow is how far back a client can catch up. It is also what a client is sent again that came back
	// without a sign of when it left.
	catchUpWindow = 2 * time.Minute
	// joinPatience is how long the embedded server may take to report a join, while a former connection may be
	// listening.
	joinPatience = 10 * time.Second

	// A Pusher elsewhere is asked for a channel after firstPoll, and then after twice as long each time, up to lastPoll
	// after the authorization. Then the authorized client counts as joined.
	firstPoll = 100 * time.Millisecond
	lastPoll  = 5 * time.Second
	// rejoinPoll is the first one for a client that comes back. Its channel may still look occupied by its former
	// connection.
	rejoinPoll = time.Second

	// absentSweeps is how many sweeps in a row must not find a live subscription's channel before it counts as vacated.
	absentSweeps = 2
	// recheck is the wait after a deadline that came while something was being sent.
	recheck = time.Second
)

// rules are what all machines have in common.
type rules struct {
	embedded        bool // the server reports each join and leave
	grace, lifetime time.Duration
}

// machine is the state of one subscription, as a function of events and time. It does nothing itself: on returns what
// is to be done. doc.go has a picture of it.
type machine struct {
	state     State
	createdAt time.Time
	expiresAt time.Time // the end of its viewer's session; zero if there is none
	anonymous bool      // its viewer is

	// cursor is the last event that the subscription needs no more: it was sent, or came before the subscription. Of a
	// live one it is a promise of Pusher's, which believed takes back.
	cursor     Seq
	joinCursor Seq       // cursor when the last catching up began
	liveCursor Seq       // cursor when it last became live
	liveAt     time.Time // when that was

	authorizedAt time.Time
	vacatedAt    time.Time
	awaySince    time.Time // when its client left, if it was revived
	closedAt     time.Time
	closedReason string

	joins    int  // counts joins and leaves, so that what began before the last one does not move the cursor
	catching int  // the join that it is caught up for; 0: none
	occupied bool // somebody listens, as far as is known
	left     bool // its client left on purpose: it is hardly expected back
	restored bool // made of its record: events before that are not in memory
	lagging  bool // its client is there, and reads from the log what it lacks, without a limit

	gap     gapState
	gapFrom Seq // before the first result that Pusher refused; a restart goes on from there
	absent  int // sweeps in a row that did not find its channel

	failures int       // how often in a row it could not be sent what it lacks
	retryAt  time.Time // before that it is not tried; zero: at once

	// wakeAt is when Pusher is asked for the channel, or, with the embedded server, when a join is not waited for any
	// longer; zero: never. pollWait is the last pause between two questions.
	wakeAt   time.Time
	pollWait time.Duration
}

// gapState is whether a client must still be sent that Pusher refused a result of its subscription.
type gapState int

const (
	gapNone    gapState = iota
	gapOwed             // it is sent next
	gapRefused          // Pusher refused even that: it is tried with the next event
)

// event is something that happens to a subscription.
type event int

const (
	authorized  event = iota // its client was granted the channel, and is about to join
	answered                 // the grant is on its way: from now on the join is looked for
	occupied                 // somebody listens
	joinedAgain              // one more client joined, or the same one once more
	interrupted              // a live one is to be caught up from its cursor
	vacated                  // nobody listens any more
	unoccupied               // Pusher was asked, and nobody listens yet
	found                    // a sweep has found its channel
	notFound                 // a sweep has not
	caughtUp                 // it has been sent all that there is
	lagged                   // it could not be sent an event, or too many waited for it
	failed                   // what it lacks could not be sent
	refused                  // Pusher will never take one of its results
	timedOut                 // its deadline has come
	ended                    // it is over
	eventCount
)

// happening is an event with what is known of it.
type happening struct {
	event
	now time.Time
	// sent is the last event that went out to its group by the moment to. It is for events which make the machine doubt
	// what its client has received.
	to   time.Time
	sent Seq
	// busy is for timedOut: something is being sent, and would be sent twice if the subscription went away now.
	busy   bool
	left   bool          // of vacated: on purpose
	first  Seq           // of lagged: the first event that it lacks
	wait   time.Duration // of failed: until another attempt
	reason string        // of ended
	silent bool          // of ended: its client is not sent the end
}

// action is what is to be done after an event.
type action uint

const (
	actWrite   action = 1 << iota // its record is to change
	actCatchUp                    // send what it missed
	actPoll                       // ask Pusher whether somebody listens
	actSettle                     // what waits for it is not owed any more
	actPlace                      // it takes one of its viewer's places
	actUnplace                    // it gives the place back
	actForget                     // memory lets go of it
	actSendEnd                    // send its client the end
)

// on returns the state after something has happened, and what is to be done. In a state in which an event means nothing
// it changes nothing.
func (m machine) on(h happening, r rules) (machine, action) {
	if m.over() {
		return m, 0
	}
	return transitions[h.event](m, h, r)
}

// transitions are the events' functions. Those that are not used in a state return it as it is.
var transitions = [eventCount]func(machine, happening, rules) (machine, action){
	authorized: onAuthorized, answered: onAnswered, occupied: onOccupied, joinedAgain: onJoinedAgain,
	interrupted: onInterrupted, vacated: onVacated, unoccupied: onUnoccupied, found: onFound, notFound: onNotFound,
	caughtUp: onCaughtUp, lagged: onLagged, failed: onFailed, refused: onRefused, timedOut: onTimedOut, ended: onEnded,
}

func onInterrupted(m machine, h happening, r rules) (machine, action) {
	if m.live() {
		return onOccupied(m.rejoin(), h, r)
	}
	return m, 0
}

func onFound(m machine, h happening, r rules) (machine, action) {
	m.absent = 0
	return onOccupied(m, h, r)
}

func onNotFound(m machine, _ happening, _ rules) (machine, action) {
	if m.live() {
		m.absent++
	}
	return m, 0
}

func onFailed(m machine, h happening, _ rules) (machine, action) {
	m.failures++
	m.retryAt = h.now.Add(h.wait)
	return m, actWrite
}

func onEnded(m machine, h happening, _ rules) (machine, action) {
	return m.end(h.reason, h.now, !h.silent)
}

// over reports whether memory has let go of it: it has ended, or is away.
func (m machine) over() bool { return m.state == StateClosed || m.state == StateAway }

// live reports whether a delivery reaches it.
func (m machine) live() bool { return m.state == StateLive }

// alive reports whether the session for which it acts has not expired yet.
func (m machine) alive(now time.Time) bool { return m.expiresAt.IsZero() || now.Before(m.expiresAt) }

// believed is the last event that the client can be believed to have received by the moment to, if sent was the last
// one that went out by then. What was sent while it caught up counts only if it was live by then.
func (m machine) believed(to time.Time, sent Seq) Seq {
	switch {
	case m.live() && !to.Before(m.liveAt):
		return min(m.cursor, max(m.liveCursor, sent))
	case m.live(), m.state == StateJoining:
		return min(m.cursor, m.joinCursor)
	}
	return m.cursor
}

// onAuthorized does not know whether the client was there before, and when it left. Therefore the client is sent once
// more what it may have missed.
func onAuthorized(m machine, h happening, r rules) (machine, action) {
	if !m.authorizedAt.IsZero() {
		m.cursor = m.believed(h.to, h.sent)
	}
	m.pollWait = firstPoll
	if !m.authorizedAt.IsZero() {
		m.pollWait = rejoinPoll
	}
	m = m.settled().rejoin()
	m.authorizedAt, m.absent = h.now, 0
	if !r.embedded {
		m.occupied = false // as far as this connection goes; the embedded server knows
	}
	return m, actSettle | actWrite
}

// onAnswered waits for the client to join. A Pusher elsewhere is asked. The embedded server reports the join. If it
// does not, a former client goes on, or the server is asked once.
func onAnswered(m machine, h happening, r rules) (machine, action) {
	if m.state != StateJoining {
		return m, 0
	}
	if r.embedded {
		m.wakeAt = h.now.Add(joinPatience)
	} else {
		m.wakeAt = h.now.Add(m.pollWait)
	}
	return m, 0
}

func onUnoccupied(m machine, h happening, r rules) (machine, action) {
	switch {
	case m.state != StateJoining || m.occupied || r.embedded: // the embedded server is asked only once
		return m, 0
	case h.now.Sub(m.authorizedAt) > lastPoll:
		return onOccupied(m, h, r) // a Pusher that does not know leaves it at the authorization
	}
	m.pollWait = min(2*m.pollWait, lastPoll)
	m.wakeAt = h.now.Add(m.pollWait)
	return m, 0
}

func onOccupied(m machine, h happening, r rules) (machine, action) {
	m.occupied, m.wakeAt = true, time.Time{}
	if m.state == StateVacated { // it was its former connection that left, after this one was authorized
		m = m.rejoin()
	}
	if m.state != StateJoining || m.catching == m.joins {
		return m, actPlace
	}
	m.catching = m.joins
	return m, actPlace | actCatchUp | actWrite
}

// onJoinedAgain has a live one caught up: other clients were sent what this one may have missed.
func onJoinedAgain(m machine, h happening, r rules) (machine, action) {
	if !m.live() {
		return onOccupied(m, h, r)
	}
	next := m
	next.cursor = m.believed(h.to, h.sent)
	return onOccupied(next.rejoin(), h, r)
}

func onVacated(m machine, h happening, r rules) (machine, action) {
	if !m.occupied {
		return m, 0 // it has left, or only its former connection has
	}
	m.occupied = false
	m.cursor = m.believed(h.to, h.sent)
	m = m.settled()
	m.state, m.vacatedAt, m.left, m.absent = StateVacated, h.now, h.left, 0
	m.joins++
	return m, actSettle | actUnplace | actWrite
}

func onCaughtUp(m machine, h happening, r rules) (machine, action) {
	if m.state != StateJoining || m.catching != m.joins {
		return m, 0
	}
	m = m.settled()
	m.state, m.catching = StateLive, 0
	m.liveAt, m.liveCursor = h.now, m.cursor
	return m, actSettle | actWrite
}

func onLagged(m machine, h happening, r rules) (machine, action) {
	believed := m.believed(h.to, h.sent) // if its client turns out to have been away
	m.lagging = true
	m.cursor = max(m.cursor, h.first-1) // its record may be far behind
	acts := actWrite
	if m.live() {
		m, acts = onOccupied(m.rejoin(), h, r)
	}
	m.joinCursor = min(m.joinCursor, believed)
	return m, acts
}

func onRefused(m machine, h happening, r rules) (machine, action) {
	if m.gap == gapNone {
		m.gapFrom = m.cursor
	}
	m.gap = gapOwed
	return m, actWrite
}

// onTimedOut looks at all that has a time.
func onTimedOut(m machine, h happening, r rules) (machine, action) {
	now := h.now
	switch {
	case !m.alive(now):
		return m.end(reasonExpired, now, true)
	case now.Sub(m.createdAt) > r.lifetime:
		return m.end(reasonLifetime, now, true)
	case m.left && now.Sub(m.vacatedAt) > leftStays:
		return m.end(reasonLeft, now, false)
	case reached(m.wakeAt, now):
		m.wakeAt = time.Time{}
		switch {
		case m.state != StateJoining:
			return m, 0
		case m.occupied:
			return onOccupied(m, h, r)
		}
		return m, actPoll // the embedded server as well, in case nobody hands its reports to Changed
	case m.state == StateJoining && m.catching == m.joins && reached(m.retryAt, now):
		m.retryAt = time.Time{}
		return m, actCatchUp
	case h.busy || m.gap == gapOwed: // a result under way would be sent twice, and a gap would be forgotten
		return m, 0
	case m.outlasted(now, r) && m.anonymous && m.state == StatePending:
		return m.end(reasonUnjoined, now, false) // strangers must not fill the store with what nobody ever joined
	case m.outlasted(now, r):
		return m.away(now, r)
	}
	return m, 0
}

// outlasted reports whether the wait for its client is over. Elsewhere an authorized client counts as joined until a
// sweep does not find it.
func (m machine) outlasted(now time.Time, r rules) bool {
	at := m.goneAt(r)
	return !at.IsZero() && now.After(at)
}

// goneAt is when its client has been waited for long enough; zero if it is there.
func (m machine) goneAt(r rules) time.Time {
	switch {
	case m.state == StatePending:
		return m.createdAt.Add(joinTimeout)
	case m.state == StateJoining && r.embedded && !m.occupied:
		return m.authorizedAt.Add(joinTimeout)
	case m.state == StateVacated:
		return m.vacatedAt.Add(r.grace)
	}
	return time.Time{}
}

// away lets go of one whose client has been gone for too long.
func (m machine) away(now time.Time, r rules) (machine, action) {
	if m.vacatedAt.IsZero() { // it was never there
		m.vacatedAt = now
	}
	m = m.settled()
	m.state = StateAway
	m.joins++
	acts := actSettle | actUnplace | actForget | actWrite
	if !r.embedded && !m.authorizedAt.IsZero() {
		acts |= actSendEnd // in case somebody listens although Pusher reported nobody
	}
	return m, acts
}

func (m machine) end(reason string, now time.Time, send bool) (machine, action) {
	m = m.settled()
	m.state, m.closedReason, m.closedAt = StateClosed, short(reason), now
	m.joins++
	acts := actSettle | actUnplace | actForget | actWrite
	if send && !m.authorizedAt.IsZero() {
		acts |= actSendEnd
	}
	return m, acts
}

// rejoin begins anew after the cursor.
func (m machine) rejoin() machine {
	m.state, m.vacatedAt, m.left, m.wakeAt = StateJoining, time.Time{}, false, time.Time{}
	m.joins++
	m.joinCursor = m.cursor
	return m
}

// settled has nothing to make up for.
func (m machine) settled() machine {
	m.lagging, m.failures, m.retryAt = false, 0, time.Time{}
	return m
}

// reached reports whether a time is set and has come.
func reached(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// deadline is when timedOut is to happen, at the earliest; zero: never.
func (m machine) deadline(now time.Time, busy bool, r rules) time.Time {
	if m.over() {
		return time.Time{}
	}
	const moment = time.Nanosecond // the limits are for what is longer
	next := m.createdAt.Add(r.lifetime + moment)
	consider := func(at time.Time) {
		if !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	consider(m.expiresAt)
	consider(m.wakeAt)
	if m.left {
		consider(m.vacatedAt.Add(leftStays + moment))
	}
	if m.state == StateJoining && m.catching == m.joins {
		consider(m.retryAt)
	}
	if at := m.goneAt(r); !at.IsZero() {
		if at = at.Add(moment); (busy || m.gap == gapOwed) && !at.After(now) {
			at = now.Add(recheck)
		}
		consider(at)
	}
	return next
}

// What follows moves a machine without anything to be done.

// received notes that an event was sent to it, or that Pusher will never take the result. joins are those at the time
// when that began: what began before the client left or came back does not move the cursor.
func (m machine) received(at Seq, joins int) machine {
	if m.joins == joins {
		m.cursor = max(m.cursor, at)
	}
	return m
}

// taken notes that Pusher took something for it.
func (m machine) taken() machine {
	m.failures, m.retryAt = 0, time.Time{}
	return m
}

// staying notes that its client has come back, and that what it missed until now is sent to it. For what comes from now
// on there is no limit. Nothing keeps those events in the log, but they stay there for days.
func (m machine) staying(joins int) machine {
	m.lagging = m.lagging || m.joins == joins
	return m
}

// recovered notes that it was sent all that it missed up to a place, or that it cannot be.
func (m machine) recovered(to Seq, joins int) machine {
	if m.joins == joins {
		m.cursor = max(m.cursor, to)
		m.restored, m.awaySince = false, time.Time{}
	}
	return m
}

// withGap has the state of its gap changed.
func (m machine) withGap(g gapState) machine {
	m.gap = g
	return m
}

// uncaught has nobody to catch up.
func (m machine) uncaught() machine {
	m.catching = 0
	return m
}

// due may be tried at once.
func (m machine) due() machine {
	m.retryAt = time.Time{}
	return m
}

// restarted is one of an earlier process. With the embedded server its client has left now.
func (m machine) restarted(now time.Time, r rules) machine {
	switch {
	case r.embedded:
		m.state, m.vacatedAt = StateVacated, now
	case m.state == StateJoining:
		m.pollWait = firstPoll
	default:
		m.occupied = m.live()
	}
	return m
}

// revived is one that was away, and whose client is about to join.
func (m machine) revived(now time.Time) machine {
	m.state, m.awaySince, m.vacatedAt = StateVacated, m.vacatedAt, now
	return m
}
