// Package graph is the GraphQL front door: the resolvers of schema.graphqls, the HTTP transport, WebSockets and event
// streams, and their limits.
//
// A resolver checks who is asking, acts and returns. Reads go through the readers of the database under the privacy
// rules of ent/schema; a mutation writes inside one transaction of Deps.WithTx and its nested fields are resolved
// after the commit. The rules of what is written stand beside the entities, so a resolver cannot forget them.
//
// Subscriptions travel three ways, and their resolvers know of none: over Pusher for those that came by POST, over a
// WebSocket, and as server-sent events. The latter two end with the session they belong to, with the handler, and with
// a client that stops reading. Where a field's events come from is a bridge.Feed, whichever way they travel.
//
// Errors become extensions.code in one place, errors.go. What is not in its table reaches the client as INTERNAL
// without detail, and the log with all of it.
//
// The handler may be called concurrently.
//
// The executor is gqlgen's, rewritten after it was generated: gqlgen.go, fields.go.
//
// Non-goals: who is asking (auth), when an event is sent and how (outbox, bridge), and batches.
package graph
