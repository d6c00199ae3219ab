package pusherserver

import (
	"fmt"
	"strings"
)

// maxChannelNameLength is what the client libraries accept; the document of the service says 164.
const maxChannelNameLength = 200

// Prefixes that change what a subscription needs. An encrypted channel is a private one whose data the server cannot
// read.
const (
	privatePrefix   = "private-"
	encryptedPrefix = "private-encrypted-"
	presencePrefix  = "presence-"
	cachePart       = "cache-" // after the prefix of the kind
)

// channelError tells why a channel cannot be used. reason is written for the developer of the client.
type channelError struct {
	unsupported bool // the protocol knows such channels, this server does not
	reason      string
}

func (e *channelError) Error() string { return e.reason }

// checkChannel returns a *channelError unless name is a channel that this server serves. longest is in bytes.
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

// isChannelByte follows the pattern in the document of the service ("Channel naming conventions"). All of it is
// ASCII, so that bytes and characters of a valid name are the same.
func isChannelByte(b byte) bool {
	switch b {
	case '-', '_', '=', '@', ',', '.', ';':
		return true
	}
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
}

// isPrivate holds for encrypted channels too: to the server both are alike.
func isPrivate(channel string) bool { return strings.HasPrefix(channel, privatePrefix) }

func isEncrypted(channel string) bool { return strings.HasPrefix(channel, encryptedPrefix) }

// isCache reports whether the last event of channel is kept for those who come after it.
func isCache(channel string) bool {
	name, ok := strings.CutPrefix(channel, encryptedPrefix)
	if !ok {
		name = strings.TrimPrefix(channel, privatePrefix)
	}
	return strings.HasPrefix(name, cachePart)
}
