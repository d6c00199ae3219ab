package pusherserver

import "time"

// SubscriptionChange is a socket that joined or left a channel. The changes of one channel come one at a time and
// in the order in which they happened; those of several channels have no order.
//
// A join comes after its confirmation was queued: whatever is published from the callback's knowledge follows it. A
// socket that subscribes again where it is subscribed counts as another join with the same Subscribers, for that is
// how a client says that it is still there. A leave comes once for each socket and channel, also of those that Run
// closes at its end: all of them before Run returns.
type SubscriptionChange struct {
	AppID       string
	Channel     string
	SocketID    string
	Joined      bool
	Subscribers int       // of the channel, after the change: 1 after a join is channel_occupied, 0 after a leave is channel_vacated
	At          time.Time // of the change, by Config.Now

	// Unsubscribed says of a leave that the client asked for it and stays connected. Otherwise its connection ended.
	Unsubscribed bool

	// Heard is the last moment at which the client is known to have received what was sent to it before. It is At for a
	// join, for an unsubscribe, and where the client ended the connection in good order: by a close frame, or by the
	// end of its stream, which is EOF or a reset. Otherwise (no answer to a ping, a failed or timed out write, a
	// connection that the server closed) it is when the client was last heard from, but not after the first of the
	// events that the server dropped was published. What was on its way at that very moment, one round trip, may be
	// lost nevertheless.
	Heard time.Time
}
