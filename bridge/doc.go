// Package bridge is our side of Pusher: which channels there are, what travels over them, and who may join.
//
// A person's channel is private-user-{id}, or private-encrypted-user-{id} where end-to-end encryption is
// configured. Send triggers on it what package outbox relays: the events knowledge-request and
// knowledge-response, in batches, by pusher-http-go. ServeHTTP is the route /pusher/auth, the only place that
// grants a channel, and only to its owner.
//
// Pusher is pusher.com, any server that speaks its protocol, or our own in the same process, which Parts.Transport
// then reaches. Where it is our own, a socket is tied to the session that authorized it, and EndSession closes it.
//
// Everything here may be called concurrently. No error that leaves this package holds a key, a secret or a signature.
//
// Non-goals: retrying and ordering (outbox), the protocol itself (pusherserver).
package bridge
