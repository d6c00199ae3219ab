// Package app is what an operator has of a running server: the commands of the program that are not the server itself, and the door in
// the server through which they speak to it.
//
//	lorebridge events ──► unix socket beside the database (0600) ──► Control in the running server ──► outbox.Relay
//	                 └──► the database itself, if no server has its lock
//
// Whoever may write the database's folder may use the socket: it asks for no password, and it is no way in from another machine.
//
// Everything here may be called concurrently.
//
// Non-goals: what is for administrators over GraphQL (package graph), and health checks (server.go).
package app
