// Package app connects the rooms to one program: it reads the configuration, has every route, and starts and stops the
// loops. Main is the whole program. New returns the server on a database that the caller has opened.
//
//	Main ──► Config ──► database.OpenWatched ──► New ──► Load ──► Run
//
// Run serves the routes, and runs the readers of the log, the sockets and the sweeps until a signal. Then they end one
// after another.
//
// It also has the operator's commands, which show the events of a running server, and the socket over which they reach
// it.
//
//	lorebridge events ──► unix socket beside the database (0600) ──► Control in the running server ──► outbox.Relay
//	                 └──► the database itself, if no server has its lock
//
// Guarantees:
//
//   - Only the user who runs the server can open the socket, from its creation on. There is no password, and other
//     machines cannot reach it.
//   - A command opens the database only if no server answers on the socket, and only with the database's lock. So it
//     never changes rows that a running server uses.
//   - A server whose socket cannot be opened runs nevertheless. Its log has a warning, and commands fail.
//   - A command ends within twenty seconds.
//
// All functions and methods may be called concurrently, except App.Load, App.Run and Control.Run: each is called once.
//
// Non-goals: the operations of administrators over GraphQL (package graph), and skipping an event for a topic. An
// administrator can end a subscription that is stuck over GraphQL.
package app
