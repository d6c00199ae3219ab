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
// Rounds are interleaved: each goes through all works, numbers of clients and servers, and a figure is the median
// over the rounds. Two servers (-compare) take turns at going first, and their ratios are taken within a round.
// Clients, sockets and server share the machine's cores, so a rate says less than the CPU time of an operation, and
// a figure says less than its ratio to another one of the same run.
//
// The first argument bridge measures GraphQL subscriptions over Pusher instead, on a server of its own for each of
// two parts; bridge -help lists its flags:
//
//   - One selection: events to knowledgePublished, one after another, for few and then for many subscriptions, each on
//     a socket of its own. The difference is what one more subscription costs. Counted is the server's CPU time from
//     the first mutation until the server has written down what became of the last update, less what it takes when
//     idle. /healthz shows how often an operation was executed.
//   - A selection each: one event for many subscriptions that share nothing, while others send mutations at a steady
//     pace. Their answers are compared with those while nothing is delivered. On two cores, which clients and server
//     share, any program that takes one of them slows everybody down: so the same is measured beside a process that
//     does just that.
//
// Every subscription must get every update once and in order, with its own selection and the sequence number that
// all get: else the run fails as above. Whether figures keep what we promise is printed as PASS or FAIL, and fails
// no run. With -profile the server is built with a file more, which takes CPU profiles for bench alone
// (profile.go): the server itself has no door for them.
//
// The first argument ceiling measures the server beside bench/ceiling, the smallest program that does the same work
// by hand, and beside the server of another commit. All run at once on copies of one database, and take turns. How
// far the server is from the ceiling says more than a rate: both change with the machine. Mutations come in closed
// loops, and at a steady pace in an open one.
//
// Non-goals: an open loop at full load, several machines, hosted Pusher, and end-to-end encryption (bench cannot
// read those events).
package main
