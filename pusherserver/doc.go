// Package pusherserver is a server for the Pusher Channels protocol, version 7, inside your program. The application
// needs no account, and its tests use the real protocol. Browsers connect with pusher-js. Back ends publish with any
// library for Pusher's HTTP API.
//
//	app, err := pusherserver.LoadOrCreateApp("pusher-app.json")
//	server, err := pusherserver.New(pusherserver.Config{Apps: []pusherserver.App{app}, Logger: slog.Default()})
//	mux.Handle("/app/", server)  // WebSockets: new Pusher(app.Key, {cluster: "", wsHost: …, wsPort: …, forceTLS: …})
//	mux.Handle("/apps/", server) // the HTTP API, for other processes
//	go server.Run(ctx)           // returns after the last goroutine of the server; main waits for it
//	publisher := pusher.Client{AppID: app.ID, Key: app.Key, Secret: app.Secret,
//		HTTPClient: &http.Client{Transport: server.RoundTripper()}} // publishes without the network
//	err = publisher.Trigger("news", "edited", map[string]string{"title": "Hello"})
//
// It serves public, private and private-encrypted channels, and the cache- kinds of all three. Publishers have single
// and batched events, socket exclusion, subscription counts and queries for channels. The webhooks are
// channel_occupied, channel_vacated and cache_miss. Everything else of the protocol is rejected with an error that
// names it.
//
// Guarantees:
//   - An event reaches each subscriber of its channel at most once. All subscribers get the events of a channel in the
//     same order. An event comes before every event that is requested after its answer. A batch is delivered whole, or
//     not at all if one of its events is invalid.
//   - Publishing never waits for a socket. A connection whose queue is full is closed with 4100, and pusher-js connects
//     and subscribes again. The server keeps no missed events: after a reconnect, clients read from their back end.
//   - A new subscriber of a cache channel gets the last event or pusher:cache_miss right after the confirmation, and
//     then every event published after that. The cache is bounded, and lost with the process.
//   - OnSubscription is called in order for every join and leave of a channel.
//   - Webhooks are sent in order for each channel and URL, and retried for five minutes. See Webhook for possible loss.
//   - The input of strangers costs bounded memory and never causes a panic.
//
// Concurrency: all methods of Server may be called from any goroutine. An idle connection costs one goroutine, and a
// second one while there are frames to write. A webhook URL costs one, and an app with webhooks one more.
//
// The package keeps no global state, reads no environment variable except the proxy for webhooks (see
// Config.WebhookTransport), and logs only to Config.Logger.
//
// Non-goals: presence channels, users, client events, TLS (use net/http or a proxy), storage, several nodes,
// compression. The Origin header is not checked, because a subscription to a private channel needs a signature.
package pusherserver
