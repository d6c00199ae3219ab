package bridge

import (
	"fmt"
	"time"

	"lorebridge/auth"
	"lorebridge/outbox"
)

// registrationsPerPlace is how often a minute a person may use each of their places.
const registrationsPerPlace = 5

// reserve takes one of a person's places for a subscription to a topic, or returns an *auth.RateLimitError. From now
// on the topic notes what is published.
func (s *Subscriptions) reserve(t outbox.Topic, userID int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.perUser[userID] >= s.config.PerPerson {
		return &auth.RateLimitError{RetryAfter: joinTimeout, Limit: fmt.Sprintf(
			"a person may have %d subscriptions and streams at a time (SUBSCRIPTIONS_PER_PERSON): end one that is not needed, "+
				"or wait until one that nobody joined has ended", s.config.PerPerson)}
	}
	s.perUser[userID]++
	s.hold(t)
	return nil
}

// tooManyNew names the limit of new subscriptions in an error about it.
func (s *Subscriptions) tooManyNew(wait time.Duration) error {
	return &auth.RateLimitError{RetryAfter: wait, Limit: fmt.Sprintf(
		"a person may begin %d subscriptions a minute (%d times SUBSCRIPTIONS_PER_PERSON): keep those that you have",
		registrationsPerPlace*s.config.PerPerson, registrationsPerPlace)}
}

// release gives back what reserve took. s.mu is held.
func (s *Subscriptions) release(t outbox.Topic, userID int) {
	s.free(userID)
	s.drop(t)
}

// place gives a subscription whose client is there, or about to be, a place of its person's. Without force it reports
// false where none is left. s.mu is held.
func (s *Subscriptions) place(sub *subscription, force bool) bool {
	switch {
	case sub.placed:
		return true
	case !force && s.perUser[sub.viewer.UserID] >= s.config.PerPerson:
		return false
	}
	s.perUser[sub.viewer.UserID]++
	sub.placed = true
	return true
}

// unplace takes a subscription's place away, if it has one. s.mu is held.
func (s *Subscriptions) unplace(sub *subscription) {
	if sub.placed {
		sub.placed = false
		s.free(sub.viewer.UserID)
	}
}

// free gives a place back. s.mu is held.
func (s *Subscriptions) free(userID int) {
	s.perUser[userID]--
	if s.perUser[userID] == 0 {
		delete(s.perUser, userID)
	}
}

// hold keeps a topic while one more listens. s.mu is held.
func (s *Subscriptions) hold(t outbox.Topic) {
	if s.topics[t] == nil {
		s.topics[t] = &topic{groups: make(map[groupKey]*group), feeds: make(map[*feed]struct{})}
	}
	s.topics[t].users++
}

// drop lets go of a topic, which is forgotten with its last listener. s.mu is held.
func (s *Subscriptions) drop(t outbox.Topic) {
	s.topics[t].users--
	if s.topics[t].users == 0 {
		delete(s.topics, t)
	}
}
