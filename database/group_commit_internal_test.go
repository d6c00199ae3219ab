package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"entgo.io/ent/dialect"
	"github.com/mattn/go-sqlite3"
)

// newGroups returns a groupCommit on a new database with the tables t and parent, and a counter of its COMMITs.
func newGroups(t *testing.T) (*groupCommit, *atomic.Int64) {
	t.Helper()
	db, err := sql.Open("sqlite3", dsn(filepath.Join(t.TempDir(), "test.db"), nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	db.SetMaxOpenConns(1)
	commits := &atomic.Int64{}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(conn.Raw(func(driver any) error {
		driver.(*sqlite3.SQLiteConn).RegisterCommitHook(func() int {
			commits.Add(1)
			return 0
		})
		return nil
	}), conn.Close()); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`CREATE TABLE parent (id INTEGER PRIMARY KEY)`,
		`CREATE TABLE t (id INTEGER PRIMARY KEY, writer INTEGER, parent INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)`,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	commits.Store(0)
	return newGroupCommit(db, &Health{}), commits
}

func exec(tx dialect.Tx, statement string, args ...any) error {
	return tx.Exec(context.Background(), statement, args, nil)
}

// count counts the rows of t that match where.
func count(t *testing.T, g *groupCommit, where string) (n int) {
	t.Helper()
	if err := g.db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM t WHERE `+where).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// inTx runs f as the body of a transaction, as ent's InTx does.
func inTx(ctx context.Context, g *groupCommit, f func(tx dialect.Tx) error) error {
	return g.run(ctx, func(ctx context.Context) (func() error, error) {
		m, _ := memberOf(ctx)
		tx, err := m.begin()
		if err != nil {
			return nil, err
		}
		if err := f(tx); err != nil {
			return nil, errors.Join(err, tx.Rollback())
		}
		return tx.Commit, nil
	})
}

// hold blocks all transactions until release is called, because none can begin without the connection.
func hold(t *testing.T, g *groupCommit) (release func()) {
	t.Helper()
	conn, err := g.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

// arranged queues transactions in this order before the first of them begins, and returns their errors.
func arranged(t *testing.T, g *groupCommit, transactions ...func() error) []error {
	t.Helper()
	release := hold(t, g)
	errs := make([]error, len(transactions))
	var running sync.WaitGroup
	for i, transaction := range transactions {
		running.Go(func() { errs[i] = transaction() })
		waitForQueue(g, i+1)
	}
	release()
	running.Wait()
	return errs
}

// together runs transactions whose statements run in goroutines of their own. They share one group, in order.
func together(t *testing.T, g *groupCommit, transactions ...func(tx dialect.Tx) error) []error {
	t.Helper()
	all := make([]func() error, len(transactions))
	for i, transaction := range transactions {
		all[i] = func() error {
			tx, err := g.begin(t.Context())
			if err != nil {
				return err
			}
			return transaction(tx)
		}
	}
	return arranged(t, g, all...)
}

// waitForQueue returns when n members are in the queue.
func waitForQueue(g *groupCommit, n int) {
	for {
		g.mu.Lock()
		waiting := len(g.queue)
		g.mu.Unlock()
		if waiting == n {
			return
		}
		runtime.Gosched()
	}
}

// nobodyLeads returns when there is no leader any more.
func nobodyLeads(g *groupCommit) {
	for {
		g.mu.Lock()
		leading := g.leading
		g.mu.Unlock()
		if !leading {
			return
		}
		runtime.Gosched()
	}
}

func insert(id int) func(dialect.Tx) error {
	return func(tx dialect.Tx) error {
		if err := exec(tx, `INSERT INTO t (id) VALUES (?)`, id); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		return tx.Commit()
	}
}

func TestTransactionsThatComeTogetherShareACommit(t *testing.T) {
	g, commits := newGroups(t)
	for i, err := range together(t, g, insert(1), insert(2), insert(3)) {
		if err != nil {
			t.Errorf("transaction %d: %v", i, err)
		}
	}
	if n := count(t, g, "TRUE"); n != 3 || commits.Load() != 1 {
		t.Errorf("%d of 3 rows with %d commits, want 1", n, commits.Load())
	}
}

func TestAMemberThatRollsBackTakesNobodyWithIt(t *testing.T) {
	for place := range 3 {
		t.Run(fmt.Sprint("as member ", place), func(t *testing.T) {
			g, _ := newGroups(t)
			members := []func(dialect.Tx) error{insert(1), insert(2), insert(3)}
			members[place] = func(tx dialect.Tx) error {
				return errors.Join(exec(tx, `INSERT INTO t (id) VALUES (9)`), tx.Rollback())
			}
			if err := errors.Join(together(t, g, members...)...); err != nil {
				t.Error(err)
			}
			if n, rolledBack := count(t, g, "id < 9"), count(t, g, "id = 9"); n != 2 || rolledBack != 0 {
				t.Errorf("%d of 2 rows, and %d that was rolled back", n, rolledBack)
			}
		})
	}
}

func TestACommitThatFailsFailsItsWholeGroupAndNoOther(t *testing.T) {
	g, _ := newGroups(t)
	orphan := func(tx dialect.Tx) error { // the foreign key is checked at COMMIT
		return errors.Join(exec(tx, `INSERT INTO t (id, parent) VALUES (2, 7)`), tx.Commit())
	}
	for i, err := range together(t, g, insert(1), orphan, insert(3)) {
		if err == nil {
			t.Errorf("transaction %d believes that it has committed", i)
		}
	}
	if n := count(t, g, "TRUE"); n != 0 {
		t.Errorf("%d rows of the group stayed", n)
	}
	if err := errors.Join(together(t, g, insert(4))...); err != nil || count(t, g, "id = 4") != 1 {
		t.Errorf("the group behind it: %v", err)
	}
}

func TestAGroupThatSQLiteRollsBackFailsAllItsMembers(t *testing.T) {
	g, _ := newGroups(t)
	breaker := func(tx dialect.Tx) error { // SQLite does the same by itself if the disk is full
		err := exec(tx, `INSERT OR ROLLBACK INTO t (id) VALUES (1)`)
		if err == nil {
			return errors.New("the row was there already")
		}
		return errors.Join(err, tx.Rollback())
	}
	errs := together(t, g, insert(1), breaker, insert(3))
	if !errors.Is(errs[0], errGroupLost) {
		t.Errorf("the member before it: %v", errs[0])
	}
	if n := count(t, g, "id = 1"); n != 0 {
		t.Error("the row of a failed member stayed")
	}
	if committed := count(t, g, "id = 3") == 1; committed != (errs[2] == nil) {
		t.Errorf("the member behind it: committed %v, error %v", committed, errs[2])
	}
	if err := errors.Join(together(t, g, insert(4))...); err != nil {
		t.Errorf("the group behind it: %v", err)
	}
}

func TestNobodyJoinsAGroupThatSQLiteHasRolledBack(t *testing.T) {
	g, _ := newGroups(t)
	if err := errors.Join(together(t, g, insert(1))...); err != nil {
		t.Fatal(err)
	}
	careless := func(tx dialect.Tx) error {
		if err := exec(tx, `INSERT INTO t (id) VALUES (2)`); err != nil {
			return err
		}
		if err := exec(tx, `INSERT OR ROLLBACK INTO t (id) VALUES (1)`); err == nil {
			return errors.New("the row was there twice")
		}
		return tx.Commit()
	}
	errs := together(t, g, careless, insert(3), insert(4))
	if !errors.Is(errs[0], errGroupLost) {
		t.Errorf("the first member: %v", errs[0])
	}
	if err := errors.Join(errs[1:]...); err != nil || count(t, g, "id IN (3, 4)") != 2 {
		t.Errorf("those behind it: %v", err)
	}
	if n := count(t, g, "id = 2"); n != 0 {
		t.Errorf("%d rows of the failed member stayed", n)
	}
}

func TestALoneTransactionCommitsByItself(t *testing.T) {
	g, commits := newGroups(t)
	for id := range 3 {
		tx, err := g.begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := insert(id)(tx); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); !errors.Is(err, sql.ErrTxDone) {
			t.Errorf("a second commit: %v", err)
		}
		if err := tx.Rollback(); !errors.Is(err, sql.ErrTxDone) {
			t.Errorf("a rollback after the commit: %v", err)
		}
	}
	if commits.Load() != 3 {
		t.Errorf("%d commits, want 3", commits.Load())
	}
}

func TestWhoWaitsForTheTurnCanGiveUp(t *testing.T) {
	g, _ := newGroups(t)
	holder, err := g.begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error)
	go func() {
		_, err := g.begin(ctx)
		gaveUp <- err
	}()
	waitForQueue(g, 1)
	cancel()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) {
		t.Errorf("giving up: %v", err)
	}
	if err := insert(1)(holder); err != nil {
		t.Errorf("the holder, whom nobody waits for any more: %v", err)
	}
}

func TestManyWritersLoseAndMixNothing(t *testing.T) {
	g, commits := newGroups(t)
	const writers, each = 32, 20
	var running sync.WaitGroup
	for w := range writers {
		running.Go(func() {
			for i := range each {
				tx, err := g.begin(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				for range 2 { // both or none
					if err := exec(tx, `INSERT INTO t (writer) VALUES (?)`, w); err != nil {
						t.Error(err)
					}
				}
				end := tx.Commit
				if i%4 == 3 {
					end = tx.Rollback
				}
				if err := end(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	for w := range writers {
		if n := count(t, g, fmt.Sprint("writer = ", w)); n != 2*each*3/4 {
			t.Errorf("writer %d has %d rows, want %d", w, n, 2*each*3/4)
		}
	}
	if commits.Load() >= writers*each*3/4 {
		t.Errorf("%d transactions took %d commits: none was shared", writers*each*3/4, commits.Load())
	}
	nobodyLeads(g)
	if len(g.queue) > 0 || g.current != nil || len(g.idle) > 0 {
		t.Error("something is left of the groups")
	}
}
