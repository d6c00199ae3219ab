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
	// maxGroup is how many transactions share one COMMIT at most: what a crash of the disk would take together.
	maxGroup = 64
	// bodyDeadline is how long a body may run, and then how long its commit hooks may, because others wait for it.
	bodyDeadline = time.Second
)

// errGroupLost fails the members of a group that SQLite has rolled back as a whole, as it does when a disk is full.
var errGroupLost = errors.New("sqlite rolled back the transaction that this one shared")

// errOverdue is what a body gets from its transaction after its deadline.
var errOverdue = errors.New("the transaction took longer than its deadline and was rolled back")

// groupCommit lets transactions that come at the same time share one transaction of SQLite, and so one write to the
// disk, which is what a small transaction costs most. None notices: each sees its own all or nothing, it ends when its
// changes are on the disk, and they run one after the other, as with SQLite they would anyway.
//
// One goroutine at a time leads: it runs the bodies of those who wait, one after the other, whoever comes meanwhile
// too. It is there only while somebody waits.
//
//	open: BEGIN ─► for each who waits: SAVEPOINT (not the first), body, RELEASE ─► COMMIT ─► for each: hooks, answer
//	  ▲                          up to 64, or until nobody waits                                       │
//	  └────────────────────────────────────── somebody waits ──────────────────────────────────────────┘
//
// The first of a group needs no savepoint: whoever is alone pays nothing. When COMMIT fails, the whole group has
// failed. A body that is overdue loses its transaction and, with the goroutine that it keeps, the lead.
type groupCommit struct {
	db       *sql.DB // of one connection
	health   *Health
	explain  func(error) error // of what has nothing to do with a body
	log      *slog.Logger      // of panics, whose stack the caller cannot see
	deadline time.Duration     // of a body

	// mu guards who waits, and who leads.
	mu      sync.Mutex
	queue   []*member // first come, first served
	leading bool
	epoch   int       // of the one who leads; another one has lost the lead
	running *member   // whose body or commit runs, if it has a deadline
	since   time.Time // when that began
	watch   *time.Timer
	armed   bool // watch will fire

	// What follows belongs to the one who leads.
	current   *group    // nil between groups
	committed []*member // of the group before, whose commit has not returned yet
	ran       *member   // whose goroutine has just stopped
	idle      []*worker
	yielded   bool // to others, since the last group began
}

// group is one transaction of SQLite.
type group struct {
	conn *sql.Conn
	size int       // members that have begun
	kept []*member // those that have committed, in their order, and wait
}

func newGroupCommit(db *sql.DB, health *Health) *groupCommit {
	return &groupCommit{db: db, health: health, explain: explain, log: slog.New(slog.DiscardHandler), deadline: bodyDeadline}
}

type memberKey struct{}

// run waits for the turn, as long as ctx lasts, and runs body in a member of a group, as ent.TxRunner says.
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

// begin is for who runs statements in a goroutine of their own. There is no deadline then.
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
			ended = nil // it has been let in, and what was lent must be given back
		}
	}
}

// enter lets a member wait, and sees to it that somebody leads.
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

// withdraw ends the wait of a member, and says whether it still waited.
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

// lead runs groups until nobody waits, or until the lead is lost.
func (g *groupCommit) lead(epoch int) {
	returned := false
	defer func() {
		if !returned { // a body has ended its goroutine, and with it this one
			go g.lead(epoch)
		}
	}()
	for g.leads(epoch) && g.step(epoch) {
	}
	returned = true
}

// leads says that nobody else has taken the lead. From now on nobody does, until something has a deadline again.
func (g *groupCommit) leads(epoch int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.epoch != epoch {
		return false
	}
	g.running = nil
	return true
}

// step does the next thing that is to be done, and says whether there was one.
func (g *groupCommit) step(epoch int) bool {
	if m := g.ran; m != nil {
		g.ran = nil
		g.settle(m)
		return true
	}
	if len(g.committed) > 0 {
		m := g.committed[0]
		g.committed = g.committed[1:]
		g.let(epoch, m)
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
		runtime.Gosched() // those who have just been answered may come again, and new workers are not free
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
		g.mu.Unlock() // who waits for BEGIN can still give up
		if err := g.open(); err != nil {
			g.refuse(err) // or each would wait as long as we did, one after the other
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
	conn, err := g.db.Conn(context.Background()) // others write without a transaction: wait for them
	if err != nil {
		return err
	}
	if _, err := (uninterrupted{conn}).ExecContext(context.Background(), "BEGIN IMMEDIATE"); err != nil {
		return errors.Join(fmt.Errorf("begin: %w", err), conn.Close())
	}
	g.current, g.yielded = &group{conn: conn}, false
	return nil
}

// refuse ends the wait of all who wait.
func (g *groupCommit) refuse(err error) {
	err = g.explain(err)
	g.health.wrote(err)
	g.mu.Lock()
	refused := g.queue
	g.queue = nil
	g.mu.Unlock()
	for _, m := range refused {
		m.end(result{err: err})
	}
}

// join makes a member one of the current group and lets its body run.
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
	g.let(epoch, m)
}

// let lets a member run until it wants to commit or has returned, unless it takes too long.
func (g *groupCommit) let(epoch int, m *member) {
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

// startCommit says that the body of m has returned in time. Its commit has a deadline of its own.
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

// look is called when a member may be overdue. It takes the lead from the goroutine that the member keeps, and leads.
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
	_ = m.tx.revoke(m.overdue()) // waits for a statement that runs
	if m.kept {
		m.end(result{err: m.commitErr}) // nobody waits for what the hooks make of it
	} else {
		err := m.overdue()
		if undone := g.undo(m); undone != nil {
			err = errors.Join(err, undone)
		}
		m.end(result{err: err})
	}
	g.lead(epoch)
}

// settle does what follows from where a member has stopped.
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

// undo takes back what a member did, and nobody else's.
func (g *groupCommit) undo(m *member) error {
	if m.first { // nobody else has begun: the whole group is what is rolled back
		g.finish(nil)
		return nil
	}
	if lost, err := autocommits(g.current.conn); err != nil || lost {
		g.finish(errors.Join(errGroupLost, err))
		return nil // nothing is left of it
	}
	if err := m.tx.run("ROLLBACK TO member; RELEASE member"); err != nil {
		g.finish(errors.Join(errGroupLost, err))
		return err
	}
	return nil
}

// finish ends the current group, with COMMIT unless broken says why not.
func (g *groupCommit) finish(broken error) {
	ended := g.current
	g.current = nil
	run := uninterrupted{ended.conn}
	err := broken
	if err == nil && len(ended.kept) > 0 {
		_, err = run.ExecContext(context.Background(), "COMMIT")
	}
	if err != nil || len(ended.kept) == 0 {
		// Whatever is left of the transaction must not be left to the next group. It may be gone already.
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

// autocommits says that the connection is in no transaction, though we began one.
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
