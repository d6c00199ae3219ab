// Package schema defines the entities with their fields, edges and indexes, who may see and change which rows, and the
// rules and effects of each change.
//
//	policy   permission: no query finds rows that the viewer may not see; no write without a viewer
//	hooks    rules: texts are trimmed and checked, only pending requests can be answered, an approval shares
//	hooks    effects: a request and its answer append their event to the outbox, in the same transaction
//
// So a new resolver cannot forget any of them. The errors are those of package rule, auth.ErrUnauthenticated and
// outbox.ErrNoTx.
//
// Non-goals: limits per person (graph, auth), and anything that leaves the database (outbox, bridge).
package schema
