package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"github.com/mattn/go-sqlite3"
)

// maxGroup is how many transactions share one COMMIT at most: what a crash of the disk would take together.
const maxGroup = 64

// errGroupLost fails the members of a group that SQLite has rolled back as a whole, as it does when a disk is full.
var errGroupLost = errors.New("sqlite rolled back the transaction that this one shared")

// groupCommit lets transactions that come at the same time share one transaction of SQLite, and so one write to the
// disk, which is what a small transaction costs most. None notices: each sees its own all or nothing, Commit returns
// when its changes are on the disk, and they run one after the other, as with SQLite they would anyway.
//
//	begin ─ wait for the turn ─ BEGIN (the first) or SAVEPOINT ─ statements ─ Commit ─ somebody waits? ─ yes: pass the
//	turn, wait for the group │ no, or the group is full: COMMIT, tell the group
//
// The first of a group needs no savepoint: whoever is alone pays nothing. When COMMIT fails, the whole group has failed.
type groupCommit struct {
	db     *sql.DB // of one connection
	health *Health

	// mu guards who has the turn: one transaction at a time runs statements.
	mu    sync.Mutex
	taken bool
	queue []chan error // gets nil with the turn, first come first served, or why there will be none

	current *group // belongs to whoever has the turn; nil between groups
}

// group is one transaction of SQLite.
type group struct {
	conn *sql.Conn
	size int           // members that have begun
	kept int           // members that have committed and wait
	done chan struct{} // closed after COMMIT or ROLLBACK
	err  error         // set before done is closed
}

// begin waits for the turn, as long as ctx lasts, and begins a member of the current group or of a new one.
func (g *groupCommit) begin(ctx context.Context) (dialect.Tx, error) {
	if err := g.takeTurn(ctx); err != nil {
		return nil, err
	}
	m, err := g.join(ctx)
	if err != nil {
		if g.current != nil && g.current.size == 1 {
			g.refuse(err) // or each would wait as long as we did, one after the other
		}
		g.finish(err) // those before us are not at fault; but what we tried to share is gone
		return nil, err
	}
	return m, nil
}

// takeTurn waits for the turn. Once it has been passed to us it must be used: others wait for what we do with it.
func (g *groupCommit) takeTurn(ctx context.Context) error {
	g.mu.Lock()
	if !g.taken {
		g.taken = true
		g.mu.Unlock()
		return nil
	}
	passed := make(chan error, 1)
	g.queue = append(g.queue, passed)
	g.mu.Unlock()
	select {
	case err := <-passed:
		return err
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.queue, passed); i >= 0 {
		g.queue = slices.Delete(g.queue, i, i+1)
		return ctx.Err()
	}
	return <-passed
}

// refuse ends the wait of all who wait for their turn.
func (g *groupCommit) refuse(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, waiting := range g.queue {
		waiting <- err
	}
	g.queue = nil
}

// passTurn gives the turn to who waits longest. It says whether somebody did; otherwise the turn is kept.
func (g *groupCommit) passTurn() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.queue) == 0 {
		return false
	}
	g.queue[0] <- nil
	g.queue = g.queue[1:]
	return true
}

// endTurn gives the turn to who waits longest, or leaves it to whoever comes.
func (g *groupCommit) endTurn() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.queue) == 0 {
		g.taken = false
		return
	}
	g.queue[0] <- nil
	g.queue = g.queue[1:]
}

// join begins a member. The turn is ours.
func (g *groupCommit) join(ctx context.Context) (*member, error) {
	first := g.current == nil
	if first {
		conn, err := g.db.Conn(ctx) // others write without a transaction: wait for them
		if err != nil {
			return nil, err
		}
		g.current = &group{conn: conn, done: make(chan struct{})}
	}
	joined := g.current
	joined.size++
	m := &member{
		Conn:   entsql.Conn{ExecQuerier: uninterrupted{joined.conn}},
		groups: g, group: joined, first: first,
	}
	begin := "BEGIN IMMEDIATE"
	if !first {
		begin = "SAVEPOINT member"
		if lost, err := autocommits(joined.conn); err != nil || lost {
			return nil, errors.Join(errGroupLost, err)
		}
	}
	if err := m.run(begin); err != nil {
		return nil, err
	}
	return m, nil
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

// leave ends a member's turn: if somebody waits and the group has room, they join; otherwise the group ends here.
func (g *groupCommit) leave(left *group) {
	if left.size < maxGroup && g.passTurn() {
		return
	}
	g.finish(nil)
}

// finish ends the current group, with COMMIT unless broken says why not, and then the turn.
func (g *groupCommit) finish(broken error) {
	defer g.endTurn()
	ended := g.current
	if ended == nil {
		return
	}
	g.current = nil
	run := uninterrupted{ended.conn}
	ended.err = broken
	if broken == nil && ended.kept > 0 {
		_, ended.err = run.ExecContext(context.Background(), "COMMIT")
	}
	if ended.err != nil || ended.kept == 0 {
		// Whatever is left of the transaction must not be left to the next group. It may be gone already.
		_, _ = run.ExecContext(context.Background(), "ROLLBACK")
	}
	ended.err = explain(errors.Join(ended.err, ended.conn.Close()))
	if ended.kept > 0 {
		g.health.wrote(ended.err)
	}
	close(ended.done)
}

// member is one transaction. It belongs to one goroutine, and runs statements only while it has the turn: from
// begin to Commit or Rollback.
type member struct {
	entsql.Conn
	groups *groupCommit
	group  *group
	first  bool
	ended  bool
}

var _ dialect.Tx = (*member)(nil)

// Commit returns when the changes are on the disk.
func (m *member) Commit() error {
	if m.ended {
		return sql.ErrTxDone
	}
	m.ended = true
	if !m.first {
		if err := m.run("RELEASE member"); err != nil {
			m.groups.finish(errors.Join(errGroupLost, err))
			return err
		}
	}
	m.group.kept++
	m.groups.leave(m.group)
	<-m.group.done
	return m.group.err
}

// Rollback takes back what this member did, and nobody else's.
func (m *member) Rollback() error {
	if m.ended {
		return sql.ErrTxDone
	}
	m.ended = true
	if m.first { // nobody else has begun: the whole group is what is rolled back
		m.groups.finish(nil)
		return nil
	}
	if err := m.run("ROLLBACK TO member; RELEASE member"); err != nil {
		m.groups.finish(errors.Join(errGroupLost, err))
		return err
	}
	m.groups.leave(m.group)
	return nil
}

func (m *member) Exec(ctx context.Context, query string, args, v any) error {
	return explain(m.Conn.Exec(ctx, query, args, v))
}

func (m *member) Query(ctx context.Context, query string, args, v any) error {
	if err := m.Conn.Query(ctx, query, args, v); err != nil {
		return explain(err)
	}
	explainRows(v)
	return nil
}

func (m *member) run(statement string) error {
	if _, err := m.ExecContext(context.Background(), statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

// uninterrupted runs statements to their end: the driver would roll back the whole group with the context of one.
type uninterrupted struct{ conn *sql.Conn }

var _ entsql.ExecQuerier = uninterrupted{}

func (u uninterrupted) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return u.conn.ExecContext(context.WithoutCancel(ctx), query, args...)
}

func (u uninterrupted) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return u.conn.QueryContext(context.WithoutCancel(ctx), query, args...)
}
