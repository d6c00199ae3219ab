package pusherserver

import "time"

// SubscriptionChange describes a socket that joined or left a channel. The changes of one channel come one at a time
// and in order. Changes of several channels have no order.
//
// A join comes after its confirmation was queued. So the client gets the confirmation before every event that is
// published because of the join. A second subscription of the same socket is another join, with the same
// Subscribers. Clients use it to report that they still listen. A leave comes once for each socket and channel.
// For sockets that Run closes at its end, it comes before Run returns.
type SubscriptionChange struct {
	AppID       string
	Channel     string
	SocketID    string
	Joined      bool
	Subscribers int       // of the channel, after the change; 1 after a join is channel_occupied, 0 after a leave is channel_vacated
	At          time.Time // of the change, by Config.Now

	// Unsubscribed is true for a leave if the client unsubscribed and stays connected. Otherwise its connection ended.
	Unsubscribed bool

	// Heard is a moment for which this holds: the client has received all that was sent to it before.
	//
	// It is At for a join and for an unsubscribe. It is also At if the client ended the connection in good order: by a
	// close frame, EOF or a reset.
	//
	// In all other cases it is the time of the last message from the client. If the server dropped an event that was
	// published earlier, it is the time of the first such event. These cases are no answer to a ping, a failed or timed
	// out write, and a connection that the server closed. Frames that were on the network at that moment, which is one
	// round trip, may be lost nevertheless.
	Heard time.Time
}
