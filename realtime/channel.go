package realtime

import (
	"context"
	"strconv"

	"lorebridge/bridge"
)

// The channel of a person is private-user-{id}. docs/protocol.md promises this name to clients. With end-to-end
// encryption it begins with private-encrypted-, because pusher-js requires that. A namespace and a dot come before
// user-, so that installations that share one app at Pusher have different names.
const (
	privatePrefix   = "private-"
	encryptedPrefix = "private-encrypted-"
	personPart      = "user-"
)

// encrypts reports whether events are encrypted end to end.
func (c Config) encrypts() bool { return c.MasterKey != "" }

// Channel returns the name of the channel on which a person's events arrive.
func (p *People) Channel(userID int) string { return p.channelPrefix() + strconv.Itoa(userID) }

func (p *People) channelPrefix() string {
	prefix := privatePrefix
	if p.config.encrypts() {
		prefix = encryptedPrefix
	}
	if p.config.Namespace != "" {
		prefix += p.config.Namespace + "."
	}
	return prefix + personPart
}

// Owns is a bridge.Owner: it reports whether a channel is the one on which the viewer's events arrive. It reports false
// for a name with other settings. A client that still uses such a name must query realtime again.
func (p *People) Owns(_ context.Context, v bridge.Viewer, channel string) (bool, error) {
	return v.User != "" && channel == p.channelPrefix()+v.User, nil
}
