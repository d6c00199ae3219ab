package pusherserver_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/pusher/pusher-http-go/v5"

	"lorebridge/pusherserver"
)

// A back end publishes to the server within its own process, with the client library of the hosted service.
func Example() {
	server, err := pusherserver.New(pusherserver.Config{
		Apps: []pusherserver.App{{ID: "1", Key: "app-key", Secret: "app-secret"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() { stopped <- server.Run(ctx) }()

	// http.ListenAndServe(addr, server) lets browsers in.

	publisher := pusher.Client{
		AppID: "1", Key: "app-key", Secret: "app-secret",
		HTTPClient: &http.Client{Transport: server.RoundTripper()},
	}
	err = publisher.Trigger("news", "edited", map[string]string{"title": "Hello"})
	fmt.Println("triggered:", err)
	err = publisher.Trigger("news", "", "x")
	fmt.Println("refused:", err)

	stop()
	fmt.Println("stopped:", <-stopped)
	// Output:
	// triggered: <nil>
	// refused: Status Code: 400 - {"error":"name is missing"}
	// stopped: <nil>
}
