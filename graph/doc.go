// Package graph is the GraphQL front door: the resolvers of schema.graphqls, the HTTP transport, WebSockets and event
// streams, and their limits.
//
// A resolver checks who is asking, acts and returns. Reads go through the readers of the database under the privacy
// rules of ent/schema. A mutation writes inside one transaction of Deps.WithTx, and its nested fields are resolved
// after the commit. The rules for writing are part of the entities, so a resolver cannot forget them. Each concept has
// its resolvers in a type and a file of its own.
//
// Results of subscriptions reach clients in three ways: over Pusher if the subscription came by POST, over a WebSocket,
// and as server-sent events. Resolvers do not know which. A WebSocket and an event stream end with their session, with
// the handler, and if their client stops reading.
//
// Errors become extensions.code in one place, errors.go. An error that is not in its table reaches the client as
// INTERNAL without detail. The log gets the whole error.
//
// The handler may be called concurrently.
//
// The executor is gqlgen's, rewritten after it was generated: gqlgen.go, fields.go.
//
// Non-goals: who is asking (auth), when an event is sent and how (outbox, bridge), and batches.
package graph
