// Package outbox makes events out of changes: an Event row is written in the transaction of its change, and what
// has committed is handed to a Sender, at least once, in order per recipient.
//
//	Relay.WithTx ─ begin ─ fn ─ hook: Append ─ COMMIT ─ offer ─► queue ─► lane per recipient ─► Sender
//	                                             │                 │            (batches)         │
//	                                           Event rows ◄── full: rows are read again           └─► Publisher ─► rows marked
//
// What it guarantees:
//
//   - What rolled back is never sent, and nothing is sent inside a transaction.
//   - What has committed is sent until the Sender takes it or refuses it for good: not a crash between commit and
//     send loses it, nor a Sender that is down. A repeat is possible after a crash, under the same event id.
//   - A change that was answered before another was asked for reaches their common recipient first. The Publisher, for the GraphQL
//     subscriptions, gets events after that: those of one recipient in the order of their ids, and those of nobody too. Those that one
//     person caused have several recipients, and no order.
//   - No commit waits for the Sender. While the relay keeps up, nothing is read back from the database; beyond
//     Config.QueueSize events in memory only a flag is set and the rows are read, in the order of their ids.
//   - A row is relayed by one path only: from the queue or from the table.
//   - Nobody's own event waits for the Publisher, however much it is behind.
//   - An event counts as relayed once the Publisher is done with it, too: a crash before that publishes it again. Those without a
//     recipient go to the Publisher alone.
//
// WithTx and Append may be called concurrently. Run is called once; it owns everything between queue and Sender.
//
// Non-goals: what an event looks like on the wire (package bridge), delivery to browsers that are not connected
// (they read their notifications), and more than one relay on one database.
package outbox
