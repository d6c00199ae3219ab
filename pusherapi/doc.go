// Package pusherapi calls the HTTP API of Pusher Channels, at pusher.com or at any server with the same API. It uses
// pusher-http-go, which signs the calls and encrypts the events, and adds a context, statuses and checked answers.
//
//	client, err := pusherapi.New(pusherapi.Config{AppID: id, Key: key, Secret: secret, Cluster: "eu"},
//		pusherapi.Deps{Logger: slog.Default()})
//	results, err := client.Send(ctx, "events", []pusherapi.Message{{Event: pusherapi.Event{
//		Channel: "private-user-7", Name: "greeting", Data: `{"text":"hello"}`,
//	}}})
//
// Guarantees:
//
//   - A call succeeds only if the answer is one that Pusher itself gives when it accepts the call. The 200 of a proxy,
//     of a login page or of a redirect is no success.
//   - The result of an event is a *RefusedError only if Pusher itself, or the library, rejects its content for good.
//     After every other error the event can be sent again. So the answer of another server never loses an event.
//   - Errors hold no secrets and no signatures. They contain the fault, the answer, and a hint on what to do. The hint
//     names the fields of Config, or the application's settings if Config.Names has them.
//   - A call ends with its context, and after DefaultTimeout. If a router drops all connections silently, only the
//     calls of one DefaultTimeout fail.
//   - A batch that Pusher rejects because of one event is sent event by event, so that only this event is rejected. A
//     server without batches gets its events one by one.
//
// A Client may be used concurrently.
//
// Non-goals: when to send again (the caller decides), the names and payloads of events, WebSockets, webhooks.
package pusherapi
