// Package outbox is the log between a change and those who are notified of it. An Event row is written in the
// transaction of its change. After COMMIT it has a place in one order, and each reader gets all events in that order,
// at its own pace.
//
//	                              ┌─ Relay ────────► a queue for each recipient ─► Sender    (people)
//	WithTx ─ Append ─ COMMIT ─► Log ─ Follower ────► Publish, Resume                         (subscriptions)
//	                     │        └─ Reader ───────► Next                                   (streams)
//	                 Event rows: read by a reader that is behind, and after a start
//
// What it guarantees:
//
//   - An event that rolled back is never sent, and nothing is sent inside a transaction.
//   - A committed event is sent until the Sender takes it or rejects it for good, or an operator skips it. Neither a
//     crash nor a Sender that is down loses it.
//   - There is one order, that of Cursor. Each recipient gets its events in that order. No event is missed, although
//     transactions that commit together offer theirs in any order.
//   - No reader waits for another, and no commit waits for a reader. A reader that keeps up reads from memory. One that
//     is behind reads the table and costs no memory.
//   - An event that cannot be sent delays only its own recipient, whose other events wait in the log. All recipients
//     wait only in an Outage: five recipients have failed, none has succeeded since the first of them, and
//     Sender.Check fails too.
//   - Progress is a watermark, one row for each reader, with the ranges that are settled above it. It is written every
//     100 ms at most, and at a clean stop. A recipient that would hold it back for 100 ms gets a row in table parked.
//   - A crash repeats at most the events of the last 200 ms, with the same event ids. A stop within
//     RelayConfig.Drain repeats nothing.
//   - Retention removes only events that Relay and Follower have settled, in batches that hold the writer for a few
//     milliseconds.
//
// Only this package makes and orders cursors, because only on SQLite the place of an event is its id.
//
// Everything may be called concurrently, except a Reader and a Retention, which each belong to one goroutine. Relay.Run
// and Follower.Run are called once. A Sender is called concurrently, but never with two events of one recipient at a
// time.
//
// Non-goals: the form of an event on the wire, and its delivery to the subscriptions of a topic (package bridge);
// delivery to browsers that are not connected (they read their notifications); two processes on one database.
package outbox
