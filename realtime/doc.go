// Package realtime is our people's side of Pusher: a private channel for each person, and what bridge needs of us.
//
// A person's channel is private-user-{id}, or private-encrypted-user-{id} with end-to-end encryption. People.Send
// triggers on it what outbox.Relay gives it: the events knowledge-request and knowledge-response, in batches.
//
//	outbox.Relay ────────── Send ─────► People ──────────┐
//	outbox.Follower ─ publish ─► Subscriptions = bridge ─┼─► pusherapi ──► Pusher
//	outbox.Reader ── feedStreams ──┘        │            ┘
//	                                        └── Log, Store, Identity: bridge's seams over outbox, ent and auth
//
// Guarantees: a channel is granted to its person alone. No error holds a key, a secret or a signature. Events on one
// person's channel come in the order in which outbox gives them, which is that of the log.
//
// People, Log, Store, Identity and Sessions may be used concurrently; Subscriptions says what may not.
//
// Non-goals: when and how often an event is sent (outbox), how a subscription lives (bridge), and the protocol
// (pusherserver).
package realtime
