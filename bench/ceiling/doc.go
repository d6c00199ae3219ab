// Command ceiling is the smallest honest program that does the work of createKnowledgeRequest by hand. What the
// server reaches of its rate, measured in the same run by `go run ./bench ceiling`, is how good the server is.
//
//	POST /graphql ─ read the JSON ─ session and user, one SELECT on a reader ─ join the open group
//	                                                                             │ BEGIN IMMEDIATE (the first)
//	                                                                             │ INSERT request, INSERT event
//	answer ◄─ write to the owner's sockets ◄─ queue the frame ◄──────────────────┘ COMMIT (the last)
//
// It keeps what the server promises of that mutation: the same rows in the same tables, on the disk before the
// answer (synchronous=FULL); one event for each request; events of a recipient in the order of their commit; what
// fails costs only itself. The database is one that the server's own migrations made, so tables and indexes are
// those of the server. It uses the same SQLite driver, and none of GraphQL, ent, database/sql, or Pusher's HTTP
// API.
//
// The environment is the server's: DATABASE_URL and LISTEN_ADDR. The server that made the database must have ended.
//
// A mutation waits while its owner's socket takes nothing, for a second at most: then that socket is closed.
//
// Non-goals: every other operation, items of knowledge, cookies, limits for each person, TLS, and sending events
// again after a crash. A watermark of what was delivered is written, as the server does, but never read.
package main
