// Package database opens the database that DATABASE_URL names as an ent client: with its migrations applied, its
// hooks and privacy rules in force, and its pools laid out for many readers beside one writer.
//
//	                  ┌─ readers, one for each core ─────────────────────────────────┐
//	ent.Client ─► driver                                                             ├─► sqlite:PATH, in WAL mode
//	                  └─ transactions ─► a group: body after body ────► one COMMIT ──┘
//
// What it guarantees:
//
//   - Open applies the migrations that the file has not seen, inside a lock. It rejects a database that a newer binary
//     has migrated, and one that another process has open.
//   - Committed means durable: the write is on the disk (synchronous=FULL).
//   - Transactions that come together share one COMMIT, and each is all or nothing. Their bodies run one after the
//     other. A body that fails, panics or takes longer than a second costs only itself.
//   - An error that passes, such as a full disk or a lock, is a *rule.UnavailableError, within five seconds.
//   - No table gives an id twice: migrations keep the sequences. Leap has the ids of events jump when a server starts,
//     in case the file is a backup that was put back.
//
// Nothing outside of this package may assume SQLite. What it returns may be used concurrently.
//
// Non-goals: making backups, going back to an older schema, and servers that share a database.
package database
