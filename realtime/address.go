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

// Connection is what a browser needs to connect. Cluster is empty if Host and Port are all it needs. Host is as a URL
// has it: an IPv6 address is in brackets.
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

// Connection returns how the browser of a person connects that reached us as client says.
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

// at returns c with an address.
func (c Connection) at(hostport string, tls bool) (Connection, error) {
	host, port, err := splitAddress(hostport, tls)
	if err != nil {
		return Connection{}, fmt.Errorf("find the address of pusher: %w", err)
	}
	c.Host, c.Port, c.TLS = host, port, tls
	return c, nil
}

// publicSecure says that browsers reach another server over TLS. Unless that is configured, they reach it by another
// name as they reach us, because a page on https can open no other socket. pageTLS is how this one reached us.
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

// Origins are those besides its own that a page must be allowed to connect to where Connection sends its browser, as
// a Content-Security-Policy names them. publicURL is how browsers reach the server; empty if only their requests say
// it, because then it is as they reached the page.
func (c Config) Origins(publicURL string) []string {
	switch {
	case c.Cluster != "": // the second is what pusher-js falls back to where WebSockets do not come through
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

// socketOrigins are the origins of WebSockets at an address: without TLS two, because pusher-js tries TLS as well if
// nothing answers, and browsers do not take the one for the other. A policy has no words for IPv6 addresses and for
// names that are not ASCII: there it has to be every origin of the scheme.
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
	// policyHost is a host as the grammar of Content-Security-Policy has it.
	policyHost = regexp.MustCompile(`^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$`)
	// hostName is a name that browsers take, also one that is not ASCII.
	hostName = regexp.MustCompile(`^[\p{L}\p{M}\p{N}._-]+$`)
	// numberLabel is a last label that makes browsers read a name as an IPv4 address.
	numberLabel = regexp.MustCompile(`(^|\.)(\d+|0[xX][0-9A-Fa-f]*)\.?$`)
)

// errNoAddress says that a text is not the host and the port of a URL.
var errNoAddress = errors.New("not a host, or not one that browsers take, or not a port from 1 to 65535")

// splitAddress splits host[:port]; without a port it is that of HTTPS or HTTP. The host stays as a URL has it: an
// IPv6 address keeps its brackets. Only what the URLs of browsers can have as their host is one, so that no address
// has a zone.
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

// isHost says that browsers take a text as the host of a URL.
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
