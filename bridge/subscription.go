package bridge

import "time"

// operation is what a subscription runs.
type operation struct {
	document  string
	name      string // of the operation in the document, or empty
	field     string // the root field
	variables map[string]any
}

// subscription is one stored subscription, of one viewer, on a channel of its own. What follows id is guarded by
// registry.mu, and so is the membership of its group.
type subscription struct {
	channel   string
	topic     Topic
	operation operation
	viewer    Viewer // who registered it: it ends with this session
	compress  bool
	id        int

	machine
	group       *group
	protocol    Protocol
	deliveredAt time.Time
	lastError   string
	hookedAt    time.Time // of the newest webhook about it

	// sending and chasing are closed when a delivery to it, or what catches it up, is over; nil if there is none.
	sending, chasing chan struct{}

	placed   bool           // it has one of its viewer's places
	readable bool           // the result that it ended with was too large, and can still be read
	parting  bool           // it has ended, and stands for a client that will be sent that and nothing else
	owed     []*publication // events that are not settled before it has caught up

	endTries int       // how often in a row its end could not be sent
	endAt    time.Time // when that is tried again; zero: it is not

	deadline time.Time // when the scheduler looks at it; zero: never
	place    int       // in the scheduler's heap, if it has a deadline
}

// busy reports whether something is being sent to it.
func (s *subscription) busy() bool { return s.sending != nil || s.chasing != nil }

// believed is the last event that the client can be believed to have received by the moment to.
func (s *subscription) believed(to time.Time) Seq {
	if s.group == nil {
		return s.cursor
	}
	return s.machine.believed(to, s.group.sentBy(to))
}

// stamp is when an event was sent to a group.
type stamp struct {
	place Seq
	at    time.Time
}
