package auth

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// Config says whom to trust with what.
type Config struct {
	// PublicURL is how browsers reach the server: scheme://host[:port]. Empty: as the request says.
	PublicURL string `env:"PUBLIC_URL" help:"how browsers reach the server, scheme://host[:port]; as the request says if empty"`
	// TrustedProxies are the networks whose X-Forwarded-For and X-Forwarded-Proto count.
	TrustedProxies []string `env:"TRUSTED_PROXIES" help:"networks whose X-Forwarded-For and -Proto count, separated by commas"`
	// Origins are the other origins whose pages may call the API.
	Origins []string `env:"CORS_ORIGINS" help:"other origins whose pages may call the API, separated by commas"`

	SignInsPerAddress int `env:"SIGN_INS_PER_ADDRESS" envDefault:"10" help:"a whole number: attempts a minute to sign in from one client address"`
	SignInsPerAccount int `env:"SIGN_INS_PER_ACCOUNT" envDefault:"5" help:"a whole number: attempts a minute to sign in to one account from one client address"`
	SignUpsPerAddress int `env:"SIGN_UPS_PER_ADDRESS" envDefault:"10" help:"a whole number: attempts a minute to sign up from one client address"`
}

// TrustedOrigins are those whose pages may call the API: Origins, and the server's own where it is configured, for browsers name it
// beside a Host that a proxy may have changed.
func (c Config) TrustedOrigins() []string {
	var trusted []string
	if c.PublicURL != "" {
		trusted = append(trusted, strings.TrimSuffix(c.PublicURL, "/"))
	}
	for _, origin := range c.Origins {
		trusted = append(trusted, strings.TrimSuffix(origin, "/"))
	}
	return trusted
}

// Validate names the variable that is wrong and what it may be.
func (c Config) Validate() error {
	if c.PublicURL != "" {
		if err := validateOrigin("PUBLIC_URL", c.PublicURL); err != nil {
			return err
		}
	}
	for _, origin := range c.Origins {
		if err := validateOrigin("CORS_ORIGINS", origin); err != nil {
			return err
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

func validateOrigin(name, s string) error {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.Contains(u.Host, "*") || u.User != nil ||
		strings.TrimSuffix(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%s has %q: it must be scheme://host or scheme://host:port, such as https://lore.example.com", name, s)
	}
	return nil
}

// parseNetwork reads a network, or an address as the network of itself.
func parseNetwork(s string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(s); err == nil {
		return address.Prefix(address.BitLen())
	}
	return netip.ParsePrefix(s)
}
