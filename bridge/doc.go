// Package bridge carries the GraphQL subscriptions of any gqlgen server over Pusher Channels: pusher.com, any server
// that speaks its protocol, or package pusherserver in the same process.
//
//	log, store := bridge.NewMemoryLog(100), bridge.NewMemoryStore()      // or yours
//	b, err := bridge.New(bridge.Config{}, bridge.Deps{Pusher: client, Log: log, Store: store, Identity: identity, …})
//	srv.AddTransport(b.Transport(transport.POST{}))                      // a subscription by POST gets a channel
//	mux.Handle("/pusher/auth", b.AuthorizeHandler(owner))                // owner grants the application's own channels
//	mux.Handle("/pusher/webhooks", b.WebhookHandler())                   // where Pusher is another
//	mux.Handle(bridge.DefaultResultPath, b.ResultHandler())              // results that are too large for Pusher
//	err = b.Load(ctx)                                                    // then serve, and
//	err = b.Run(ctx)
//
//	func (r *subscriptionResolver) MessageAdded(ctx context.Context, room string) (<-chan *Message, error) {
//		return bridge.Resolve(ctx, r.Bridge, bridge.Source[Message]{Topic: bridge.Topic("room:" + room), Of: …})
//	}
//
//	log.Dispatch(b, message, "room:1")                                   // after the commit: over Pusher, and to streams
//
// An embedded server reports the joins and leaves of its channels to Bridge.Changed, and is given as Deps.Sockets. An
// application with a log of its own calls Dispatch, or Publish and Stream, for one event after the other in the order
// of the log.
//
// A subscription is a machine, which waits for events and for its one deadline:
//
//	          authorized            occupied, then caughtUp
//	PENDING ────────────► JOINING ─────────────────────────► LIVE
//	   │                   ▲  │ ▲                              │ │
//	   │ joinTimeout       │  │ └── joinedAgain, interrupted, ─┘ │ vacated
//	   ▼      authorized,  │  │     lagged, authorized           ▼
//	  AWAY      occupied   │  └───────── vacated ────────────► VACATED ──► after leftStays, if on purpose: CLOSED
//	   ▲                   └───────────────────────────────────┘ │
//	   └──────────────────────── after the grace ◄───────────────┘      any ── ended, expired, too old ──► CLOSED
//
// One that is AWAY is a record alone; when its client asks for the channel, it is VACATED again.
//
// What holds what: registry (who listens to what, with the one mutex), scheduler (a queue for each user, workers,
// deadlines), publisher and delivery (execute once for a group, render, send), recovery (from the log), presence (joins
// and leaves), keeper (the store), admission (who may join), ender, streams.
//
// Guarantees:
//
//   - Results come in the order of the log, and are run with the subscriber's rights of now. Source.Allow is asked for
//     each member of a group before each delivery. While Pusher is down, what was allowed waits.
//   - What happened before the channel was joined, or while its client was away, is sent after the join, or one gap
//     instead. Whoever was away when the subscription ended is sent the end. A repeat carries the same seq.
//   - What Pusher does not take is sent later, however long that takes. A subscription whose client stayed reads from
//     the log, page by page, what it lacks. Only while Pusher as a whole is down do all wait.
//   - A subscription that fails, is slow, or has results that are too large costs only itself.
//   - Streams wait for no stored subscription. One that is read too slowly ends with ErrGap.
//   - No answer counts unless it is Pusher's. No error that leaves this package holds a key, a secret or a signature.
//
// Everything may be called concurrently, except Load and Run, which come in this order, once.
//
// Non-goals: the application's events and their transactions, people's own channels, the Pusher protocol itself, and
// WebSocket and server-sent events, for which gqlgen has transports.
package bridge
