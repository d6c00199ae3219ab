package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"time"

	"entgo.io/ent/dialect"
	"github.com/mattn/go-sqlite3"
)

const (
	// maxGroup is the greatest number of transactions that share one COMMIT, and so can fail together.
	maxGroup = 64
	// bodyDeadline limits how long a body may run, and then how long its commit hooks may, because others wait for
	// it.
	bodyDeadline = time.Second
)

// errGroupLost fails all members of a group that SQLite has rolled back as a whole, for example when the disk is
// full.
var errGroupLost = errors.New("sqlite rolled back the transaction that this one shared")

// errOverdue is returned by a body's transaction after the deadline.
var errOverdue = errors.New("the transaction took longer than its deadline and was rolled back")

// groupCommit lets concurrent transactions share one transaction of SQLite, and so one write to the disk, which is the
// greatest cost of a small transaction. Each of them is still all or nothing, and returns when its changes are on the
// disk. They run one after the other, as SQLite's transactions do anyway.
//
// One goroutine at a time leads: it runs the waiting bodies one after the other, also those that arrive meanwhile. It
// exists only while somebody waits.
//
//	open: BEGIN ─► for each in queue: SAVEPOINT (not the first), body, RELEASE ─► COMMIT ─► for each: hooks, answer
//	  ▲                          up to 64, or until nobody waits                                       │
//	  └────────────────────────────────────── somebody waits ──────────────────────────────────────────┘
//
// The first member of a group needs no savepoint, so a transaction that is alone has no extra cost. If COMMIT fails,
// the whole group fails. A body that is overdue loses its transaction. Its goroutine, which was leading, loses the
// lead.
type groupCommit struct {
	db       *sql.DB // of one connection
	health   *Health
	explain  func(error) error // for errors that no body has caused
	log      *slog.Logger      // for panics, because the caller cannot see their stack
	deadline time.Duration     // of a body

	// mu guards the queue and the lead.
	mu      sync.Mutex
	queue   []*member // first come, first served
	leading bool
	epoch   int       // of the current leader; a leader with another epoch has lost the lead
	running *member   // the member whose body or commit is running, if it has a deadline
	since   time.Time // when that began
	watch   *time.Timer
	armed   bool // whether watch will fire

	// Only the leader uses the fields below.
	current   *group    // nil between groups
	committed []*member // members of the previous group whose commit has not returned yet
	ran       *member   // the member whose worker has just stopped
	idle      []*worker
	yielded   bool // whether step has yielded since the last group began
}

// group is one transaction of SQLite.
type group struct {
	conn *sql.Conn
	size int       // members that have begun
	kept []*member // the members that have committed and wait for COMMIT, in order
}

func newGroupCommit(db *sql.DB, health *Health) *groupCommit {
	return &groupCommit{db: db, health: health, explain: explain, log: slog.New(slog.DiscardHandler), deadline: bodyDeadline}
}

type memberKey struct{}

// run waits for the turn until ctx ends, and then runs body in a member of a group. See ent.TxRunner for the
// contract.
func (g *groupCommit) run(ctx context.Context, body func(context.Context) (func() error, error)) error {
	m := &member{done: make(chan struct{})}
	inside := context.WithValue(context.WithoutCancel(ctx), memberKey{}, m)
	m.body = func() (func() error, error) { return body(inside) }
	if err := g.enter(ctx, m); err != nil {
		return err
	}
	select {
	case <-m.done:
	case <-ctx.Done():
		if g.withdraw(m) {
			return ctx.Err()
		}
		<-m.done
	}
	switch {
	case m.panicked != nil:
		panic(m.panicked)
	case m.exited:
		runtime.Goexit()
	}
	return m.err
}

// begin returns a transaction for a caller that runs statements in a goroutine of its own. It has no deadline.
func (g *groupCommit) begin(ctx context.Context) (dialect.Tx, error) {
	lent, end := make(chan *memberTx, 1), make(chan bool, 1)
	m := &member{unlimited: true, done: make(chan struct{})}
	m.body = func() (func() error, error) {
		tx, err := m.begin()
		if err != nil {
			return nil, err
		}
		lent <- tx
		if commit := <-end; !commit {
			return nil, tx.Rollback()
		}
		return tx.Commit, nil
	}
	if err := g.enter(ctx, m); err != nil {
		return nil, err
	}
	ended := ctx.Done()
	for {
		select {
		case tx := <-lent:
			return &lentTx{memberTx: tx, m: m, end: end}, nil
		case <-m.done:
			return nil, m.err
		case <-ended:
			if g.withdraw(m) {
				return nil, ctx.Err()
			}
			ended = nil // the body has begun: return its transaction, because only the caller can end it
		}
	}
}

// enter queues a member and makes sure that somebody leads. It returns an error if ctx has ended.
func (g *groupCommit) enter(ctx context.Context, m *member) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queue = append(g.queue, m)
	if !g.leading {
		g.leading = true
		go g.lead(g.epoch)
	}
	return nil
}

// withdraw removes a member from the queue, and reports whether it was still there.
func (g *groupCommit) withdraw(m *member) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.queue, m)
	if i < 0 {
		return false
	}
	g.queue = slices.Delete(g.queue, i, i+1)
	return true
}

// lead runs groups until the queue is empty or the lead is lost.
func (g *groupCommit) lead(epoch int) {
	returned := false
	defer func() {
		if !returned { // a body called runtime.Goexit, which ends this goroutine as well
			go g.lead(epoch)
		}
	}()
	for g.leads(epoch) && g.step(epoch) {
	}
	returned = true
}

// leads reports whether epoch still has the lead, and stops the deadline: nobody can take the lead until the next
// deadline starts.
func (g *groupCommit) leads(epoch int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.epoch != epoch {
		return false
	}
	g.running = nil
	return true
}

// step does the next thing, and reports whether there was one.
func (g *groupCommit) step(epoch int) bool {
	if m := g.ran; m != nil {
		g.ran = nil
		g.settle(m)
		return true
	}
	if len(g.committed) > 0 {
		m := g.committed[0]
		g.committed = g.committed[1:]
		g.resume(epoch, m)
		return true
	}
	if c := g.current; c != nil && c.size > 0 {
		if lost, err := autocommits(c.conn); err != nil || lost {
			g.finish(errors.Join(errGroupLost, err))
			return true
		}
	}
	g.mu.Lock()
	switch waiting := len(g.queue) > 0; {
	case g.current != nil && (!waiting || g.current.size == maxGroup):
		g.mu.Unlock()
		g.finish(nil)
	case !waiting && !g.yielded:
		g.mu.Unlock()
		g.yielded = true
		runtime.Gosched() // answered callers may come again at once, and starting new workers costs time
	case !waiting:
		idle := g.idle
		g.idle, g.leading = nil, false
		if g.armed {
			g.armed = false
			g.watch.Stop()
		}
		g.mu.Unlock()
		for _, w := range idle {
			w.stop()
		}
		return false
	case g.current == nil:
		g.mu.Unlock() // waiting members can still withdraw during BEGIN
		if err := g.open(); err != nil {
			g.failAll(err) // otherwise each would wait as long as we did, one after the other
		}
	default:
		m := g.queue[0]
		g.queue[0] = nil
		g.queue = g.queue[1:]
		g.mu.Unlock()
		g.join(epoch, m)
	}
	return true
}

// open begins a group.
func (g *groupCommit) open() error {
	conn, err := g.db.Conn(context.Background()) // waits for writes without a transaction
	if err != nil {
		return err
	}
	if _, err := (uninterrupted{conn}).ExecContext(context.Background(), "BEGIN IMMEDIATE"); err != nil {
		return errors.Join(fmt.Errorf("begin: %w", err), conn.Close())
	}
	g.current, g.yielded = &group{conn: conn}, false
	return nil
}

// failAll ends the wait of all queued members with err.
func (g *groupCommit) failAll(err error) {
	err = g.explain(err)
	g.health.wrote(err)
	g.mu.Lock()
	waiting := g.queue
	g.queue = nil
	g.mu.Unlock()
	for _, m := range waiting {
		m.end(result{err: err})
	}
}

// join adds a member to the current group and runs its body.
func (g *groupCommit) join(epoch int, m *member) {
	joined := g.current
	m.first = joined.size == 0
	joined.size++
	m.tx = newMemberTx(m, joined.conn)
	if !m.first {
		if err := m.tx.run("SAVEPOINT member"); err != nil {
			m.end(result{err: g.explain(err)})
			g.finish(err)
			return
		}
	}
	if n := len(g.idle); n > 0 {
		m.worker, g.idle = g.idle[n-1], g.idle[:n-1]
	} else {
		m.worker = newWorker(g)
	}
	m.worker.m = m
	g.resume(epoch, m)
}

// resume runs a member until it wants to commit, has returned, or is overdue.
func (g *groupCommit) resume(epoch int, m *member) {
	g.ran = m
	w := m.worker
	if !m.unlimited {
		g.mu.Lock()
		g.running, g.since = m, time.Now()
		if !g.armed {
			g.armed = true
			g.watch = time.AfterFunc(g.deadline, g.look)
		}
		g.mu.Unlock()
	}
	w.next()
	if !g.leads(epoch) {
		w.discard()
	}
}

// startCommit is called when the body of m has returned in time. It starts the deadline of the commit.
func (g *groupCommit) startCommit(m *member) error {
	if m.unlimited {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running != m {
		return m.overdue()
	}
	g.since = time.Now()
	return nil
}

// look is called when a member may be overdue. It takes the lead from the goroutine that runs that member, and leads.
func (g *groupCommit) look() {
	g.mu.Lock()
	m := g.running
	if m == nil {
		g.armed = false
		g.mu.Unlock()
		return
	}
	if left := g.deadline - time.Since(g.since); left > 0 {
		g.watch.Reset(left)
		g.mu.Unlock()
		return
	}
	g.running, g.armed = nil, false
	g.epoch++
	epoch := g.epoch
	g.mu.Unlock()

	g.ran = nil
	_ = m.tx.revoke(m.overdue()) // waits for a running statement
	if m.kept {
		m.end(result{err: m.commitErr}) // without waiting for the hooks
	} else {
		err := m.overdue()
		if undone := g.undo(m); undone != nil {
			err = errors.Join(err, undone)
		}
		m.end(result{err: err})
	}
	g.lead(epoch)
}

// settle handles a member whose worker has stopped: because it wants to commit, or because it has returned.
func (g *groupCommit) settle(m *member) {
	w := m.worker
	if !w.stopped { // it wants to commit
		m.kept = true
		g.current.kept = append(g.current.kept, m)
		if !m.first {
			if err := m.tx.run("RELEASE member"); err != nil {
				g.finish(errors.Join(errGroupLost, err))
			}
		}
		return
	}
	if !w.exited {
		g.idle = append(g.idle, w)
	}
	ended := w.result
	w.m, w.result = nil, result{}
	if !m.kept {
		_ = m.tx.revoke(sql.ErrTxDone)
		if err := g.undo(m); err != nil {
			ended.err = errors.Join(ended.err, err)
		}
	}
	m.end(ended)
}

// undo rolls back what one member did, and nothing of the others.
func (g *groupCommit) undo(m *member) error {
	if m.first { // no other member has begun, so the whole transaction can be rolled back
		g.finish(nil)
		return nil
	}
	if lost, err := autocommits(g.current.conn); err != nil || lost {
		g.finish(errors.Join(errGroupLost, err))
		return nil // SQLite has already rolled it back
	}
	if err := m.tx.run("ROLLBACK TO member; RELEASE member"); err != nil {
		g.finish(errors.Join(errGroupLost, err))
		return err
	}
	return nil
}

// finish ends the current group: with COMMIT, or with ROLLBACK if broken is not nil.
func (g *groupCommit) finish(broken error) {
	ended := g.current
	g.current = nil
	run := uninterrupted{ended.conn}
	err := broken
	if err == nil && len(ended.kept) > 0 {
		_, err = run.ExecContext(context.Background(), "COMMIT")
	}
	if err != nil || len(ended.kept) == 0 {
		// The next group needs a connection without a transaction. This one may already be gone.
		_, _ = run.ExecContext(context.Background(), "ROLLBACK")
	}
	err = explain(errors.Join(err, ended.conn.Close()))
	if len(ended.kept) > 0 {
		g.health.wrote(err)
	}
	for _, m := range ended.kept {
		m.commitErr = err
	}
	g.committed = append(g.committed, ended.kept...)
}

// autocommits reports whether the connection is in no transaction although we began one.
func autocommits(conn *sql.Conn) (none bool, err error) {
	err = conn.Raw(func(driver any) error {
		c, ok := driver.(*sqlite3.SQLiteConn)
		if !ok {
			return fmt.Errorf("the driver is a %T", driver)
		}
		none = c.AutoCommit()
		return nil
	})
	return none, err
}

// memberOf returns the member whose body has ctx.
func memberOf(ctx context.Context) (*member, bool) {
	m, ok := ctx.Value(memberKey{}).(*member)
	return m, ok
}
