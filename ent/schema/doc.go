// Package schema says what is remembered: the entities with their fields, edges and indexes, who may see and change
// which rows, and what a change has to keep to and to cause.
//
//	policy   who: rows the viewer may not see are not found, whatever query asks; no write without a viewer
//	hooks    what: texts are trimmed and checked, only the pending can be answered, an approval shares
//	hooks    and then: a request and its answer append their event to the outbox, in the same transaction
//
// So a new resolver cannot forget any of it. The errors are those of package rule, auth.ErrUnauthenticated and
// outbox.ErrNoTx.
//
// Non-goals: one person's limits (graph, auth), and anything that leaves the database (outbox, bridge).
package schema
