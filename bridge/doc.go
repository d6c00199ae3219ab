// Package bridge is our side of Pusher: which channels there are, what travels over them, and who may join.
//
// A person's channel is private-user-{id}, or private-encrypted-user-{id} where end-to-end encryption is
// configured. Send triggers on it what package outbox relays: the events knowledge-request and
// knowledge-response, in batches, by pusher-http-go. ServeHTTP is the route /pusher/auth, the only place that
// grants a channel, and only to its owner.
//
// Subscriptions are GraphQL's. One that comes by POST is stored and gets a channel of its own:
//
//	graph ── Register ──► row + group in memory             outbox.Relay ── Publish ──► groups of the event's topics
//	pusher-js ── ServeHTTP ──► Authorize: it joins                                         │ workers: execute once,
//	Pusher ── Changed, ServeWebhook, poll ──► catchUp, live                                ▼ render, push to each channel
//
// What it guarantees: results in the order of the events, unless the topic is Unordered, and run with the subscriber's
// rights of now; what happened before the channel was joined, or while its client was away, is sent after the join, or one
// gap in its stead; whoever was away when it ended is sent the end; a repeat carries the same sequence number; one subscription that fails, is slow or is too large
// costs only itself. The same resolvers also stream, over transports of package graph; Subscribe tells by the context
// which of it is wanted.
//
// Pusher is pusher.com, any server that speaks its protocol, or our own in the same process, which Parts.Transport
// then reaches. Where it is our own, a socket is tied to the session that authorized it, and EndSession closes it.
//
// Everything here may be called concurrently. No error that leaves this package holds a key, a secret or a signature.
//
// Non-goals: retrying and ordering of people's own events (outbox), the protocol itself (pusherserver), WebSocket and
// server-sent events (graph), and more than one server on one database.
package bridge
