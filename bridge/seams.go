package bridge

import (
	"context"
	"encoding/json"
	"time"
)

// Topic is what a subscription listens to, as text. The application makes topics, and decides which events are on them.
type Topic string

// Seq is the place of an event in the application's log: behind that event, and before all that follow it. Places grow
// in the order in which events become visible. Zero is before the first event.
type Seq int64

// Event is one entry of the application's log.
type Event struct {
	Seq   Seq
	At    time.Time // when it happened
	Value any       // what the resolvers make their values of

	// Answered is closed when the request that made the event has been answered; nil if that is not known. Deliveries
	// wait for it, for a tenth of a second at most.
	Answered <-chan struct{}
}

// Log is the application's events in one order. It may be called concurrently. Its errors are taken for passing: what
// failed is done again after a pause.
type Log interface {
	// Newest is the place of the newest event that there is.
	Newest(ctx context.Context) (Seq, error)
	// End is the newest place that there has been, as far as is known, also of events that were removed since.
	End(ctx context.Context) (Seq, error)
	// After returns the oldest events behind a place that are on a topic, at most limit, in order. If it knows that one
	// of them was removed, it returns ErrGap.
	After(ctx context.Context, t Topic, after Seq, limit int) ([]*Event, error)
	// Last returns the newest event on a topic, or nil.
	Last(ctx context.Context, t Topic) (*Event, error)
	// Get returns the event at a place if it is on a topic, or nil.
	Get(ctx context.Context, t Topic, at Seq) (*Event, error)
}

// Viewer is who is asking. One without a User is anonymous, and has no rights.
type Viewer struct {
	User    string
	Session string // empty: there is no session that could end. Without a User it must be empty
	// ExpiresAt is when the session ends by itself; zero if it does not.
	ExpiresAt time.Time
}

// anonymous reports whether nobody is known to be asking.
func (v Viewer) anonymous() bool { return v.User == "" }

// Identity is how the application knows who is asking. It may be called concurrently.
type Identity interface {
	// Viewer returns who is asking. The zero Viewer is anonymous: what it subscribes to is on a channel whose name
	// cannot be guessed, and a client that knows the name may join. An error rejects the request.
	Viewer(ctx context.Context) (Viewer, error)
	// Former returns who was asking in a session that has ended. It reports false if that is not known.
	Former(ctx context.Context) (Viewer, bool)
	// With returns a context in which a viewer is asking.
	With(ctx context.Context, v Viewer) context.Context
	// Holding returns those of some sessions that still hold, and until when. A zero time has no end.
	Holding(ctx context.Context, sessions []string) (map[string]time.Time, error)
	// Unauthenticated reports whether an error means that nobody is signed in, or not any more.
	Unauthenticated(err error) bool
}

// State is what a stored subscription waits for.
type State string

// The states. doc.go has a picture of them.
const (
	StatePending State = "PENDING" // registered, and nobody has asked for its channel
	StateJoining State = "JOINING" // its client is about to join, or is sent what it missed
	StateLive    State = "LIVE"    // each result is sent
	StateVacated State = "VACATED" // its client has left, and is waited for
	StateAway    State = "AWAY"    // only the record is left, until the client joins again
	StateClosed  State = "CLOSED"  // it has ended
)

// Protocol is which client listens, and so which events it gets.
type Protocol string

// The protocols. Unset becomes another one when the client asks for its channel: the path of that request decides.
const (
	ProtocolUnset             Protocol = "UNSET"
	ProtocolBoth              Protocol = "BOTH"
	ProtocolGraphqlRuby       Protocol = "GRAPHQL_RUBY"
	ProtocolLighthouse        Protocol = "LIGHTHOUSE"
	ProtocolLighthouseGuessed Protocol = "LIGHTHOUSE_GUESSED"
	ProtocolLighthouseEcho    Protocol = "LIGHTHOUSE_ECHO"
)

// Record is a subscription as a Store keeps it. Times are zero where something has not happened yet.
type Record struct {
	ID        int
	Channel   string
	Viewer    Viewer // without ExpiresAt
	Topic     Topic
	Shared    bool // its source had an Allow, and so others may share its executions
	Field     string
	Operation string // the name of the operation; empty if it has none
	Document  string // empty in a record that has ended, unless a result of it can still be read
	Variables map[string]any
	Protocol  Protocol
	Compress  bool
	State     State
	Cursor    Seq // it needs no event up to here
	CreatedAt time.Time
	ExpiresAt time.Time // when it ends by itself, at the latest

	AuthorizedAt, VacatedAt, DeliveredAt, ClosedAt time.Time

	LastError, ClosedReason string
}

// Update is what changes of some records. A zero time leaves what is there, except VacatedAt, which is cleared. So does
// an empty LastError.
type Update struct {
	IDs         []int
	State       State
	Cursor      Seq
	VacatedAt   time.Time
	DeliveredAt time.Time
	LastError   string
	// ClosedAt and ClosedReason are set with StateClosed. Unless Readable, the document, the variables and the name of
	// the operation are cleared.
	ClosedAt     time.Time
	ClosedReason string
	Readable     bool
}

// Store keeps the subscriptions, so that they outlive the process. It may be called concurrently. A record that is
// closed never changes any more: Update, Join and End leave it as it is.
type Store interface {
	// Create keeps a new record, and returns its id, which is none that was given before.
	Create(ctx context.Context, r *Record) (id int, err error)
	// Find returns the record of a channel, or nil.
	Find(ctx context.Context, channel string) (*Record, error)
	// Open returns the records that are neither closed nor away, by id.
	Open(ctx context.Context) ([]*Record, error)
	// Update makes changes, all or as many as possible; all of them are made again after an error.
	Update(ctx context.Context, updates []Update) error
	// Join notes that a client may join: the record is in StateJoining, and VacatedAt is cleared. It reports false if
	// the record is closed, or there is none.
	Join(ctx context.Context, id int, p Protocol, cursor Seq, at time.Time) (bool, error)
	// End closes records, those that are away or else all of them, and returns how many it has closed.
	End(ctx context.Context, ids []int, reason string, onlyAway bool) (int, error)
	// EndSession closes the records of a session that are away.
	EndSession(ctx context.Context, session, reason string) error
	// EndOlder closes the records that are away and were created before a moment.
	EndOlder(ctx context.Context, before time.Time, reason string) error
	// AwaySessions returns the sessions of the records that are away, each once.
	AwaySessions(ctx context.Context) ([]string, error)
	// ExcessAway returns records of a user that are away, except the keep that left last, at most limit.
	ExcessAway(ctx context.Context, user string, keep, limit int) ([]int, error)
	// Remove deletes the records that were closed before a moment, and returns how many there were.
	Remove(ctx context.Context, before time.Time) (int, error)
}

// Sockets is an embedded Pusher server, as far as sessions are concerned; a *pusherserver.Server is one.
type Sockets interface {
	// Tag gives a connected socket to its owner, for good, and adds a tag to it. It returns whose the socket is:
	// another than owner if it was given to that one before, empty if there is no such socket; then nothing has
	// changed.
	Tag(socketID, owner, tag string) (holder string)
	// Tags are those that sockets have.
	Tags() []string
	// CloseTagged closes the sockets with a tag and returns how many there were.
	CloseTagged(tag string) int
}

// variablesSize is how many bytes variables have as JSON.
func variablesSize(variables map[string]any) (int, error) {
	if len(variables) == 0 {
		return 0, nil
	}
	encoded, err := json.Marshal(variables)
	return len(encoded), err
}
