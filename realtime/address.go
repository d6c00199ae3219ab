package realtime

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"lorebridge/auth"
)

// Connection is the settings with which a browser connects. Either Cluster is set, or Host and Port are. Host has the
// form that it has in a URL: an IPv6 address is in brackets.
type Connection struct {
	Key     string
	Cluster string
	Host    string
	Port    int
	TLS     bool
	Channel string
	// NoticeChannel is empty with the embedded server.
	NoticeChannel string
}

// Connection returns the settings for a person's browser. With the embedded server the address is the one at which
// client reached us. The error means that this address is not one that browsers can connect to.
func (p *People) Connection(client auth.Client, userID int) (Connection, error) {
	c := Connection{Key: p.config.Key, Channel: p.Channel(userID)}
	if !p.config.Embedded() {
		c.NoticeChannel = noticeChannel
	}
	switch {
	case p.config.Cluster != "":
		c.Cluster, c.TLS = p.config.Cluster, true
		return c, nil
	case p.config.Embedded():
		return c.at(client.Host, client.TLS)
	default:
		return c.at(cmp.Or(p.config.PublicHost, p.config.Host), p.config.publicSecure(p.publicURL, client.TLS))
	}
}

// at returns c with this address.
func (c Connection) at(hostport string, tls bool) (Connection, error) {
	host, port, err := splitAddress(hostport, tls)
	if err != nil {
		return Connection{}, fmt.Errorf("find the address of pusher: %w", err)
	}
	c.Host, c.Port, c.TLS = host, port, tls
	return c, nil
}

// publicSecure reports whether browsers reach another server over TLS. If only PublicHost is set, they use TLS there if
// they use it with us, because a page on https can open only such sockets. pageTLS reports whether the browser reached
// us over TLS.
func (c Config) publicSecure(publicURL string, pageTLS bool) bool {
	switch {
	case c.PublicScheme != "":
		return c.PublicScheme == "https"
	case c.PublicHost == "":
		return c.secure()
	case publicURL != "":
		return strings.HasPrefix(strings.ToLower(publicURL), "https:")
	}
	return c.secure() || pageTLS
}

// Origins returns the origins, besides its own, that a page must be allowed to connect to so that it can use a
// Connection. They are in the form of a Content-Security-Policy. publicURL is the URL at which browsers reach the
// server. It is empty if that is known only from their requests.
func (c Config) Origins(publicURL string) []string {
	switch {
	case c.Cluster != "": // pusher-js uses the second if WebSockets are blocked
		return []string{"wss://ws-" + c.Cluster + ".pusher.com", "https://sockjs-" + c.Cluster + ".pusher.com"}
	case c.Host != "":
		address := cmp.Or(c.PublicHost, c.Host)
		origins := socketOrigins(address, c.publicSecure(publicURL, false))
		for _, origin := range socketOrigins(address, c.publicSecure(publicURL, true)) { // some browsers may reach us over TLS
			if !slices.Contains(origins, origin) {
				origins = append(origins, origin)
			}
		}
		return origins
	}
	if public, err := url.Parse(publicURL); err == nil && public.Host != "" {
		return socketOrigins(public.Host, public.Scheme == "https")
	}
	return nil
}

// socketOrigins returns the origins of WebSockets at an address. Without TLS there are two. The reason is that
// pusher-js also tries TLS if nothing answers, and that browsers distinguish ws from wss in a policy. A policy cannot
// contain an IPv6 address or a name that is not ASCII. For these the result permits every origin of the scheme.
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
		origins[i] += "//" + host + ":" + strconv.Itoa(port)
	}
	return origins
}

var (
	// policyHost matches host-part of Content-Security-Policy Level 3, section 2.3.1, without wildcards.
	policyHost = regexp.MustCompile(`^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$`)
	// hostName matches a name that browsers accept, also one that is not ASCII.
	hostName = regexp.MustCompile(`^[\p{L}\p{M}\p{N}._-]+$`)
	// numberLabel matches a name that browsers read as an IPv4 address, because its last label is a number.
	numberLabel = regexp.MustCompile(`(^|\.)(\d+|0[xX][0-9A-Fa-f]*)\.?$`)
)

// errNoAddress is the error of splitAddress.
var errNoAddress = errors.New("not a host, or not one that browsers take, or not a port from 1 to 65535")

// splitAddress splits host[:port]. Without a port it returns that of HTTPS or HTTP. The host keeps its form in a URL:
// an IPv6 address stays in brackets. It returns errNoAddress unless browsers accept the host in a URL, so an address
// with a zone is an error.
func splitAddress(hostport string, tls bool) (host string, port int, err error) {
	host, text := hostport, ""
	if end := strings.LastIndexByte(hostport, ':'); end > strings.LastIndexByte(hostport, ']') {
		if host, text = hostport[:end], hostport[end+1:]; text == "" {
			return "", 0, errNoAddress
		}
	}
	if !isHost(host) {
		return "", 0, errNoAddress
	}
	if text == "" {
		if tls {
			return host, 443, nil
		}
		return host, 80, nil
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil || number == 0 {
		return "", 0, errNoAddress
	}
	return host, int(number), nil
}

// isHost reports whether browsers accept a text as the host of a URL.
func isHost(host string) bool {
	if inside, ok := strings.CutPrefix(host, "["); ok {
		address, err := netip.ParseAddr(strings.TrimSuffix(inside, "]"))
		return err == nil && strings.HasSuffix(inside, "]") && address.Is6() && address.Zone() == ""
	}
	if numberLabel.MatchString(host) {
		address, err := netip.ParseAddr(strings.TrimSuffix(host, "."))
		return err == nil && address.Is4()
	}
	return hostName.MatchString(host) && strings.Trim(host, ".") != ""
}
