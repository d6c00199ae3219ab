// Command bench measures the server over the wire, as its clients see it: the CPU time of an operation, the time until
// its answer, and the time until the other person's browser has the event.
//
//	clients ── POST /graphql, HTTP/1.1 keep-alive ──► server ── WebSocket, private-user-{id} ──► recipients
//	   └ sent, answered                                  └ utime + stime of its process              └ arrived
//
// By default it builds the server, starts it on a database of its own below TMPDIR, and stops it again. Flags choose
// other binaries, a running server, or Pusher in a second process; -help lists them.
//
// Clients work in a closed loop: each sends its next operation when the last one is answered. After each measurement
// every created request is matched with the event that its owner's socket got. An event that is lost, repeated,
// foreign or out of order fails the run: the figures are still printed, and the program exits with 1. An event is out
// of order if it arrives after the event of a mutation that was sent after its own mutation was answered.
//
// Rounds are interleaved: each goes through all works, numbers of clients and servers, and a figure is the median
// over the rounds. Two servers (-compare) take turns at going first, and their ratios are taken within a round.
// Clients, sockets and server share the machine's cores. So the CPU time of an operation is more reliable than a rate,
// and the ratio of two figures of the same run is more reliable than a figure.
//
// The first argument bridge measures GraphQL subscriptions over Pusher instead, on a server of its own for each of
// two parts; bridge -help lists its flags:
//
//   - One selection: events to knowledgePublished, one after another, for few and then for many subscriptions, each on
//     a socket of its own. The difference is the cost of one more subscription. The CPU time is that of the server from
//     the first mutation until it has stored the result of the last update, without its CPU time when idle. /healthz
//     shows how often an operation was executed.
//   - A selection each: one event for many subscriptions that share nothing, while others send mutations at a steady
//     pace. Their answers are compared with those while nothing is delivered. Clients and server share the cores, so
//     any program that uses half of them slows everybody down. For comparison the same is measured beside a process
//     that only does that.
//
// Every subscription must get every update once and in order, with its own selection and the same sequence number as
// all others. Otherwise the run fails as above. PASS or FAIL is printed for each of our promises, but a FAIL does not
// fail the run. With -profile the server is built with an additional file, which takes CPU profiles only for bench
// (profile.go). The server itself has no endpoint for them.
//
// The first argument ceiling measures the server beside bench/ceiling, the smallest program that does the same work
// by hand, and beside the server of another commit. All run at once on copies of one database, and take turns. The
// ratio of the server to the ceiling is more reliable than a rate, because both change with the machine. Mutations come
// in closed loops, and at a steady pace in an open one.
//
// Non-goals: an open loop at full load, several machines, hosted Pusher, and end-to-end encryption (bench cannot
// read those events).
package main
