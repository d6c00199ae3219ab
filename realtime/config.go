package realtime

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"lorebridge/bridge"
)

// Config selects a Pusher and an app there. With Cluster that is hosted Pusher, with Host another server, and with
// neither the embedded one. Scheme must be set.
type Config struct {
	AppID      string `env:"PUSHER_APP_ID" help:"the app at Pusher; with KEY and SECRET"`
	Key        string `env:"PUSHER_KEY" help:"its key"`
	Secret     string `env:"PUSHER_SECRET" help:"its secret"`
	Cluster    string `env:"PUSHER_CLUSTER" help:"the cluster of hosted Pusher, such as eu"`
	Host       string `env:"PUSHER_HOST" help:"another server that speaks the protocol, host:port; with neither this nor a cluster the embedded one serves"`
	Scheme     string `env:"PUSHER_SCHEME" envDefault:"https" help:"http or https, for PUSHER_HOST"`
	PublicHost string `env:"PUSHER_PUBLIC_HOST" help:"how browsers reach PUSHER_HOST, if by another name"`
	// PublicScheme is empty for the default: the scheme of PUBLIC_URL if PublicHost is set, and else Scheme.
	PublicScheme string `env:"PUSHER_PUBLIC_SCHEME" help:"http or https, for PUSHER_PUBLIC_HOST; unset, as PUBLIC_URL"`
	// Namespace distinguishes the channels of installations that share one app.
	Namespace string `env:"PUSHER_CHANNEL_NAMESPACE" help:"letters, digits, - and _: part of the names of all private channels, for several servers with one app"`
	// MasterKey turns on end-to-end encryption: 32 bytes in base64.
	MasterKey string `env:"PUSHER_ENCRYPTION_MASTER_KEY" help:"32 bytes in base64: turns end-to-end encryption on"`
}

// Embedded reports whether the Pusher is a pusherserver in this process.
func (c Config) Embedded() bool { return c.Cluster == "" && c.Host == "" }

// secure reports whether Pusher's HTTP API and its WebSockets are reached over TLS. It has no meaning with the embedded
// server, which browsers reach in the same way as us.
func (c Config) secure() bool { return c.Cluster != "" || (c.Host != "" && c.Scheme == "https") }

// HasApp reports whether the app's credentials are configured.
func (c Config) HasApp() bool { return c.AppID != "" }

// Validate returns an error that names the variable that is wrong or missing, and which values are allowed.
func (c Config) Validate() error {
	if err := c.validateApp(); err != nil {
		return err
	}
	for _, validate := range []func() error{c.validatePlace, c.validateSchemes, c.validateAddresses, c.validateKey} {
		if err := validate(); err != nil {
			return err
		}
	}
	return inVariables(bridge.Config{Namespace: c.Namespace}.Validate())
}

func (c Config) validatePlace() error {
	switch {
	case c.Cluster != "" && c.Host != "":
		return errors.New("PUSHER_CLUSTER and PUSHER_HOST are both set: hosted Pusher has a cluster, another server a host; unset one")
	case c.PublicHost != "" && c.Host == "":
		return errors.New("PUSHER_PUBLIC_HOST is set without PUSHER_HOST: set both or neither")
	case c.Cluster != "" && !clusterName.MatchString(c.Cluster):
		return fmt.Errorf("PUSHER_CLUSTER is %q: it must be a cluster's name, such as eu", c.Cluster)
	}
	return nil
}

func (c Config) validateSchemes() error {
	switch {
	case c.Scheme != "http" && c.Scheme != "https":
		return fmt.Errorf("PUSHER_SCHEME is %q: it must be http or https", c.Scheme)
	case c.PublicScheme == "":
		return nil
	case c.PublicScheme != "http" && c.PublicScheme != "https":
		return fmt.Errorf("PUSHER_PUBLIC_SCHEME is %q: it must be http or https", c.PublicScheme)
	case c.Host == "":
		return errors.New("PUSHER_PUBLIC_SCHEME is set without PUSHER_HOST: set both or neither")
	}
	return nil
}

func (c Config) validateAddresses() error {
	if c.Host != "" {
		if _, _, err := splitAddress(c.Host, c.secure()); err != nil {
			return fmt.Errorf("PUSHER_HOST is %q: it must be host:port, such as pusher.internal:6001: %w", c.Host, err)
		}
	}
	if c.PublicHost != "" {
		if _, _, err := splitAddress(c.PublicHost, c.secure()); err != nil {
			return fmt.Errorf("PUSHER_PUBLIC_HOST is %q: it must be host or host:port, such as ws.example.com: %w", c.PublicHost, err)
		}
	}
	return nil
}

func (c Config) validateKey() error {
	if c.MasterKey == "" {
		return nil
	}
	if key, err := base64.StdEncoding.DecodeString(c.MasterKey); err != nil || len(key) != 32 {
		return errors.New("PUSHER_ENCRYPTION_MASTER_KEY is not 32 bytes in base64: make one with `openssl rand -base64 32`")
	}
	return nil
}

var (
	clusterName = regexp.MustCompile(`^[a-z0-9-]+$`)
	appID       = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
)

func (c Config) validateApp() error {
	var missing []string
	for _, v := range []struct{ name, value string }{
		{"PUSHER_APP_ID", c.AppID}, {"PUSHER_KEY", c.Key}, {"PUSHER_SECRET", c.Secret},
	} {
		if v.value == "" {
			missing = append(missing, v.name)
		}
	}
	switch {
	case len(missing) == 3 && c.Embedded():
		return nil // OwnApp makes one
	case len(missing) > 0:
		return fmt.Errorf("%s must be set too: PUSHER_APP_ID, PUSHER_KEY and PUSHER_SECRET belong together, and to PUSHER_CLUSTER or PUSHER_HOST",
			strings.Join(missing, " and "))
	}
	for name, value := range map[string]string{"PUSHER_APP_ID": c.AppID, "PUSHER_KEY": c.Key} {
		if !appID.MatchString(value) {
			return fmt.Errorf("%s is %q: it must be letters, digits, - and _", name, value)
		}
	}
	return nil
}
