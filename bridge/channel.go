package bridge

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// The names of channels. A person's is private-user-{id}, which is a contract, a subscription's private-gql-{secret}.
// With end-to-end encryption they begin with private-encrypted-, as pusher-js wants it. A namespace stands before
// user- and gql-, with a dot behind it: installations that share one app at Pusher have names of their own.
const (
	privatePrefix    = "private-"
	encryptedPrefix  = "private-encrypted-"
	personPart       = "user-"
	subscriptionPart = "gql-"
)

// maxNamespace leaves room in a channel's name, of which Pusher takes 164 bytes.
const maxNamespace = 64

var namespaces = regexp.MustCompile(`^[A-Za-z0-9_-]*$`)

// validateNamespace accepts what cannot be confused with a kind of channel.
func validateNamespace(name string) error {
	if len(name) > maxNamespace || !namespaces.MatchString(name) || strings.HasPrefix(name, "encrypted-") || strings.HasPrefix(name, "cache-") {
		return fmt.Errorf("PUSHER_CHANNEL_NAMESPACE is %.100q: it must be at most %d letters, digits, - and _, and not begin with encrypted- or cache-",
			name, maxNamespace)
	}
	return nil
}

// prefix is the beginning of the names of one kind of channels, encrypted or not.
func (c Config) prefix(encrypted bool, part string) string {
	prefix := privatePrefix
	if encrypted {
		prefix = encryptedPrefix
	}
	if c.Namespace != "" {
		prefix += c.Namespace + "."
	}
	return prefix + part
}

func (c Config) encrypts() bool { return c.MasterKey != "" }

// Channel is the channel of a person, on which their events arrive.
func (b *Bridge) Channel(userID int) string {
	return b.config.prefix(b.config.encrypts(), personPart) + strconv.Itoa(userID)
}

// newChannel names the channel of a new subscription. Its prefix lets Pusher list it, and the rest cannot be guessed.
func (b *Bridge) newChannel() string {
	var secret [16]byte
	_, _ = rand.Read(secret[:]) // never fails, by its contract
	return b.config.prefix(b.config.encrypts(), subscriptionPart) + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret[:]))
}

// subscriptionPrefixes are the beginnings of the names of subscriptions' channels, also of those from before
// encryption was turned on or off.
func (c Config) subscriptionPrefixes() []string {
	return []string{c.prefix(false, subscriptionPart), c.prefix(true, subscriptionPart)}
}

// subscriptionChannels are the names that a subscription's channel can have, with whatever namespace, encrypted or not.
var subscriptionChannels = regexp.MustCompile(`^private-(encrypted-)?([A-Za-z0-9_-]+\.)?gql-`)

// isSubscriptionChannel says that a channel can be a subscription's of this installation, also one from before a
// setting changed. Whether it is, only the database knows.
func (b *Bridge) isSubscriptionChannel(channel string) bool {
	return subscriptionChannels.MatchString(channel)
}

// isCurrent says that the channel of a subscription is named as a new one's would be.
func (b *Bridge) isCurrent(channel string) bool {
	return strings.HasPrefix(channel, b.config.prefix(b.config.encrypts(), subscriptionPart))
}

// encrypted says that what is sent on a channel is encrypted end to end.
func encrypted(channel string) bool { return strings.HasPrefix(channel, encryptedPrefix) }
