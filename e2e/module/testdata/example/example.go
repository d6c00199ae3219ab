// Package example imports the libraries of the module, as another application does.
package example

import (
	"context"
	"log/slog"

	"lorebridge/pusherapi"
	"lorebridge/pusherserver"
)

// Publish sends an event to a server in this process.
func Publish(ctx context.Context, server *pusherserver.Server, app pusherserver.App, data string) error {
	client, err := pusherapi.New(pusherapi.Config{AppID: app.ID, Key: app.Key, Secret: app.Secret},
		pusherapi.Deps{Logger: slog.Default(), Transport: server.RoundTripper()})
	if err != nil {
		return err
	}
	return client.Trigger(ctx, "example", pusherapi.Event{Channel: "news", Name: "edited", Data: data})
}
