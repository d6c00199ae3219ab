package pusherserver_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
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
	fmt.Println("rejected:", err)

	stop()
	fmt.Println("stopped:", <-stopped)
	// Output:
	// triggered: <nil>
	// rejected: Status Code: 400 - {"error":"name is missing"}
	// stopped: <nil>
}

// The server shares an address with the application. Its own paths begin with /app/ and /apps/.
func ExampleServer_ServeHTTP() {
	app := pusherserver.App{ID: "1", Key: "app-key", Secret: "app-secret"}
	server, err := pusherserver.New(pusherserver.Config{Apps: []pusherserver.App{app}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() { stopped <- server.Run(ctx) }()

	mux := http.NewServeMux()
	mux.Handle("/app/", server)  // WebSockets of pusher-js
	mux.Handle("/apps/", server) // the HTTP API
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a page of the application") })
	web := httptest.NewServer(mux)
	host := web.Listener.Addr().String()

	// In a page: new Pusher("app-key", {cluster: "", wsHost: …, wsPort: …, forceTLS: false}).subscribe("news")
	page := subscribe(host, app.Key, "news")

	// A back end in another process publishes over the network.
	publisher := pusher.Client{AppID: app.ID, Key: app.Key, Secret: app.Secret, Host: host}
	fmt.Println(publisher.Trigger("news", "edited", "Hello"))
	fmt.Println(page.next())

	page.close()
	stop()
	fmt.Println(<-stopped)
	web.Close()
	// Output:
	// <nil>
	// {"event":"edited","channel":"news","data":"Hello"}
	// <nil>
}

// The application learns that a channel has its first subscriber, or lost its last one. The client library of the
// hosted service checks the signature.
func ExampleWebhook() {
	app := pusherserver.App{ID: "1", Key: "app-key", Secret: "app-secret"}
	received := make(chan string)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		client := pusher.Client{AppID: app.ID, Key: app.Key, Secret: app.Secret}
		webhook, err := client.Webhook(r.Header, body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		for _, e := range webhook.Events {
			received <- e.Name + " " + e.Channel
		}
	}))
	app.Webhooks = []pusherserver.Webhook{{URL: receiver.URL}}
	server, err := pusherserver.New(pusherserver.Config{Apps: []pusherserver.App{app}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() { stopped <- server.Run(ctx) }()
	web := httptest.NewServer(server)

	page := subscribe(web.Listener.Addr().String(), app.Key, "news")
	fmt.Println(<-received)
	page.close()

	stop()
	fmt.Println(<-stopped)
	web.Close()
	receiver.Close()
	// Output:
	// channel_occupied news
	// <nil>
}

// The first start makes the credentials, and every later start reads them.
func ExampleLoadOrCreateApp() {
	folder, err := os.MkdirTemp("", "pusherserver-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(folder) }()
	path := filepath.Join(folder, "app.json")

	first, err := pusherserver.LoadOrCreateApp(path)
	fmt.Println(err)
	second, err := pusherserver.LoadOrCreateApp(path)
	fmt.Println(err, first.Key == second.Key)
	server, err := pusherserver.New(pusherserver.Config{Apps: []pusherserver.App{second}})
	fmt.Println(server != nil, err)
	// Output:
	// <nil>
	// <nil> true
	// true <nil>
}

// page is what pusher-js does in a browser, by hand.
type page struct {
	socket net.Conn
	reader io.Reader
}

// subscribe connects and joins a channel. Any failure ends the test binary.
func subscribe(host, key, channel string) page {
	socket, early, _, err := ws.Dial(context.Background(), "ws://"+host+"/app/"+key+"?protocol=7")
	if err != nil {
		panic(err)
	}
	p := page{socket, socket}
	if early != nil {
		p.reader = early // the first message came together with the response
	}
	p.next() // pusher:connection_established
	request := fmt.Sprintf(`{"event":"pusher:subscribe","data":{"channel":%q}}`, channel)
	if err := wsutil.WriteClientText(socket, []byte(request)); err != nil {
		panic(err)
	}
	p.next() // pusher_internal:subscription_succeeded
	return p
}

// next returns the next message.
func (p page) next() string {
	text, err := wsutil.ReadServerText(struct {
		io.Reader
		io.Writer
	}{p.reader, p.socket})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// close ends the connection as a closed page does.
func (p page) close() { p.socket.Close() }
