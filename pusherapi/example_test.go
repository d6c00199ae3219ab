package pusherapi_test

import (
	"context"
	"fmt"
	"log/slog"

	"lorebridge/pusherapi"
	"lorebridge/pusherserver"
)

// Events go to Pusher in batches of at most ten. Here Pusher is a server in the same process.
func ExampleClient_Send() {
	server, err := pusherserver.New(pusherserver.Config{Apps: []pusherserver.App{{ID: "1", Key: "key", Secret: "secret"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := pusherapi.New(pusherapi.Config{AppID: "1", Key: "key", Secret: "secret"},
		pusherapi.Deps{Logger: slog.New(slog.DiscardHandler), Transport: server.RoundTripper()})
	if err != nil {
		fmt.Println(err)
		return
	}
	results, err := client.Send(context.Background(), "events", []pusherapi.Message{
		{Event: pusherapi.Event{Channel: "news", Name: "headline", Data: `{"text":"hello"}`}},
		{Event: pusherapi.Event{Channel: "not a channel", Name: "headline", Data: `{"text":"hello"}`}},
	})
	fmt.Println(results[0], err)
	fmt.Println(results[1])
	// Output:
	// <nil> <nil>
	// refused for good: At least one of your channels' names are invalid
}
