package pusherserver

import (
	"fmt"
	"strings"
)

// maxChannelNameLength is the limit of the client libraries. The document of the service has 164.
const maxChannelNameLength = 200

// Prefixes of channels that need a signature. An encrypted channel is a private channel whose data the server cannot
// read.
const (
	privatePrefix   = "private-"
	encryptedPrefix = "private-encrypted-"
	presencePrefix  = "presence-"
	cachePart       = "cache-" // after the prefix of the kind
)

// channelError is why a channel cannot be used. reason is for the developer of the client.
type channelError struct {
	unsupported bool // the protocol has such channels, but this server has not
	reason      string
}

func (e *channelError) Error() string { return e.reason }

// checkChannel returns a *channelError unless name is a channel of this server. longest is in bytes.
func checkChannel(name string, longest int) error {
	switch {
	case name == "":
		return &channelError{reason: "channel name is missing"}
	case len(name) > longest:
		return &channelError{reason: fmt.Sprintf("channel name has %d characters, at most %d are allowed", len(name), longest)}
	}
	for _, prefix := range []string{presencePrefix, "#server-to-user-"} {
		if strings.HasPrefix(name, prefix) {
			return &channelError{unsupported: true, reason: fmt.Sprintf("channels starting with %q are not supported, "+
				"only public, private- and private-encrypted- channels are, and their cache- kinds", prefix)}
		}
	}
	for i := range len(name) {
		if !isChannelByte(name[i]) {
			return &channelError{reason: fmt.Sprintf(
				"channel name %q is invalid: only letters, digits and -_=@,.; are allowed", name)}
		}
	}
	return nil
}

// isChannelByte follows the pattern in the document of the service ("Channel naming conventions"). The pattern is ASCII
// only. So a valid name has as many bytes as characters.
func isChannelByte(b byte) bool {
	switch b {
	case '-', '_', '=', '@', ',', '.', ';':
		return true
	}
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
}

// isPrivate reports whether channel needs a signature. Encrypted channels are private, too.
func isPrivate(channel string) bool { return strings.HasPrefix(channel, privatePrefix) }

func isEncrypted(channel string) bool { return strings.HasPrefix(channel, encryptedPrefix) }

// isCache reports whether the last event of channel is kept for later subscribers.
func isCache(channel string) bool {
	name, ok := strings.CutPrefix(channel, encryptedPrefix)
	if !ok {
		name = strings.TrimPrefix(channel, privatePrefix)
	}
	return strings.HasPrefix(name, cachePart)
}
