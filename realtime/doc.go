// Package realtime is the part of Pusher that belongs to this application. It has a private channel for each person,
// and bridge's interfaces over our log, our tables and our accounts.
//
// A person's channel is private-user-{id}, or private-encrypted-user-{id} with end-to-end encryption. outbox.Relay
// passes events to People.Send in batches, which triggers knowledge-request and knowledge-response there.
//
//	outbox.Relay ────────── Send ─────► People ──────────┐
//	outbox.Follower ─ publish ─► Subscriptions = bridge ─┼─► pusherapi ──► Pusher
//	outbox.Reader ── feedStreams ──┘        │            ┘
//	                                        └── Log, Store, Identity: bridge's seams over outbox, ent and auth
//
// Guarantees:
//
//   - A person's channel is granted to that person alone.
//   - No error holds a key, a secret or a signature.
//   - Events on one person's channel come in the order of the log, which is the order in which outbox passes them.
//
// All types may be used concurrently, except for Subscriptions.Load and Subscriptions.Run.
//
// Non-goals: when and how often an event is sent (outbox), the states of a subscription (bridge), and the protocol
// (pusherserver).
package realtime
