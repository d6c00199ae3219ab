// Package pusherserver is an embedded server for the Pusher Channels protocol, version 7. Browsers connect to it with
// pusher-js, back ends publish through it with any Pusher HTTP library, and neither can tell it from the hosted service.
//
//	publisher ── POST /apps/{id}/events ──► ServeHTTP ──► hub ──► send queue ──► writer ──► socket ──► pusher-js
//	          └─ RoundTripper, without TCP ─┘              (one frame, shared by all its subscribers)
//
// It exists so that an application needs no account elsewhere, and so that its tests run against the real protocol.
//
// Served: public, private and private-encrypted channels, single and batched events, socket exclusion and subscription
// counts. Anything else of the protocol is refused with an error that says so, never half done.
//
// Guarantees:
//   - An event reaches each subscriber of its channel at most once. Events of one channel arrive in one order, the same for
//     everybody; an event whose request was answered precedes every event requested after that.
//   - Publishing never waits for a socket. A connection whose queue is full is closed with 4100, upon which pusher-js
//     reconnects and subscribes anew. What it missed is not kept: a client that must not miss anything asks its own
//     back end on reconnecting.
//   - A batch is delivered wholly or, when one of its events is invalid, not at all.
//   - Whatever a stranger sends costs bounded memory and never ends in a panic.
//
// Concurrency: all methods of Server may be called from any goroutine. An idle connection costs one goroutine; a second one
// writes while there is something to write. Run ends only after every goroutine of the server has.
//
// Non-goals: there is no TLS (let net/http or a proxy do it), no storage, no clustering, no compression, and no check of
// the Origin header: in this protocol the right to listen comes from signed subscriptions, not from where a page was loaded.
package pusherserver
