// Package pusherapi calls the HTTP API of Pusher Channels, of pusher.com or of any server that speaks it. It stands on
// pusher-http-go, which signs the calls and encrypts the events, and adds what that library lacks.
//
//	client, err := pusherapi.New(pusherapi.Config{AppID: id, Key: key, Secret: secret, Cluster: "eu"},
//		pusherapi.Deps{Logger: slog.Default()})
//	verdicts, err := client.Send(ctx, "events", []pusherapi.Message{{Event: pusherapi.Event{
//		Channel: "private-user-7", Name: "greeting", Data: `{"text":"hello"}`,
//	}}})
//
// What it guarantees:
//
//   - A call succeeds only if the answer is one that Pusher itself gives when it accepts the call. The 200 of a proxy,
//     of a login page or of a redirect is no success.
//   - An event is a *RefusedError only if Pusher itself, or the library before it, will never take it because of its
//     content. Every other answer is a *CallError: the event can be sent again. So no answer of a stranger loses an
//     event.
//   - Errors hold no secrets and no signatures. They name what is wrong, what came, and what to do.
//   - A call ends with its context, and after DefaultTimeout. Connections that are forgotten on the way cost one
//     time-out.
//   - A batch that is refused because of one event is sent event by event, and that one alone is refused. A server
//     without batches gets its events one by one.
//
// A Client may be used concurrently.
//
// Non-goals: when to send again (the caller's), the names and payloads of events, WebSockets, webhooks.
package pusherapi
