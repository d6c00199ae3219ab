package realtime

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"lorebridge/bridge"
	"lorebridge/outbox"
)

// SubscriptionsConfig is what an operator sets of GraphQL subscriptions over Pusher. Zeros are errors in PerPerson and
// PayloadLimit, and else bridge's defaults.
type SubscriptionsConfig struct {
	PerPerson    int             `env:"SUBSCRIPTIONS_PER_PERSON" envDefault:"100" help:"a whole number: GraphQL subscriptions that one person may have at a time"`
	Grace        time.Duration   `env:"SUBSCRIPTION_GRACE" envDefault:"60s" help:"how long the server is ready for a client that lost its connection; after that its subscription costs nothing until it is back, such as 60s"`
	Lifetime     time.Duration   `env:"SUBSCRIPTION_LIFETIME" envDefault:"720h" help:"how long any subscription lives, such as 720h"`
	Sweep        time.Duration   `env:"SUBSCRIPTION_SWEEP" envDefault:"1m" help:"how often channels are looked through, such as 1m"`
	Oversize     bridge.Oversize `env:"SUBSCRIPTION_OVERSIZE" envDefault:"error" help:"error, drop, terminate or fetch: what becomes of results that are too large for Pusher"`
	PayloadLimit int             `env:"PUSHER_PAYLOAD_LIMIT" envDefault:"10240" help:"a whole number: bytes of data that Pusher takes in one event"`
	// WebhookTokens are further app tokens whose webhooks are accepted, for the time of a change of keys.
	WebhookTokens []string `env:"PUSHER_WEBHOOK_TOKENS" help:"further key:secret pairs that webhooks may be signed with, separated by commas"`
}

// perPerson is the variable that the error for a client at this limit names.
const perPerson = "SUBSCRIPTIONS_PER_PERSON"

// variables are the environment variables that set the fields of bridge.Config.
var variables = map[string]string{ //nolint:gosec // names of variables, and not their values
	"PerViewer": perPerson, "Grace": "SUBSCRIPTION_GRACE", "Lifetime": "SUBSCRIPTION_LIFETIME", "Sweep": "SUBSCRIPTION_SWEEP",
	"Oversize": "SUBSCRIPTION_OVERSIZE", "Namespace": "PUSHER_CHANNEL_NAMESPACE", "WebhookTokens": "PUSHER_WEBHOOK_TOKENS",
}

// inVariables returns err with the name of the variable instead of that of the field of bridge.Config.
func inVariables(err error) error {
	if wrong, ok := errors.AsType[*bridge.ConfigError](err); ok && variables[wrong.Field] != "" {
		return fmt.Errorf("%s %s", variables[wrong.Field], wrong.Problem)
	}
	return err
}

// Validate returns an error that names the variable that is wrong, and which values are allowed.
func (c SubscriptionsConfig) Validate() error {
	if c.PerPerson < 1 { // bridge would take zero as the default
		return fmt.Errorf("%s is %d: it must be at least 1", perPerson, c.PerPerson)
	}
	for _, v := range []struct {
		name         string
		value, least time.Duration
	}{
		{"SUBSCRIPTION_GRACE", c.Grace, time.Second},
		{"SUBSCRIPTION_LIFETIME", c.Lifetime, time.Minute},
		{"SUBSCRIPTION_SWEEP", c.Sweep, time.Second},
	} {
		if v.value == 0 {
			return fmt.Errorf("%s is %v: it must be a duration such as 90s or 1h, at least %v", v.name, v.value, v.least)
		}
	}
	if c.Oversize == "" {
		return fmt.Errorf("SUBSCRIPTION_OVERSIZE is %q: it must be error, drop, terminate or fetch", c.Oversize)
	}
	if c.PayloadLimit < bridge.MinPayloadLimit {
		return fmt.Errorf("PUSHER_PAYLOAD_LIMIT is %d: it must be at least %d bytes", c.PayloadLimit, bridge.MinPayloadLimit)
	}
	_, err := c.forBridge("")
	return err
}

// forBridge returns the configuration of bridge, or an error that names the variable that is wrong.
func (c SubscriptionsConfig) forBridge(namespace string) (bridge.Config, error) {
	config := bridge.Config{
		PerViewer: c.PerPerson, PerViewerSetting: perPerson, Grace: c.Grace, Lifetime: c.Lifetime, Sweep: c.Sweep,
		Kept: outbox.KeepEvents, Oversize: c.Oversize, Namespace: namespace, WebhookTokens: make(map[string]string),
	}
	for _, pair := range c.WebhookTokens {
		key, secret, found := strings.Cut(strings.TrimSpace(pair), ":")
		if !found || !appID.MatchString(key) || secret == "" {
			return bridge.Config{}, errors.New("PUSHER_WEBHOOK_TOKENS has a pair that is not key:secret: " +
				"give pairs such as a1b2c3:0123abcd, separated by commas")
		}
		config.WebhookTokens[key] = secret
	}
	return config, inVariables(config.Validate())
}
