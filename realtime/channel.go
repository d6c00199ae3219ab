package realtime

import (
	"context"
	"strconv"

	"lorebridge/bridge"
)

// The channel of a person is private-user-{id}, which is a contract. With end-to-end encryption it begins with
// private-encrypted-, as pusher-js wants it. A namespace stands before user-, with a dot behind it: installations that
// share one app at Pusher have names of their own.
const (
	privatePrefix   = "private-"
	encryptedPrefix = "private-encrypted-"
	personPart      = "user-"
)

func (c Config) encrypts() bool { return c.MasterKey != "" }

// Channel is the channel of a person, on which their events arrive.
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

// Owns is a bridge.Owner: it grants people's channels to their people. Only the name that is sent to is granted: who
// asks for one from before a setting changed must read realtime again.
func (p *People) Owns(_ context.Context, v bridge.Viewer, channel string) (bool, error) {
	return v.User != "" && channel == p.channelPrefix()+v.User, nil
}
