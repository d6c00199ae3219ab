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
	goroutines *sync.WaitGroup // counts what enter and refuse admit
	capacity   int             // 0 is unlimited
	refusable  int

	socketsMu sync.Mutex
	sockets   map[string]*connection
	tagged    map[string]map[*connection]struct{}
	refused   map[*refusal]struct{}
	draining  bool
}

func newRegistry(goroutines *sync.WaitGroup, capacity, refusable int) *registry {
	return &registry{
		goroutines: goroutines,
		capacity:   capacity,
		refusable:  refusable,
		sockets:    make(map[string]*connection),
		tagged:     make(map[string]map[*connection]struct{}),
		refused:    make(map[*refusal]struct{}),
	}
}

// enter admits c and runs it, or returns errFull or errDraining. newID is called until it returns an id that is free.
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

// leave frees the socket id and the place of c.
func (r *registry) leave(c *connection) {
	r.socketsMu.Lock()
	defer r.socketsMu.Unlock()
	delete(r.sockets, c.socketID)
	for len(c.tags) > 0 {
		r.untag(c, c.tags[0])
	}
}

// refuse runs f, or reports false if too many sockets are being refused already.
func (r *registry) refuse(f *refusal) bool {
	r.socketsMu.Lock()
	defer r.socketsMu.Unlock()
	if r.draining || len(r.refused) >= r.refusable {
		return false
	}
	r.refused[f] = struct{}{}
	r.goroutines.Go(f.run)
	return true
}

// forget frees the place of f.
func (r *registry) forget(f *refusal) {
	r.socketsMu.Lock()
	defer r.socketsMu.Unlock()
	delete(r.refused, f)
}

// tag gives a socket to its owner, for good, and adds a tag to it. It returns whose the socket is; empty if there is
// none.
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

// untag takes a tag from a connection and reports whether it has others left. It needs socketsMu.
func (r *registry) untag(c *connection, tag string) (more bool) {
	delete(r.tagged[tag], c)
	if len(r.tagged[tag]) == 0 {
		delete(r.tagged, tag)
	}
	c.tags = slices.DeleteFunc(c.tags, func(other string) bool { return other == tag })
	return len(c.tags) > 0
}

// takeTagged takes a tag away and returns the connections that had it, each with whether it has others: to act on
// after the lock is released, because closing one takes the lock of its queue.
func (r *registry) takeTagged(tag string) map[*connection]bool {
	r.socketsMu.Lock()
	defer r.socketsMu.Unlock()
	found := make(map[*connection]bool, len(r.tagged[tag]))
	for c := range r.tagged[tag] {
		found[c] = r.untag(c, tag)
	}
	return found
}

// tags returns those that connections have.
func (r *registry) tags() []string {
	r.socketsMu.Lock()
	defer r.socketsMu.Unlock()
	return slices.Collect(maps.Keys(r.tagged))
}

// appendAll appends every connection to buffer, for work that is too long for the lock.
func (r *registry) appendAll(buffer []*connection) []*connection {
	r.socketsMu.Lock()
	defer r.socketsMu.Unlock()
	for _, c := range r.sockets {
		buffer = append(buffer, c)
	}
	return buffer
}

// drain lets nobody in any more and returns who is there.
func (r *registry) drain() ([]*connection, []*refusal) {
	r.socketsMu.Lock()
	r.draining = true
	refused := make([]*refusal, 0, len(r.refused))
	for f := range r.refused {
		refused = append(refused, f)
	}
	r.socketsMu.Unlock()
	return r.appendAll(nil), refused
}

// isDraining is for refusing before the upgrade. What slips through meets enter, which is exact.
func (r *registry) isDraining() bool {
	r.socketsMu.Lock()
	defer r.socketsMu.Unlock()
	return r.draining
}

func (r *registry) count() (connections, refused int) {
	r.socketsMu.Lock()
	defer r.socketsMu.Unlock()
	return len(r.sockets), len(r.refused)
}
