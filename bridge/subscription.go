package bridge

import (
	"time"
)

// operation is what a subscription runs.
type operation struct {
	document  string
	name      string // of the operation in the document, or empty
	field     string // the root field
	variables map[string]any
}

// subscription is one stored subscription, of one person, on a channel of its own.
//
//	pending ──auth──► joining ──occupied──► live ──vacated──► vacated ──grace──► away
//	   │ no auth         ▲        caught up   │                  │                │
//	   └──► away         └────────────────────┴───── auth ───────┴────────────────┘
//
//	vacated on purpose ──leftStays──► closed        any ── lifetime, session, rights, an administrator ──► closed
//
// What is away is a row alone, and so is what is closed.
//
// What follows id is guarded by Bridge.mu, and so is the membership of its group.
type subscription struct {
	channel   string
	topic     Topic
	operation operation
	viewer    Viewer // who registered it: it ends with this session
	compress  bool
	createdAt time.Time
	id        int

	group    *group
	state    State
	protocol Protocol

	// cursor is the last event that the subscription needs no more: it was sent, or came before the subscription. For a
	// live one that is a promise of Pusher's, which a rollback takes back.
	cursor     Seq
	joinCursor Seq       // cursor when the last catching up began
	liveCursor Seq       // cursor when it last became live
	liveAt     time.Time // when that was

	authorizedAt time.Time
	vacatedAt    time.Time
	awaySince    time.Time // when its client left, of one that was revived
	deliveredAt  time.Time
	closedAt     time.Time
	closedReason string
	lastError    string

	// A delivery to it is under way, or a worker catches it up: nil, or closed once that is over.
	sending, chasing chan struct{}

	joins    int  // counts joinings and leavings, so that what began before the last one does not move the cursor
	occupied bool // somebody listens, as far as is known
	catching int  // the joining that it is caught up for; 0: none
	restored bool // made of its row: events before that are not in memory
	placed   bool // it has one of its person's places
	left     bool // its client left on purpose: it is hardly expected back
	parting  bool // it has ended, and stands for a client that will be sent that and nothing else
	readable bool // the result that it ended with was too large, and can still be read
	gap      gapState
	gapFrom  Seq       // before the first result that Pusher refused; a restart goes on from there
	absent   int       // sweeps in a row that did not find its channel
	hookedAt time.Time // of the newest webhook about it

	// failures are how often in a row it could not be sent what it is due. While it is lagging, its client is
	// there and lacks events that are read from the log, however many; owed are the events that wait for that.
	failures int
	retryAt  time.Time // it is not tried before
	lagging  bool
	owed     []*publication
}

// gapState says whether a client must still hear that Pusher refused a result of its subscription.
type gapState int

const (
	gapNone    gapState = iota
	gapOwed             // it is sent next
	gapRefused          // Pusher refused even that: it is tried with the next event
)

// live says that a delivery reaches the subscription.
func (s *subscription) live() bool { return s.state == StateLive }

// gone says that it is in memory no longer: it has ended, or is away.
func (s *subscription) gone() bool { return s.closedReason != "" || s.state == StateAway }

// idle says that nothing is being sent to it, and that its row has all that it needs to go on.
func (s *subscription) idle() bool { return s.sending == nil && s.chasing == nil && s.gap != gapOwed }

// alive says that the session it acts for has not expired.
func (s *subscription) alive(now time.Time) bool {
	return s.viewer.ExpiresAt.IsZero() || now.Before(s.viewer.ExpiresAt)
}

// stamp is when an event was sent to a group.
type stamp struct {
	place Seq
	at    time.Time
}

// believed is the last event that the client can be believed to have received by the moment to. What was sent while
// it caught up counts only once it was live by then.
func (s *subscription) believed(to time.Time) Seq {
	last := s.cursor // where nothing is being sent
	switch {
	case s.live() && !to.Before(s.liveAt):
		last = min(s.cursor, max(s.liveCursor, s.group.sentBy(to)))
	case s.live(), s.state == StateJoining:
		last = min(s.cursor, s.joinCursor)
	}
	return last
}
