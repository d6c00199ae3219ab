// Command ceiling is the smallest honest program that does the work of createKnowledgeRequest by hand. The server is
// compared with its rate, in the same run, by `go run ./bench ceiling`.
//
//	POST /graphql ─ read the JSON ─ session and user, one SELECT on a reader ─ join the open group
//	                                                                             │ BEGIN IMMEDIATE (the first)
//	                                                                             │ INSERT request, INSERT event
//	answer ◄─ write to the owner's sockets ◄─ queue the frame ◄──────────────────┘ COMMIT (the last)
//
// It keeps the server's promises about that mutation: the same rows in the same tables, on the disk before the answer
// (synchronous=FULL); one event for each request; events of a recipient in the order of their commit; a failure has no
// effect on others. The server's own migrations made the database, so tables and indexes are the same. It uses the same
// SQLite driver, but neither GraphQL, ent, database/sql, nor Pusher's HTTP API.
//
// The environment variables are the server's: DATABASE_URL and LISTEN_ADDR. The server that made the database must have
// ended.
//
// A mutation waits for a slow socket of its owner for a second at most. Then that socket is closed.
//
// Non-goals: every other operation, items of knowledge, cookies, limits per person, TLS, and repeating events after a
// crash. Like the server, it writes a watermark of the delivered events, but it never reads it.
package main
