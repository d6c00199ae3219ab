package bridge

// reserve takes one of a person's places for a subscription to a topic, or returns a *LimitError. From now on the topic
// notes what is published. Who is anonymous needs no place.
func (b *Bridge) reserve(t Topic, user string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if user != "" && b.perUser[user] >= b.config.PerViewer {
		return &LimitError{Limit: b.config.PerViewer, Setting: b.config.PerViewerSetting, RetryAfter: joinTimeout}
	}
	b.perUser[user]++
	b.hold(t)
	return nil
}

// release gives back what reserve took. b.mu is held.
func (b *Bridge) release(t Topic, user string) {
	b.free(user)
	b.drop(t)
}

// place gives a subscription whose client is there, or about to be, a place of its person's. Without force it reports
// false where none is left. b.mu is held.
func (b *Bridge) place(sub *subscription, force bool) bool {
	switch {
	case sub.placed:
		return true
	case !force && !sub.viewer.anonymous() && b.perUser[sub.viewer.User] >= b.config.PerViewer:
		return false
	}
	b.perUser[sub.viewer.User]++
	sub.placed = true
	return true
}

// unplace takes a subscription's place away, if it has one. b.mu is held.
func (b *Bridge) unplace(sub *subscription) {
	if sub.placed {
		sub.placed = false
		b.free(sub.viewer.User)
	}
}

// free gives a place back. b.mu is held.
func (b *Bridge) free(user string) {
	b.perUser[user]--
	if b.perUser[user] == 0 {
		delete(b.perUser, user)
	}
}

// hold keeps a topic while one more listens. b.mu is held.
func (b *Bridge) hold(t Topic) {
	if b.topics[t] == nil {
		b.topics[t] = &topic{groups: make(map[groupKey]*group), feeds: make(map[*feed]struct{})}
	}
	b.topics[t].users++
}

// drop lets go of a topic, which is forgotten with its last listener. b.mu is held.
func (b *Bridge) drop(t Topic) {
	b.topics[t].users--
	if b.topics[t].users == 0 {
		delete(b.topics, t)
	}
}
