package pusherserver_test

import (
	"errors"
	"testing"
	"time"

	"lorebridge/pusherserver"
)

func TestConfigErrorsNameTheField(t *testing.T) {
	app := pusherserver.App{ID: "1", Key: "key", Secret: "secret"}
	for field, config := range map[string]pusherserver.Config{
		"Apps":           {},
		"Apps[0].ID":     {Apps: []pusherserver.App{{ID: "a/b", Key: "key", Secret: "secret"}}},
		"Apps[0].Key":    {Apps: []pusherserver.App{{ID: "1", Secret: "secret"}}},
		"Apps[0].Secret": {Apps: []pusherserver.App{{ID: "1", Key: "key"}}},
		"Apps[1].ID":     {Apps: []pusherserver.App{app, {ID: "1", Key: "other", Secret: "secret"}}},
		"Apps[1].Key":    {Apps: []pusherserver.App{app, {ID: "2", Key: "key", Secret: "secret"}}},
		"Apps[0].Webhooks[1].URL": {Apps: []pusherserver.App{{
			ID: "1", Key: "key", Secret: "secret", Webhooks: []pusherserver.Webhook{{URL: "https://a"}, {URL: "https://a"}},
		}}},
		"CacheTTL":               {CacheTTL: time.Millisecond},
		"MaxCachedEvents":        {MaxCachedEvents: -1},
		"MaxCachedBytes":         {MaxCachedBytes: 10 << 10},
		"VacatedDelay":           {VacatedDelay: -1},
		"WebhookDelay":           {WebhookDelay: -1},
		"MaxWebhookEvents":       {MaxWebhookEvents: -1},
		"MaxQueuedWebhookEvents": {MaxQueuedWebhookEvents: -1},
		"ActivityTimeout":        {ActivityTimeout: time.Millisecond},
		"PongTimeout":            {PongTimeout: -1},
		"WriteTimeout":           {WriteTimeout: -1},
		"ShutdownTimeout":        {ShutdownTimeout: -1},
		"MaxConnections":         {MaxConnections: -1},
		"MaxRefused":             {MaxRefused: -1},
		"MaxSubscriptions":       {MaxSubscriptions: -1},
		"MaxMessageBytes":        {MaxMessageBytes: 10},
		"MaxChannelNameLength":   {MaxChannelNameLength: 201},
		"MaxEventDataBytes":      {MaxEventDataBytes: -1},
		"MaxQueuedFrames":        {MaxQueuedFrames: 1},
		"MaxQueuedBytes":         {MaxEventDataBytes: 1 << 20},
	} {
		if config.Apps == nil && field != "Apps" {
			config.Apps = []pusherserver.App{app}
		}
		_, err := pusherserver.New(config)
		if wrong := new(pusherserver.ConfigError); !errors.As(err, &wrong) || wrong.Field != field || wrong.Reason == "" {
			t.Errorf("got error %v, want one about %s", err, field)
		}
	}
}

func TestWebhookURLsAreChecked(t *testing.T) {
	for url, valid := range map[string]bool{
		"http://127.0.0.1:8080/x?token=1": true, "https://user:word@example.com": true,
		"": false, "example.com/x": false, "ftp://example.com": false, "http://": false, "http:///x": false,
		"http://:80": false, "https://example.com/#x": false, "http://a b/": false, "http://[::1": false,
	} {
		_, err := pusherserver.New(pusherserver.Config{Apps: []pusherserver.App{{
			ID: "1", Key: "key", Secret: "secret", Webhooks: []pusherserver.Webhook{{URL: url}},
		}}})
		wrong := new(pusherserver.ConfigError)
		if valid != (err == nil) || !valid && (!errors.As(err, &wrong) || wrong.Field != "Apps[0].Webhooks[0].URL") {
			t.Errorf("%q: got error %v", url, err)
		}
	}
}
