package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Config is what an operator sets.
type Config struct {
	// PublicURL is the address that browsers use: scheme://host[:port]. If it is empty, the request names it.
	PublicURL string `env:"PUBLIC_URL" help:"how browsers reach the server, scheme://host[:port]; as the request says if empty"`
	// TrustedProxies are the networks whose X-Forwarded-For and X-Forwarded-Proto count.
	TrustedProxies []string `env:"TRUSTED_PROXIES" help:"networks whose X-Forwarded-For and -Proto count, separated by commas"`
	// Origins are the other origins whose pages may call the API. Any scheme with a host is allowed, because apps in
	// a web view have their own schemes.
	Origins []string `env:"CORS_ORIGINS" help:"other origins whose pages may call the API, also capacitor://localhost, separated by commas"`

	SignInsPerAddress int `env:"SIGN_INS_PER_ADDRESS" envDefault:"10" help:"a whole number: attempts a minute to sign in from one client address"`
	SignInsPerAccount int `env:"SIGN_INS_PER_ACCOUNT" envDefault:"5" help:"a whole number: attempts a minute to sign in to one account from one client address"`
	SignUpsPerAddress int `env:"SIGN_UPS_PER_ADDRESS" envDefault:"10" help:"a whole number: attempts a minute to sign up from one client address"`
}

// IsLocal reports whether neither a public name nor a proxy is configured, so that the server is for this machine
// alone.
func (c Config) IsLocal() bool { return c.PublicURL == "" && len(c.TrustedProxies) == 0 }

// Validate returns an error that names the wrong variable and its allowed values.
func (c Config) Validate() error {
	if c.PublicURL != "" {
		if err := validatePublicURL(c.PublicURL); err != nil {
			return err
		}
	}
	for _, origin := range c.Origins {
		if _, err := parseOrigin(origin); err != nil {
			return fmt.Errorf("CORS_ORIGINS has %q: %w: it must be origins such as https://app.example.com or capacitor://localhost, "+
				"separated by commas", origin, err)
		}
	}
	for _, network := range c.TrustedProxies {
		if _, err := parseNetwork(network); err != nil {
			return fmt.Errorf("TRUSTED_PROXIES has %q: it must be IP addresses or networks such as 10.0.0.0/8, separated by commas", network)
		}
	}
	for name, limit := range map[string]int{
		"SIGN_INS_PER_ADDRESS": c.SignInsPerAddress,
		"SIGN_INS_PER_ACCOUNT": c.SignInsPerAccount,
		"SIGN_UPS_PER_ADDRESS": c.SignUpsPerAddress,
	} {
		if limit < 1 {
			return fmt.Errorf("%s is %d: it must be a number a minute, at least 1", name, limit)
		}
	}
	return nil
}

func validatePublicURL(s string) error {
	const allowed = "it must be http or https, scheme://host or scheme://host:port, such as https://lore.example.com"
	origin, err := parseOrigin(s)
	if scheme, _, _ := strings.Cut(origin, "://"); err == nil && !isWeb(scheme) {
		err = errors.New("no browser can open it")
	}
	if err != nil {
		return fmt.Errorf("PUBLIC_URL has %q: %w: %s", s, err, allowed)
	}
	return nil
}

// parseNetwork parses a network. A single address becomes a network of one address.
func parseNetwork(s string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(s); err == nil {
		return address.Prefix(address.BitLen())
	}
	return netip.ParsePrefix(s)
}
