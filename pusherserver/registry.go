package pusherserver

import (
	"errors"
	"maps"
	"slices"
	"sync"
)

var (
	errFull     = errors.New("server is over capacity")
	errDraining = errors.New("server is shutting down")
)

// registry knows every open connection of all apps, by socket id and by tag.
type registry struct {
	goroutines  *sync.WaitGroup // those of connections and rejections
	capacity    int             // of sockets; 0 is unlimited
	maxRejected int

	socketsMu sync.Mutex
	sockets   map[string]*connection
	tagged    map[string]map[*connection]struct{}
	rejected  map[*rejection]struct{}
	draining  bool
}

func newRegistry(goroutines *sync.WaitGroup, capacity, maxRejected int) *registry {
	return &registry{
		goroutines:  goroutines,
		capacity:    capacity,
		maxRejected: maxRejected,
		sockets:     make(map[string]*connection),
		tagged:      make(map[string]map[*connection]struct{}),
		rejected:    make(map[*rejection]struct{}),
	}
}

// enter registers c and runs it, or returns errFull or errDraining. It calls newID until the id is free.
func (r *registry) enter(c *connection, newID func() string) error {
	r.socketsMu.Lock()
	defer r.socketsMu.Unlock()
	if r.draining {
		return errDraining
	}
	if r.capacity > 0 && len(r.sockets) >= r.capacity {
		return errFull
	}
	for c.socketID == "" || r.sockets[c.socketID] != nil {
		c.socketID = newID()
	}
	r.sockets[c.socketID] = c
	r.goroutines.Go(c.run)
	return nil
}

// leave removes c and frees its socket id.
func (r *registry) leave(c *connection) {
	r.socketsMu.Lock()
	defer r.socketsMu.Unlock()
	delete(r.sockets, c.socketID)
	for len(c.tags) > 0 {
		r.untag(c, c.tags[0])
	}
}

// reject runs j. It reports false, and does nothing, after drain or if there are too many rejections already.
func (r *registry) reject(j *rejection) bool {
	r.socketsMu.Lock()
	defer r.socketsMu.Unlock()
	if r.draining || len(r.rejected) >= r.maxRejected {
		return false
	}
	r.rejected[j] = struct{}{}
	r.goroutines.Go(j.run)
	return true
}

// forget removes j.
func (r *registry) forget(j *rejection) {
	r.socketsMu.Lock()
	defer r.socketsMu.Unlock()
	delete(r.rejected, j)
}

// tag does what Server.Tag documents.
func (r *registry) tag(socketID, owner, tag string) (holder string) {
	r.socketsMu.Lock()
	defer r.socketsMu.Unlock()
	c, ok := r.sockets[socketID]
	switch {
	case !ok:
		return ""
	case c.owner != "" && c.owner != owner:
		return c.owner
	}
	c.owner = owner
	if !slices.Contains(c.tags, tag) {
		c.tags = append(c.tags, tag)
	}
	if r.tagged[tag] == nil {
		r.tagged[tag] = make(map[*connection]struct{})
	}
	r.tagged[tag][c] = struct{}{}
	return owner
}

// untag removes a tag from c, and reports whether c has others. The caller must hold socketsMu.
func (r *registry) untag(c *connection, tag string) (more bool) {
	delete(r.tagged[tag], c)
	if len(r.tagged[tag]) == 0 {
		delete(r.tagged, tag)
	}
	c.tags = slices.DeleteFunc(c.tags, func(other string) bool { return other == tag })
	return len(c.tags) > 0
}

// takeTagged removes a tag and returns the connections that had it, each with whether it has other tags. The caller
// closes them after the lock is released, because that takes the lock of a queue.
func (r *registry) takeTagged(tag string) map[*connection]bool {
	r.socketsMu.Lock()
	defer r.socketsMu.Unlock()
	found := make(map[*connection]bool, len(r.tagged[tag]))
	for c := range r.tagged[tag] {
		found[c] = r.untag(c, tag)
	}
	return found
}

// tags returns the tags of all connections, in no order.
func (r *registry) tags() []string {
	r.socketsMu.Lock()
	defer r.socketsMu.Unlock()
	return slices.Collect(maps.Keys(r.tagged))
}

// appendAll appends every connection to buffer. So the caller can do slow work without the lock.
func (r *registry) appendAll(buffer []*connection) []*connection {
	r.socketsMu.Lock()
	defer r.socketsMu.Unlock()
	for _, c := range r.sockets {
		buffer = append(buffer, c)
	}
	return buffer
}

// drain makes enter and reject fail from now on, and returns all connections and rejections.
func (r *registry) drain() ([]*connection, []*rejection) {
	r.socketsMu.Lock()
	r.draining = true
	rejected := slices.Collect(maps.Keys(r.rejected))
	r.socketsMu.Unlock()
	return r.appendAll(nil), rejected
}

// isDraining reports whether drain was called. It is for an early answer before the upgrade; enter checks once more.
func (r *registry) isDraining() bool {
	r.socketsMu.Lock()
	defer r.socketsMu.Unlock()
	return r.draining
}

func (r *registry) count() (connections, rejections int) {
	r.socketsMu.Lock()
	defer r.socketsMu.Unlock()
	return len(r.sockets), len(r.rejected)
}
