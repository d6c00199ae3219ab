// Command bench measures the server over the wire, as its clients see it: what an operation costs, how long its
// answer takes, and how long until the other person's browser holds the event.
//
//	clients ── POST /graphql, HTTP/1.1 keep-alive ──► server ── WebSocket, private-user-{id} ──► recipients
//	   └ sent, answered                                  └ utime + stime of its process              └ arrived
//
// By default it builds the server, starts it on a database of its own below TMPDIR, and stops it again. Flags choose
// other binaries, a server that runs already, or Pusher in a second process; -help lists them.
//
// Clients work in a closed loop: each sends its next operation when the last one is answered. After each measurement
// every created request is matched with the event that its owner's socket got. An event that is lost, repeated,
// foreign or out of order fails the run: the figures are still printed, and the program exits with 1. Out of order is
// what the server promises not to do: an event arrives behind that of a mutation which was sent after its own was
// answered.
//
// Rounds are interleaved: each goes through all works, numbers of clients and servers, and a figure is the median over
// the rounds. Two servers (-compare) take turns at going first, and their ratios are taken within a round. Clients,
// sockets and server share the machine's cores, so a rate says less than the CPU time of an operation, and a figure
// says less than its ratio to another one of the same run.
//
// Non-goals: an open loop of arrivals (the latencies of a closed loop under full load are those of its queue),
// thousands of idle sockets, several machines, hosted Pusher, end-to-end encryption (bench cannot read those events),
// and profiles.
package main
