// Package database opens the database that DATABASE_URL names as an ent client: with its migrations applied, its
// hooks and privacy rules in force, and with pools for many readers and one writer.
//
//	                  ┌─ readers, one for each core ─────────────────────────────────┐
//	ent.Client ─► driver                                                             ├─► sqlite:PATH, in WAL mode
//	                  └─ transactions ─► a group: body after body ────► one COMMIT ──┘
//
// What it guarantees:
//
//   - Open applies the migrations that are missing in the file, inside a lock. It rejects a database that a newer
//     binary has migrated, and one that another process has open.
//   - Committed means durable: the write is on the disk (synchronous=FULL).
//   - Concurrent transactions share one COMMIT, and each is all or nothing. Their bodies run one after the
//     other. A body that fails, panics or takes longer than a second costs only itself.
//   - An obstacle that can pass, such as a full disk or a lock, is a *rule.UnavailableError, within five seconds.
//   - No table gives an id twice: migrations keep the sequences. Leap skips many ids of events when a server starts,
//     because the file may be a restored backup.
//
// Nothing outside of this package may assume SQLite. Everything it returns may be used concurrently.
//
// Non-goals: making backups, going back to an older schema, and servers that share a database.
package database
