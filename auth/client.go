package auth

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/realclientip/realclientip-go"
)

// Client is the address of the client of a request, and the host that the client used to reach us.
type Client struct {
	// Address is the peer's, or the one that trusted proxies report. It is the zero Addr if neither is an address.
	Address netip.Addr
	// Host is the host that the browser used to reach us. It has a port unless that is the default of the scheme.
	Host string
	// TLS reports whether the browser speaks TLS, to us or to a proxy before us.
	TLS bool
}

type clientKey struct{}

// ClientFrom returns the client of the request of ctx, or the zero Client outside of a request.
func ClientFrom(ctx context.Context) Client {
	c, _ := ctx.Value(clientKey{}).(Client)
	return c
}

// Key returns what limits count by: the IPv4 address, or the /64 network of an IPv6 address, because an IPv6 client
// can choose any address in its network.
func (c Client) Key() string {
	if address := c.Address.Unmap(); address.Is6() {
		if network, err := address.Prefix(64); err == nil {
			return network.String()
		}
	}
	return c.Address.Unmap().String()
}

// clients finds the Client of a request.
type clients struct {
	public  *url.URL // nil: take it from the request
	proxies []netip.Prefix
	// forwarded reads X-Forwarded-For from the right up to the first address that is not a proxy's.
	forwarded realclientip.RightmostTrustedRangeStrategy
}

func newClients(c Config) (*clients, error) {
	found := &clients{}
	if c.PublicURL != "" {
		public, err := url.Parse(c.PublicURL)
		if err != nil {
			return nil, err
		}
		found.public = public
	}
	if len(c.TrustedProxies) == 0 {
		return found, nil
	}
	for _, s := range c.TrustedProxies {
		network, err := parseNetwork(s)
		if err != nil {
			return nil, err
		}
		found.proxies = append(found.proxies, network)
	}
	ranges, err := realclientip.AddressesAndRangesToIPNets(c.TrustedProxies...)
	if err != nil {
		return nil, err
	}
	found.forwarded, err = realclientip.NewRightmostTrustedRangeStrategy("X-Forwarded-For", ranges)
	return found, err
}

func (f *clients) of(r *http.Request) Client {
	c := Client{Host: r.Host, TLS: r.TLS != nil}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		c.Address, _ = netip.ParseAddr(host)
	}
	if f.trusts(c.Address) {
		if address, err := netip.ParseAddr(f.forwarded.ClientIP(r.Header, r.RemoteAddr)); err == nil {
			c.Address = address
		}
		c.TLS = forwardedTLS(r.Header.Values("X-Forwarded-Proto"), c.TLS)
	}
	if f.public != nil {
		c.Host, c.TLS = f.public.Host, f.public.Scheme == "https"
	}
	return c
}

// forwardedTLS reports whether the browser spoke TLS to the first proxy that names a scheme. Lists may be joined or
// repeated. It returns direct if no proxy names a scheme.
func forwardedTLS(schemes []string, direct bool) bool {
	for scheme := range strings.SplitSeq(strings.Join(schemes, ","), ",") {
		switch strings.ToLower(strings.Trim(scheme, " \t\"")) {
		case "":
			continue
		case "https", "wss":
			return true
		}
		return direct
	}
	return direct
}

func (f *clients) trusts(address netip.Addr) bool {
	for _, network := range f.proxies {
		if network.Contains(address.Unmap()) {
			return true
		}
	}
	return false
}
