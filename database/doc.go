// Package database opens the database that DATABASE_URL names as an ent client: with its migrations applied, its
// hooks and privacy rules in force, and its pools laid out for many readers beside writers.
//
//	sqlite:PATH   one file beside the server; one connection writes, a few read
//
// Open applies the migrations that the file has not seen, inside a lock, and refuses a database that a newer
// binary has migrated, and one that another process has open. Committed means durable: the write is on the disk (synchronous=FULL).
//
// Transactions that come together share one COMMIT. Their bodies run one after the other, each for a second at most.
//
// Nothing outside of this package may assume SQLite. What it returns may be used concurrently.
//
// Non-goals: backups, and going back to an older schema.
package database
