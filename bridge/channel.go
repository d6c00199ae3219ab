package bridge

import (
	"crypto/rand"
	"encoding/base32"
	"regexp"
	"strings"
)

// The channel of a subscription is private-gql-{secret}. With end-to-end encryption it begins with private-encrypted-,
// as pusher-js wants it. A namespace stands before gql-, with a dot behind it.
const (
	privatePrefix    = "private-"
	encryptedPrefix  = "private-encrypted-"
	subscriptionPart = "gql-"
)

// naming names the channels of an installation's subscriptions.
type naming struct {
	namespace string
	encrypts  bool
}

// prefix is the beginning of the names, encrypted or not.
func (n naming) prefix(encrypted bool) string {
	prefix := privatePrefix
	if encrypted {
		prefix = encryptedPrefix
	}
	if n.namespace != "" {
		prefix += n.namespace + "."
	}
	return prefix + subscriptionPart
}

// newChannel names the channel of a new subscription. Its prefix lets Pusher list it, and the rest cannot be guessed.
func newChannel(prefix string) string {
	var secret [16]byte
	_, _ = rand.Read(secret[:]) // never fails, by its contract
	return prefix + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret[:]))
}

// prefixes are the beginnings of the names of subscriptions' channels, also of those from before encryption was turned
// on or off.
func (n naming) prefixes() []string { return []string{n.prefix(false), n.prefix(true)} }

// subscriptionChannels are the names that a subscription's channel can have, with whatever namespace, encrypted or not.
var subscriptionChannels = regexp.MustCompile(`^private-(encrypted-)?([A-Za-z0-9_-]+\.)?gql-`)

// isSubscriptionChannel reports whether a channel can be a subscription's of this installation, also one from before a
// setting changed. Whether it is, only the store knows.
func isSubscriptionChannel(channel string) bool { return subscriptionChannels.MatchString(channel) }

// encrypted reports whether events on a channel are encrypted end to end.
func encrypted(channel string) bool { return strings.HasPrefix(channel, encryptedPrefix) }
