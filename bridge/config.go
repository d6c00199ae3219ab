package bridge

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Config says which Pusher to use: hosted with Cluster, another server with Host, the embedded one with neither.
type Config struct {
	AppID      string `env:"PUSHER_APP_ID" help:"the app at Pusher; with KEY and SECRET"`
	Key        string `env:"PUSHER_KEY" help:"its key"`
	Secret     string `env:"PUSHER_SECRET" help:"its secret"`
	Cluster    string `env:"PUSHER_CLUSTER" help:"the cluster of hosted Pusher, such as eu"`
	Host       string `env:"PUSHER_HOST" help:"another server that speaks the protocol, host:port; with neither this nor a cluster the embedded one serves"`
	Scheme     string `env:"PUSHER_SCHEME" envDefault:"https" help:"http or https, for PUSHER_HOST"`
	PublicHost string `env:"PUSHER_PUBLIC_HOST" help:"how browsers reach PUSHER_HOST, if by another name"`
	// MasterKey turns on end-to-end encryption: 32 bytes in base64.
	MasterKey string `env:"PUSHER_ENCRYPTION_MASTER_KEY" help:"32 bytes in base64: turns end-to-end encryption on"`
}

// Embedded says that the server's own pusherserver is the Pusher.
func (c Config) Embedded() bool { return c.Cluster == "" && c.Host == "" }

// secure says that Pusher's HTTP API and its WebSockets are reached over TLS; the embedded server is reached as we are.
func (c Config) secure() bool { return c.Cluster != "" || (c.Host != "" && c.Scheme == "https") }

// Origins are those besides its own that a page must be allowed to connect to where Connection sends its browser, as a
// Content-Security-Policy names them. publicURL is how browsers reach the server; empty where only their requests say it, for then it is
// as they reached the page.
func (c Config) Origins(publicURL string) []string {
	switch {
	case c.Cluster != "": // the second is what pusher-js falls back to where WebSockets do not come through
		return []string{"wss://ws-" + c.Cluster + ".pusher.com", "https://sockjs-" + c.Cluster + ".pusher.com"}
	case c.Host != "":
		return socketOrigins(cmp.Or(c.PublicHost, c.Host), c.secure())
	}
	if public, err := url.Parse(publicURL); err == nil && public.Host != "" {
		return socketOrigins(public.Host, public.Scheme == "https")
	}
	return nil
}

// socketOrigins are the origins of WebSockets at an address: without TLS two, for pusher-js tries TLS as well where nothing answers, and
// browsers do not take the one for the other. A policy has no words for IPv6 addresses and for names that are not ASCII: there it has
// to be every origin of the scheme.
func socketOrigins(hostport string, tls bool) []string {
	origins := []string{"ws:", "wss:"}
	if tls {
		origins = origins[1:]
	}
	host, port, err := splitAddress(hostport, tls)
	if err != nil || !policyHost.MatchString(host) {
		return origins
	}
	for i := range origins {
		origins[i] += "//" + net.JoinHostPort(host, strconv.Itoa(port))
	}
	return origins
}

// HasApp says that the app's credentials are configured.
func (c Config) HasApp() bool { return c.AppID != "" }

// Validate names the variable that is wrong or missing and what it may be.
func (c Config) Validate() error {
	if err := c.validateApp(); err != nil {
		return err
	}
	if c.Cluster != "" && c.Host != "" {
		return errors.New("PUSHER_CLUSTER and PUSHER_HOST are both set: hosted Pusher has a cluster, another server a host; unset one")
	}
	if c.PublicHost != "" && c.Host == "" {
		return errors.New("PUSHER_PUBLIC_HOST is set without PUSHER_HOST: set both or neither")
	}
	if c.Cluster != "" && !clusterName.MatchString(c.Cluster) {
		return fmt.Errorf("PUSHER_CLUSTER is %q: it must be a cluster's name, such as eu", c.Cluster)
	}
	if c.Scheme != "http" && c.Scheme != "https" {
		return fmt.Errorf("PUSHER_SCHEME is %q: it must be http or https", c.Scheme)
	}
	if c.Host != "" {
		if _, _, err := splitAddress(c.Host, c.secure()); err != nil {
			return fmt.Errorf("PUSHER_HOST is %q: it must be host:port, such as pusher.internal:6001", c.Host)
		}
	}
	if c.PublicHost != "" {
		if _, _, err := splitAddress(c.PublicHost, c.secure()); err != nil {
			return fmt.Errorf("PUSHER_PUBLIC_HOST is %q: it must be host or host:port, such as ws.example.com", c.PublicHost)
		}
	}
	if c.MasterKey != "" {
		if key, err := base64.StdEncoding.DecodeString(c.MasterKey); err != nil || len(key) != 32 {
			return errors.New("PUSHER_ENCRYPTION_MASTER_KEY is not 32 bytes in base64: make one with `openssl rand -base64 32`")
		}
	}
	return nil
}

var (
	clusterName = regexp.MustCompile(`^[a-z0-9-]+$`)
	appID       = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	// policyHost is a host as the grammar of Content-Security-Policy has it.
	policyHost = regexp.MustCompile(`^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$`)
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
		return nil // the embedded server makes its own app
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

// splitAddress splits host[:port]; without a port it is that of HTTPS or HTTP. Only what a URL can have as its host is one.
func splitAddress(hostport string, tls bool) (host string, port int, err error) {
	u, err := url.Parse("//" + hostport)
	if err != nil || u.Host != hostport || u.Hostname() == "" || strings.HasSuffix(hostport, ":") ||
		strings.Contains(u.Hostname(), ":") && hostport[0] != '[' {
		return "", 0, errors.New("not host:port")
	}
	text := cmp.Or(u.Port(), "80")
	if u.Port() == "" && tls {
		text = "443"
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 {
		return "", 0, errors.New("not host:port")
	}
	return u.Hostname(), port, nil
}
