package bridge

// reserve takes one of a user's places for a subscription to a topic, or returns a *LimitError. From now on the topic
// notes what is published. Who is anonymous needs no place.
func (r *registry) reserve(t Topic, user string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if user != "" && r.perUser[user] >= r.config.PerViewer {
		return &LimitError{Limit: r.config.PerViewer, Setting: r.config.PerViewerSetting, RetryAfter: joinTimeout}
	}
	r.perUser[user]++
	r.hold(t)
	return nil
}

// release gives back what reserve took. mu is held.
func (r *registry) release(t Topic, user string) {
	r.free(user)
	r.drop(t)
}

// place gives a subscription whose client is there, or about to be, a place of its user's. Without force it reports
// false if none is left. mu is held.
func (r *registry) place(sub *subscription, force bool) bool {
	switch {
	case sub.placed:
		return true
	case !force && !sub.viewer.anonymous() && r.perUser[sub.viewer.User] >= r.config.PerViewer:
		return false
	}
	r.perUser[sub.viewer.User]++
	sub.placed = true
	return true
}

// unplace takes a subscription's place away, if it has one. mu is held.
func (r *registry) unplace(sub *subscription) {
	if sub.placed {
		sub.placed = false
		r.free(sub.viewer.User)
	}
}

// free gives a place back. mu is held.
func (r *registry) free(user string) {
	r.perUser[user]--
	if r.perUser[user] == 0 {
		delete(r.perUser, user)
	}
}

// hold keeps a topic while one more listens. mu is held.
func (r *registry) hold(t Topic) {
	if r.topics[t] == nil {
		r.topics[t] = &topic{groups: make(map[groupKey]*group), feeds: make(map[*feed]struct{})}
	}
	r.topics[t].users++
}

// drop lets go of a topic, which is forgotten with its last listener. mu is held.
func (r *registry) drop(t Topic) {
	r.topics[t].users--
	if r.topics[t].users == 0 {
		delete(r.topics, t)
	}
}
