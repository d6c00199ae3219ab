// Command upgrade checks that a new binary loses and repeats nothing of what an older one has left behind.
//
// The older binary runs with a Pusher that can be down, can reject an event for good, and can take one without an
// answer. It is killed while events are pending. The newest rows are removed from the database, as the deletion of a
// person does. Then the new binary starts on that database, is killed and starts again. What it sends is compared with
// the rows that the older one left.
//
// Usage, in the root of the repository:
//
//	go run ./e2e/upgrade [-commit 45bcc50]
//
// OLD_BIN and NEW_BIN name binaries to run instead of those that are built, of the commit and of the work tree. It
// exits with 1 if something was lost or repeated, and prints what.
package main
