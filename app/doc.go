// Package app is the one wiring: it reads the configuration, joins the rooms, answers every route, and starts and stops
// what runs. Main is the whole program; New is the server over a database that somebody has opened.
//
//	Main ──► Config ──► database.OpenWatched ──► New ──► Load ──► Run: routes, readers of the log, sockets, sweeps
//	                                                              until a signal; then each ends in its order
//
// It also has what an operator needs of a running server: the commands of the program that are not the server itself,
// and the socket by which they reach it.
//
//	lorebridge events ──► unix socket beside the database (0600) ──► Control in the running server ──► outbox.Relay
//	                 └──► the database itself, if no server has its lock
//
// What it guarantees:
//
//   - The socket is its owner's alone, from its first moment on. It asks for no password, and cannot be reached from
//     another machine.
//   - A command opens the database only if nobody answers at the socket, and only with the database's lock. So it never
//     changes what a server is using.
//   - A server without a socket runs all the same: its log has a warning, and commands fail.
//   - A command ends within twenty seconds.
//
// Everything here may be called concurrently; App.Run and Control.Run are called once.
//
// Non-goals: what is for administrators over GraphQL (package graph), and skipping an event for a topic of
// subscriptions: who is stuck there can be ended over GraphQL.
package app
