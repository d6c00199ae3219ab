package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// hostName matches a host that is not an address, as browsers write it: in ASCII, with punycode.
var hostName = regexp.MustCompile(`^[a-z0-9._-]+$`)

// opaqueSchemes are schemes without pages, or with pages whose origin is always "null".
var opaqueSchemes = []string{"about", "blob", "data", "file", "javascript", "ws", "wss"}

// parseOrigin returns the origin s in the form that browsers send in the header Origin. Scheme and host are in lower
// case, an IPv6 address is in its shortest form, and the scheme's default port is left out. Any scheme with a host is
// allowed, such as capacitor. An error describes for operators what is wrong with s.
func parseOrigin(s string) (string, error) {
	u, err := url.Parse(s)
	switch {
	case strings.EqualFold(s, "null"):
		return "", errors.New("every sandboxed page and every file calls itself null, so it cannot be allowed")
	case strings.Contains(s, "*"):
		return "", errors.New("patterns are not supported: name each origin")
	case err == nil && slices.Contains(opaqueSchemes, u.Scheme):
		return "", fmt.Errorf("no page has an origin with the scheme %s", u.Scheme)
	case err != nil || u.Scheme == "" || u.Host == "" || u.User != nil || strings.ContainsAny(s, "?#%\\") || (u.Path != "" && u.Path != "/"):
		return "", errors.New("it is not an origin")
	}
	host, err := parseHost(u)
	if err != nil {
		return "", err
	}
	port := u.Port()
	if port != "" {
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return "", fmt.Errorf("there is no port %s", port)
		}
		port = ":" + strconv.FormatUint(number, 10)
	}
	if u.Scheme == "http" && port == ":80" || u.Scheme == "https" && port == ":443" {
		port = ""
	}
	return u.Scheme + "://" + host + port, nil
}

// parseHost returns the host of u without its port.
func parseHost(u *url.URL) (string, error) {
	host := strings.ToLower(u.Hostname())
	address, err := netip.ParseAddr(host)
	switch {
	case strings.HasPrefix(u.Host, "["):
		if err != nil || !address.Is6() {
			return "", fmt.Errorf("%s is not an IPv6 address", host)
		}
		if address.Is4In6() { // browsers write all of it in hexadecimal
			b := address.As16()
			return fmt.Sprintf("[::ffff:%x:%x]", int(b[12])<<8|int(b[13]), int(b[14])<<8|int(b[15])), nil
		}
		return "[" + address.String() + "]", nil
	case err == nil:
		return address.String(), nil
	case strings.ContainsFunc(host, func(r rune) bool { return r > '~' }):
		return "", errors.New("the host must be written in ASCII, as browsers send it, such as xn--bcher-kva.example")
	case !hostName.MatchString(host):
		return "", fmt.Errorf("%q cannot be a host", host)
	case isWeb(u.Scheme) && endsInNumber(host): // a browser would read it as an IPv4 address
		return "", fmt.Errorf("%s is not an IPv4 address of four numbers", host)
	}
	return host, nil
}

func isWeb(scheme string) bool { return scheme == "http" || scheme == "https" }

// endsInNumber implements the "ends in a number checker" of the URL standard, section 3.5.
func endsInNumber(host string) bool {
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	_, err := strconv.ParseUint(labels[len(labels)-1], 0, 64)
	return err == nil || strings.Trim(labels[len(labels)-1], "0123456789") == ""
}
