package main

import (
	"errors"
	"fmt"
	"sync"
)

// maxGroup is the greatest number of members that share one COMMIT. It is the same as the server's.
const maxGroup = 64

// transaction is a transaction of SQLite on the connection that writes.
type transaction interface {
	begin() error
	commit() error
	rollback() error
}

// groups lets concurrent writers share one transaction. The writer that has the turn runs the bodies of all waiting
// ones, until none waits or the group is full, and commits. It may be used concurrently.
//
// There are no savepoints. If a body fails after its first write, the whole group is rolled back, and each of the
// others runs again in a transaction of its own.
type groups struct {
	tx transaction

	// mu guards the turn and the waiting members.
	mu    sync.Mutex
	taken bool
	queue []*member
}

// member is one writer.
type member struct {
	// body runs statements. If it runs twice, its first run was rolled back. A failure after its first write is a
	// dirtyError.
	body func() error
	// committed runs after COMMIT, in the order of the bodies, before the turn passes on. It must be quick.
	committed func()

	woken chan bool // true: it has the turn; false: its write has ended
	err   error
}

// dirtyError is a failure after the first write of a body.
type dirtyError struct{ error }

func (e dirtyError) Unwrap() error { return e.error }

// write returns nil when the body has been committed, or the reason why it was not.
func (g *groups) write(body func() error, committed func()) error {
	m := &member{body: body, committed: committed, woken: make(chan bool, 1)}
	g.mu.Lock()
	g.queue = append(g.queue, m)
	first := !g.taken
	g.taken = true
	g.mu.Unlock()
	if !first {
		if hasTurn := <-m.woken; !hasTurn {
			return m.err
		}
	}
	g.lead(m)
	return m.err
}

// lead runs a group with own as its first member, and passes the turn on.
func (g *groups) lead(own *member) {
	group := make([]*member, 0, 8)
	err := g.tx.begin()
	if err != nil {
		group = g.join(group)
		fail(group, err)
	} else {
		group = g.run(group)
	}
	for _, m := range group {
		if m.err == nil {
			m.committed()
		}
	}
	g.passTurn()
	for _, m := range group {
		if m != own {
			m.woken <- false
		}
	}
}

// run runs the bodies of all waiting members and commits. The transaction has begun.
func (g *groups) run(group []*member) []*member {
	for {
		before := len(group)
		group = g.join(group)
		if len(group) == before {
			break
		}
		for i, m := range group[before:] {
			m.err = m.run()
			if dirty, ok := errors.AsType[dirtyError](m.err); ok {
				m.err = dirty.error
				g.runAlone(group, before+i)
				return group
			}
		}
	}
	if err := g.tx.commit(); err != nil {
		fail(group, errors.Join(err, g.tx.rollback()))
	}
	return group
}

// runAlone runs each member of the group in a transaction of its own, except the one that failed.
func (g *groups) runAlone(group []*member, failed int) {
	if err := g.tx.rollback(); err != nil {
		fail(group, err)
		return
	}
	for i, m := range group {
		if i == failed {
			continue
		}
		if m.err = g.tx.begin(); m.err != nil {
			continue
		}
		if m.err = m.run(); m.err == nil {
			m.err = g.tx.commit()
		}
		if m.err != nil {
			m.err = errors.Join(m.err, g.tx.rollback())
		}
	}
}

// run runs the body. A panic counts as a failure after a write.
func (m *member) run() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = dirtyError{fmt.Errorf("panic: %v", r)}
		}
	}()
	return m.body()
}

// join adds waiting members to the group, as many as have room.
func (g *groups) join(group []*member) []*member {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.queue), maxGroup-len(group))
	group = append(group, g.queue[:n]...)
	g.queue = append(g.queue[:0], g.queue[n:]...)
	return group
}

// passTurn gives the turn to the member that has waited longest. If none waits, the next writer takes it.
func (g *groups) passTurn() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.queue) == 0 {
		g.taken = false
		return
	}
	g.queue[0].woken <- true
}

// fail fails the members that have not failed yet.
func fail(group []*member, err error) {
	for _, m := range group {
		if m.err == nil {
			m.err = err
		}
	}
}
