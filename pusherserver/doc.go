// Package pusherserver is an embedded server for the Pusher Channels protocol, version 7. Browsers connect to it with
// pusher-js, back ends publish through it with any Pusher HTTP library, and neither can tell it from the hosted
// service.
//
//	publisher ── POST /apps/{id}/events ──► ServeHTTP ──► hub ──► send queue ──► writer ──► socket ──► pusher-js
//	          └─ RoundTripper, without TCP ─┘     │        (one frame, shared by all its subscribers)
//	                                              └──► OnSubscription, and webhooks: who listens to what
//
// It exists so that an application needs no account elsewhere, and so that its tests run against the real protocol.
//
// Served: public, private and private-encrypted channels and the cache- kinds of all three, single and batched
// events, socket exclusion and subscription counts, the queries for channels, and the webhooks channel_occupied,
// channel_vacated and cache_miss. Anything else of the protocol is refused with an error that says so, never half
// done.
//
// Guarantees:
//   - An event reaches each subscriber of its channel at most once. Events of one channel arrive in one order, the same
//     for everybody; an event whose request was answered precedes every event requested after that.
//   - Publishing never waits for a socket. A connection whose queue is full is closed with 4100, upon which pusher-js
//     reconnects and subscribes anew. What it missed is not kept: a client that must not miss anything asks its own
//     back end on reconnecting.
//   - A new subscriber of a cache channel gets its last event, or a pusher:cache_miss, between the confirmation and the
//     first event published after it: none is lost or doubled there. The cache is bounded, and gone with the process.
//   - OnSubscription is called for every join and leave of a channel in order and within the process, and gets when the
//     client of a leave was last known to get its events.
//   - Webhooks get the first join and, if nobody is back in three seconds, the last leave: in order for each channel
//     and URL, and again for five minutes until the URL accepts it. The queue of a URL is bounded: the oldest
//     events go first. Neither publishing nor subscribing ever waits for a receiver. See Webhook for what may get lost.
//   - A batch is delivered wholly or, when one of its events is invalid, not at all.
//   - Whatever a stranger sends costs bounded memory and never ends in a panic.
//
// Concurrency: all methods of Server may be called from any goroutine. An idle connection costs one goroutine; a
// second one writes while there is something to write. Each webhook URL has one, and each app with such one more. Run
// ends only after every goroutine of the server has.
//
// Non-goals: there are no presence channels, users or client events. There is no TLS (let net/http or a proxy do it),
// no storage, no clustering, no compression, and no check of the Origin header: in this protocol the right to listen
// comes from signed subscriptions, not from where a page was loaded.
package pusherserver
