package pusherapi

import (
	"net"
	"net/http"
	"time"
)

const (
	// idleTimeout is how long a connection to Pusher is kept without a call. It is shorter than the time after which
	// routers and firewalls usually drop a silent connection.
	idleTimeout = 30 * time.Second
	// pingAfter is how long a connection of HTTP/2 may be silent while a call waits for its answer. Then a ping is
	// sent, which must be answered within pingTimeout. Together they are no more than DefaultTimeout.
	pingAfter   = 3 * time.Second
	pingTimeout = 2 * time.Second
)

// newTransport returns the transport to a Pusher over the network.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: DefaultTimeout}).DialContext,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     idleTimeout,
		TLSHandshakeTimeout: DefaultTimeout,
		HTTP2:               &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
}
