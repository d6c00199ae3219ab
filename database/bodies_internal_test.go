package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"

	"lorebridge/ent"
)

// put returns a body that inserts a row.
func put(id int) func(dialect.Tx) error {
	return func(tx dialect.Tx) error { return exec(tx, `INSERT INTO t (id) VALUES (?)`, id) }
}

// bodies runs bodies that share one group. They run in order: the given one at its place, and the others insert the
// rows 1, 2 and so on.
func bodies(t *testing.T, g *groupCommit, place int, one func(dialect.Tx) error) []error {
	t.Helper()
	all := make([]func() error, 3)
	for i := range all {
		body := put(i + 1)
		if i == place {
			body = one
		}
		all[i] = func() error { return inTx(t.Context(), g, body) }
	}
	return arranged(t, g, all...)
}

// othersCommit checks that all bodies except the one in place have committed.
func othersCommit(t *testing.T, g *groupCommit, place int, errs []error) {
	t.Helper()
	for i, err := range errs {
		if stored := count(t, g, fmt.Sprint("id = ", i+1)) == 1; i != place && (err != nil || !stored) {
			t.Errorf("body %d: stored %v, %v", i, stored, err)
		}
	}
	if n := count(t, g, "id > 3"); n != 0 {
		t.Errorf("%d rows of the body in place %d stayed", n, place)
	}
	nobodyLeads(g)
	if g.current != nil || len(g.idle) > 0 || len(g.committed) > 0 {
		t.Error("something is left of the groups")
	}
}

func inPlace(place int) string { return fmt.Sprint("in place ", place) }

func TestBodiesThatComeTogetherShareACommit(t *testing.T) {
	g, commits := newGroups(t)
	if err := errors.Join(bodies(t, g, -1, nil)...); err != nil || commits.Load() != 1 || count(t, g, "TRUE") != 3 {
		t.Errorf("%d commits: %v", commits.Load(), err)
	}
}

func TestABodyThatFailsCostsOnlyItself(t *testing.T) {
	for place := range 3 {
		t.Run(inPlace(place), func(t *testing.T) {
			g, commits := newGroups(t)
			failure := errors.New("a failure")
			errs := bodies(t, g, place, func(tx dialect.Tx) error {
				return errors.Join(put(9)(tx), failure)
			})
			if !errors.Is(errs[place], failure) {
				t.Errorf("its error comes back as %v", errs[place])
			}
			othersCommit(t, g, place, errs)
			if commits.Load() != 1 {
				t.Errorf("%d commits, want 1", commits.Load())
			}
		})
	}
}

func TestAStatementThatFailsCostsOnlyItsBody(t *testing.T) {
	for place := range 3 {
		t.Run(inPlace(place), func(t *testing.T) {
			g, _ := newGroups(t)
			if _, err := g.db.ExecContext(t.Context(), `CREATE TABLE child (parent INTEGER NOT NULL REFERENCES parent)`); err != nil {
				t.Fatal(err)
			}
			errs := bodies(t, g, place, func(tx dialect.Tx) error {
				return errors.Join(put(9)(tx), exec(tx, `INSERT INTO child VALUES (7)`))
			})
			if errs[place] == nil {
				t.Error("it believes that it has committed")
			}
			othersCommit(t, g, place, errs)
		})
	}
}

func TestABodyThatPanicsPanicsInItsCaller(t *testing.T) {
	for place := range 3 {
		t.Run(inPlace(place), func(t *testing.T) {
			g, _ := newGroups(t)
			reason := errors.New("a reason")
			all := make([]func() error, 3)
			for i := range all {
				all[i] = func() (err error) {
					if i != place {
						return inTx(t.Context(), g, put(i+1))
					}
					defer func() {
						if recover() != any(reason) {
							t.Error("it did not panic with its reason")
						}
					}()
					return inTx(t.Context(), g, func(tx dialect.Tx) error {
						if err := put(9)(tx); err != nil {
							return err
						}
						panic(reason)
					})
				}
			}
			othersCommit(t, g, place, arranged(t, g, all...))
		})
	}
}

// t.FailNow does the same.
func TestABodyThatEndsItsGoroutineEndsThatOfItsCaller(t *testing.T) {
	for place := range 3 {
		t.Run(inPlace(place), func(t *testing.T) {
			g, _ := newGroups(t)
			errs := bodies(t, g, place, func(tx dialect.Tx) error {
				defer runtime.Goexit()
				return put(9)(tx)
			})
			if errs[place] != nil { // arranged has waited for the end of the goroutine
				t.Errorf("its caller goes on, with %v", errs[place])
			}
			othersCommit(t, g, place, errs)
		})
	}
}

func TestAContextEndsTheWaitAndNotTheBody(t *testing.T) {
	g, _ := newGroups(t)
	ended, end := context.WithCancel(t.Context())
	end()
	if err := inTx(ended, g, put(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended before: %v", err)
	}
	release := hold(t, g)
	waiting, giveUp := context.WithCancel(t.Context())
	gaveUp := make(chan error)
	go func() { gaveUp <- inTx(waiting, g, put(2)) }()
	waitForQueue(g, 1)
	giveUp()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) {
		t.Errorf("a context that ends while its body waits: %v", err)
	}
	release()
	running, cancel := context.WithCancel(t.Context())
	if err := g.run(running, func(ctx context.Context) (func() error, error) {
		m, _ := memberOf(ctx)
		tx, err := m.begin()
		if err != nil {
			return nil, err
		}
		cancel()
		return func() error { return errors.Join(ctx.Err(), tx.Commit()) }, tx.Exec(ctx, `INSERT INTO t (id) VALUES (3)`, []any{}, nil)
	}); err != nil {
		t.Errorf("a context that ends while its body runs: %v", err)
	}
	if n, committed := count(t, g, "id < 3"), count(t, g, "id = 3"); n != 0 || committed != 1 {
		t.Errorf("%d rows of those who gave up, %d of who had begun", n, committed)
	}
}

func TestACommitThatFailsFailsAllBodiesOfItsGroup(t *testing.T) {
	for place := range 3 {
		t.Run(inPlace(place), func(t *testing.T) {
			g, _ := newGroups(t)
			for i, err := range bodies(t, g, place, func(tx dialect.Tx) error { // the foreign key is checked at COMMIT
				return exec(tx, `INSERT INTO t (id, parent) VALUES (9, 7)`)
			}) {
				if err == nil {
					t.Errorf("body %d believes that it has committed", i)
				}
			}
			if n := count(t, g, "TRUE"); n != 0 {
				t.Errorf("%d rows of the group stayed", n)
			}
			if err := inTx(t.Context(), g, put(4)); err != nil || count(t, g, "id = 4") != 1 {
				t.Errorf("who comes after: %v", err)
			}
		})
	}
}

// SQLite does the same by itself if the disk is full.
func TestAGroupThatSQLiteRollsBackTakesNobodyWhoComesAfter(t *testing.T) {
	for place := range 3 {
		t.Run(inPlace(place), func(t *testing.T) {
			g, _ := newGroups(t)
			if _, err := g.db.ExecContext(t.Context(), `INSERT INTO t (id) VALUES (9)`); err != nil {
				t.Fatal(err)
			}
			errs := bodies(t, g, place, func(tx dialect.Tx) error {
				if err := exec(tx, `INSERT OR ROLLBACK INTO t (id) VALUES (9)`); err == nil {
					return errors.New("the row is there twice")
				}
				for range 2 {
					if err := put(8)(tx); !errors.Is(err, errGroupLost) { // otherwise this statement would commit by itself
						t.Errorf("a statement after it: %v", err)
					}
					if err := tx.Rollback(); err != nil {
						t.Errorf("rolling back: %v", err)
					}
				}
				return nil
			})
			for i, err := range errs {
				if stored := count(t, g, fmt.Sprint("id = ", i+1)) == 1; stored != (err == nil) || stored != (i > place) {
					t.Errorf("body %d: stored %v, %v", i, stored, err)
				}
			}
			if n := count(t, g, "id = 8"); n != 0 {
				t.Error("a statement after the rollback stayed")
			}
		})
	}
}

// If a body ends the group without an error, this is noticed before another body joins.
func TestABodyThatEndsTheGroupIsNoticed(t *testing.T) {
	for place := range 3 {
		t.Run(inPlace(place), func(t *testing.T) {
			g, _ := newGroups(t)
			errs := bodies(t, g, place, func(tx dialect.Tx) error { return exec(tx, `ROLLBACK`) })
			for i, err := range errs {
				if stored := count(t, g, fmt.Sprint("id = ", i+1)) == 1; stored != (err == nil) || stored != (i > place) {
					t.Errorf("body %d: stored %v, %v", i, stored, err)
				}
			}
		})
	}
}

func TestNothingRunsInATransactionThatHasEnded(t *testing.T) {
	g, _ := newGroups(t)
	ended := map[string]*memberTx{}
	for name, end := range map[string]func(tx *memberTx) error{
		"committed":   func(tx *memberTx) error { return tx.Commit() },
		"rolled back": func(tx *memberTx) error { return tx.Rollback() },
		"left":        nil,
	} {
		if err := g.run(t.Context(), func(ctx context.Context) (func() error, error) {
			m, _ := memberOf(ctx)
			tx, err := m.begin()
			ended[name] = tx
			if end == nil { // rows are still open: the connection returns to the pool nevertheless
				rows, readErr := tx.QueryContext(ctx, `SELECT 1 UNION SELECT 2`) //nolint:sqlclosecheck // that is the test
				if readErr == nil {
					rows.Next()
				}
				return nil, errors.Join(err, readErr, rows.Err())
			}
			return func() error { return end(tx) }, err
		}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, tx := range ended {
		_, execErr := tx.ExecContext(t.Context(), `INSERT INTO t (id) VALUES (9)`)
		rows, queryErr := tx.QueryContext(t.Context(), `INSERT INTO t (id) VALUES (9) RETURNING id`) //nolint:sqlclosecheck // there are none
		if rows != nil {
			_ = rows.Err()
			t.Errorf("%s: it reads", name)
		}
		for what, err := range map[string]error{
			"Exec": put(9)(tx), "Query": tx.Query(t.Context(), `SELECT 1`, []any{}, &entsql.Rows{}),
			"ExecContext": execErr, "QueryContext": queryErr,
			"Commit": tx.Commit(), "Rollback": tx.Rollback(),
		} {
			if !errors.Is(err, sql.ErrTxDone) {
				t.Errorf("%s, then %s: %v", name, what, err)
			}
		}
	}
	if n := count(t, g, "TRUE"); n != 0 {
		t.Errorf("%d rows were written", n)
	}
}

func TestAGroupHasAtMostSixtyFourMembers(t *testing.T) {
	g, commits := newGroups(t)
	all := make([]func() error, 2*maxGroup+1)
	for i := range all {
		all[i] = func() error { return inTx(t.Context(), g, put(i)) }
	}
	if err := errors.Join(arranged(t, g, all...)...); err != nil {
		t.Error(err)
	}
	if n := count(t, g, "TRUE"); n != len(all) || commits.Load() != 3 {
		t.Errorf("%d of %d rows with %d commits, want 3", n, len(all), commits.Load())
	}
}

// Before COMMIT and after it the hooks run in the order of the members.
func TestTheHooksRunAroundTheCommitInOrder(t *testing.T) {
	g, commits := newGroups(t)
	var before, after []int
	all := make([]func() error, 10)
	for i := range all {
		all[i] = func() error {
			return g.run(t.Context(), func(ctx context.Context) (func() error, error) {
				m, _ := memberOf(ctx)
				tx, err := m.begin()
				return func() error {
					if before = append(before, i); commits.Load() != 0 {
						t.Errorf("the hook of %d runs after COMMIT", i)
					}
					if i == 5 { // this one rolls back
						return tx.Rollback()
					}
					err := tx.Commit()
					if after = append(after, i); commits.Load() != 1 {
						t.Errorf("the hook of %d runs before COMMIT", i)
					}
					return err
				}, errors.Join(err, put(i)(tx))
			})
		}
	}
	if err := errors.Join(arranged(t, g, all...)...); err != nil {
		t.Error(err)
	}
	if !slices.Equal(before, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) || !slices.Equal(after, []int{0, 1, 2, 3, 4, 6, 7, 8, 9}) {
		t.Errorf("the hooks ran in the orders %v and %v", before, after)
	}
	if n := count(t, g, "id = 5"); n != 0 {
		t.Error("what a hook rolled back stayed")
	}
}

// endsWhenDequeued is a context that ends as soon as the queue is empty.
type endsWhenDequeued struct {
	context.Context //nolint:containedctx // it is one
	g               *groupCommit
}

func (c endsWhenDequeued) Done() <-chan struct{} {
	waitForQueue(c.g, 0)
	ended := make(chan struct{})
	close(ended)
	return ended
}

// A member that has left the queue gets its transaction even if its context has ended, because only the caller can
// end the transaction.
func TestAMemberThatLeftTheQueueGetsItsTransaction(t *testing.T) {
	g, _ := newGroups(t)
	for id := range 20 { // the runtime chooses which of the two comes first
		tx, err := g.begin(endsWhenDequeued{t.Context(), g})
		if err != nil {
			t.Fatal(err)
		}
		if err := insert(id)(tx); err != nil {
			t.Error(err)
		}
	}
	if n := count(t, g, "TRUE"); n != 20 {
		t.Errorf("%d of 20 rows", n)
	}
}

func TestATransactionInsideOfAnotherIsRejected(t *testing.T) {
	d, _ := writable(t)
	client := ent.NewClient(ent.Driver(d))
	err := client.InTx(t.Context(), func(ctx context.Context, tx *ent.Tx) error {
		if _, err := client.Tx(ctx); !errors.Is(err, errPastTx) {
			t.Errorf("with the context of the body: %v", err)
		}
		ctx = ent.NewTxContext(t.Context(), tx)
		if _, err := client.Tx(ctx); !errors.Is(err, errPastTx) {
			t.Errorf("with that of the transaction: %v", err)
		}
		if err := client.InTx(ctx, func(context.Context, *ent.Tx) error { return nil }); !errors.Is(err, errPastTx) {
			t.Errorf("with a body: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Whatever the other bodies do, exactly the changes that were reported as committed are stored.
func TestManyBodiesLoseAndMixNothing(t *testing.T) {
	g, commits := newGroups(t)
	const writers, each = 32, 40
	var answered, next atomic.Int64
	var mu sync.Mutex
	stored := make(map[int64]bool)
	var running sync.WaitGroup
	for range writers {
		running.Go(func() {
			for range each {
				id, fate := next.Add(1), rand.IntN(8)
				ctx, cancel := context.WithCancel(t.Context())
				err := func() (err error) {
					defer func() {
						if reason := recover(); reason != nil {
							err = errors.New("panicked")
						}
					}()
					return inTx(ctx, g, func(tx dialect.Tx) error {
						for part := range int64(2) { // both or none
							if err := exec(tx, `INSERT INTO t (id, writer) VALUES (?, ?)`, 2*id+part, id); err != nil {
								return err
							}
							switch fate {
							case 0:
								return errors.New("failed")
							case 1:
								panic("as planned")
							case 2:
								cancel()
							}
						}
						return nil
					})
				}()
				if fate == 3 { // a member that left before its turn
					cancel()
					if err := inTx(ctx, g, put(1)); !errors.Is(err, context.Canceled) {
						t.Errorf("who has gone: %v", err)
					}
				}
				cancel()
				if (err == nil) != (fate > 1) {
					t.Errorf("fate %d ends with %v", fate, err)
				}
				if err == nil {
					answered.Add(1)
					mu.Lock()
					stored[id] = true
					mu.Unlock()
				}
			}
		})
	}
	running.Wait()
	rows, err := g.db.QueryContext(t.Context(), `SELECT writer, COUNT(*) FROM t GROUP BY writer`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	found := 0
	for rows.Next() {
		var id sql.NullInt64
		var n int
		if err := rows.Scan(&id, &n); err != nil {
			t.Fatal(err)
		}
		found++
		if !stored[id.Int64] || n != 2 {
			t.Errorf("change %d has %d rows, answered %v", id.Int64, n, stored[id.Int64])
		}
	}
	if err := rows.Err(); err != nil || found != int(answered.Load()) {
		t.Errorf("%d of %d changes are stored, %v", found, answered.Load(), err)
	}
	if commits.Load() >= answered.Load() {
		t.Errorf("%d changes took %d commits: none was shared", answered.Load(), commits.Load())
	}
}
