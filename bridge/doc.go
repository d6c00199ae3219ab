// Package bridge is our side of Pusher: which channels there are, what travels over them, and who may join.
//
// A person's channel is private-user-{id}, or private-encrypted-user-{id} where end-to-end encryption is configured.
// Send triggers on it what package outbox gives it: the events knowledge-request and knowledge-response, in batches, by
// pusher-http-go. ServeHTTP is the route /pusher/auth, the only place that grants a channel, and only to its owner.
//
// Subscriptions are GraphQL's. One that comes by POST is stored and gets a channel of its own:
//
//	graph ── Register ──► row + group in memory         outbox.Follower ── Publish ──► groups of the event's topics
//	pusher-js ── ServeHTTP ──► Authorize: it joins                                       │ workers: execute once,
//	Pusher ── Changed, ServeWebhook, poll ──► catchUp, live                              ▼ render, push to each channel
//	graph ── Subscribe, without POST ──► feed           outbox.Reader ── Stream ──► feeds of the event's topics
//
// What it guarantees:
//
//   - Results come in the order of the log, and are run with the subscriber's rights of now.
//   - What happened before the channel was joined, or while its client was away, is sent after the join, or one gap
//     instead. Whoever was away when the subscription ended is sent the end. A repeat carries the same sequence number.
//   - What Pusher does not take is sent again, however long that takes. A subscription whose client stayed reads from
//     the log, page by page, what it lacks. Only while Pusher as a whole is down do all wait.
//   - A subscription that fails, is slow, or has results that are too large costs only itself. A group for which too
//     many events wait is cut off, and goes on from the log.
//   - Streams, which package graph carries, wait for no stored subscription. One that is read too slowly ends with
//     ErrGap.
//   - No answer counts unless it is Pusher's. No error that leaves this package holds a key, a secret or a signature.
//
// Pusher is pusher.com, any server that speaks its protocol, or our own in the same process, which Parts.Transport
// then reaches. Where it is our own, a socket is tied to the session that authorized it, and EndSession closes it.
//
// The same resolvers register, deliver and stream: Subscribe finds out from the context which of it is wanted.
//
// Everything here may be called concurrently, except NewSubscriptions, Load and Run, which come in this order, once.
//
// Non-goals: queues and pauses of people's own events (outbox), the protocol itself (pusherserver), WebSocket and
// server-sent events (graph), and more than one server on one database.
package bridge
