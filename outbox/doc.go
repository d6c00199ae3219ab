// Package outbox is the log between a change and whoever is to learn of it. An Event row is written in the transaction
// of its change. After COMMIT it is in one order, and each reader gets all events in that order, at its own pace.
//
//	                              ┌─ Relay ────────► a queue for each recipient ─► Sender    (people)
//	WithTx ─ Append ─ COMMIT ─► Log ─ Follower ────► Publish, Resume                         (subscriptions)
//	                     │        └─ Reader ───────► whoever asks for the next events        (streams)
//	                 Event rows: read by a reader that is behind, and after a start
//
// What it guarantees:
//
//   - What rolled back is never sent, and nothing is sent inside a transaction.
//   - What has committed is sent until the Sender takes it or rejects it for good, or an operator skips it. Neither a
//     crash nor a Sender that is down loses it.
//   - There is one order, that of Cursor. Each recipient gets its events in that order. No event is missed, although
//     transactions that commit together offer theirs in any order.
//   - No reader waits for another, and no commit waits for a reader. A reader that keeps up reads nothing back; one
//     that is behind reads the table and costs no memory.
//   - What cannot be sent to one recipient holds up that recipient alone. Its other events wait in the log. All wait
//     only in an Outage: five recipients have failed, none has succeeded since the first of them, and Sender.Check
//     fails too.
//   - Progress is a watermark, one row for each reader, with what is settled above it. It is written every 100 ms at
//     most, and at a clean stop. A recipient that would hold it back for 100 ms gets a row of its own, in table parked.
//   - A crash repeats at most what was sent in the last 200 ms, with the same event ids. A stop within
//     RelayConfig.Drain repeats nothing.
//   - Retention removes only what Relay and Follower have settled, in batches that hold the writer for a few
//     milliseconds.
//
// Cursors are made and compared here alone: on SQLite the place of an event is its id, elsewhere it need not be.
//
// Everything may be called concurrently, except a Reader and a Retention, which each belong to one goroutine. Relay.Run
// and Follower.Run are called once. A Sender is called concurrently, but never with two events of one recipient at a
// time.
//
// Non-goals: what an event looks like on the wire, and what a topic's listeners make of it (package bridge); delivery
// to browsers that are not connected (they read their notifications); two processes on one database.
package outbox
