package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"

	"lorebridge/rule"
)

func TestABodyThatDoesNotReturnIsOverdue(t *testing.T) {
	for _, late := range []string{"returns", "fails", "panics", "ends its goroutine", "reads"} {
		for place := range 3 {
			t.Run(inPlace(place), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					g, _ := newGroups(t)
					if _, err := g.db.ExecContext(t.Context(), `INSERT INTO parent (id) VALUES (1), (2)`); err != nil {
						t.Fatal(err)
					}
					free, returned := make(chan struct{}), make(chan struct{})
					start := time.Now()
					errs := bodies(t, g, place, func(tx dialect.Tx) error {
						defer close(returned)
						var rows entsql.Rows
						if late == "reads" {
							if err := tx.Query(t.Context(), `SELECT id FROM parent`, []any{}, &rows); err != nil || !rows.Next() {
								t.Errorf("reading: %v", err)
							}
						}
						if err := put(9)(tx); err != nil {
							return err
						}
						<-free
						if err := put(8)(tx); !errors.Is(err, errOverdue) {
							t.Errorf("a statement after its deadline: %v", err)
						}
						switch late {
						case "fails":
							return errors.New("too late")
						case "panics":
							panic("too late")
						case "ends its goroutine":
							runtime.Goexit()
						case "reads":
							if rows.Next() {
								t.Error("it goes on to read")
							}
							return rows.Close()
						}
						return nil
					})
					if took := time.Since(start); took != bodyDeadline {
						t.Errorf("it took %s", took)
					}
					overdue, ok := errors.AsType[*rule.UnavailableError](errs[place])
					const reason = "a change took longer than 1s, while others waited, and was taken back"
					if !ok || !errors.Is(overdue, errOverdue) || overdue.Reason != reason {
						t.Errorf("its caller gets %v", errs[place])
					}
					othersCommit(t, g, place, errs)
					if err := inTx(t.Context(), g, put(4)); err != nil {
						t.Errorf("while it still runs: %v", err)
					}
					close(free)
					<-returned
					synctest.Wait()
					if err := inTx(t.Context(), g, put(5)); err != nil || count(t, g, "id IN (4, 5)") != 2 || count(t, g, "id IN (8, 9)") != 0 {
						t.Errorf("after it has returned: %v", err)
					}
				})
			})
		}
	}
}

func TestWhoIsOverdueDoesNotCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := newGroups(t)
		free := make(chan struct{})
		err := g.run(t.Context(), func(context.Context) (func() error, error) {
			<-free
			return func() error {
				t.Error("its hooks run, though others may have got the same ids by now")
				return nil
			}, nil
		})
		if !errors.Is(err, errOverdue) {
			t.Errorf("its caller gets %v", err)
		}
		close(free)
		synctest.Wait()
	})
}

// A body that becomes overdue at the moment of its commit is rolled back.
func TestACommitThatLosesTheLeadFails(t *testing.T) {
	for place := range 3 {
		t.Run(inPlace(place), func(t *testing.T) {
			g, _ := newGroups(t)
			late := make(chan bool, 1)
			all := make([]func() error, 3)
			for i := range all {
				all[i] = func() error {
					return g.run(t.Context(), func(ctx context.Context) (func() error, error) {
						m, _ := memberOf(ctx)
						tx, err := m.begin()
						return func() error {
							if i != place {
								return tx.Commit()
							}
							_ = tx.revoke(sql.ErrTxDone) // as at the start of Commit
							g.mu.Lock()
							g.since = time.Now().Add(-2 * g.deadline)
							epoch := g.epoch
							g.mu.Unlock()
							go g.look()
							for !lost(g, epoch) {
								runtime.Gosched()
							}
							m.worker.yield(struct{}{}) // as at its end
							late <- m.worker.lost
							return nil
						}, errors.Join(err, put(i+1)(tx))
					})
				}
			}
			errs := arranged(t, g, all...)
			if !errors.Is(errs[place], errOverdue) || count(t, g, fmt.Sprint("id = ", place+1)) != 0 || !<-late {
				t.Errorf("its caller gets %v", errs[place])
			}
			othersCommit(t, g, place, errs)
		})
	}
}

// lost reports whether epoch has lost the lead.
func lost(g *groupCommit, epoch int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.epoch != epoch
}

// A running statement delays the deadline, because nothing else can use the connection.
func TestAStatementThatRunsIsWaitedFor(t *testing.T) {
	g, _ := newGroups(t)
	g.deadline = time.Millisecond
	free := make(chan struct{})
	defer close(free)
	err := inTx(t.Context(), g, func(tx dialect.Tx) error {
		err := exec(tx, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
			INSERT INTO t (id) SELECT max(i) FROM n`)
		<-free
		return err
	})
	if !errors.Is(err, errOverdue) {
		t.Errorf("its caller gets %v", err)
	}
	g.deadline = time.Hour
	if err := inTx(t.Context(), g, put(1)); err != nil || count(t, g, "TRUE") != 1 {
		t.Errorf("who comes after: %v", err)
	}
}

// The change is already on the disk, so its caller gets no error.
func TestAHookThatDoesNotReturnHoldsUpNobody(t *testing.T) {
	for place := range 3 {
		t.Run(inPlace(place), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, commits := newGroups(t)
				free := make(chan struct{})
				all := make([]func() error, 3)
				for i := range all {
					all[i] = func() error {
						return g.run(t.Context(), func(ctx context.Context) (func() error, error) {
							m, _ := memberOf(ctx)
							tx, err := m.begin()
							return func() error {
								err := tx.Commit()
								if i == place {
									<-free
								}
								return err
							}, errors.Join(err, put(i+1)(tx))
						})
					}
				}
				if err := errors.Join(arranged(t, g, all...)...); err != nil {
					t.Error(err)
				}
				if n := count(t, g, "TRUE"); n != 3 || commits.Load() != 1 {
					t.Errorf("%d rows with %d commits", n, commits.Load())
				}
				if err := inTx(t.Context(), g, put(4)); err != nil {
					t.Errorf("who comes after: %v", err)
				}
				close(free)
				synctest.Wait()
				nobodyLeads(g)
			})
		})
	}
}

// Before COMMIT a hook is part of the change.
func TestAHookThatDoesNotReturnBeforeItsCommitIsOverdue(t *testing.T) {
	for place := range 3 {
		t.Run(inPlace(place), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, _ := newGroups(t)
				free, late := make(chan struct{}), make(chan error, 1)
				all := make([]func() error, 3)
				for i := range all {
					all[i] = func() error {
						return g.run(t.Context(), func(ctx context.Context) (func() error, error) {
							m, _ := memberOf(ctx)
							tx, err := m.begin()
							return func() error {
								if i != place {
									return tx.Commit()
								}
								<-free
								err := tx.Commit()
								late <- err
								return err
							}, errors.Join(err, put(i+1)(tx))
						})
					}
				}
				errs := arranged(t, g, all...)
				if !errors.Is(errs[place], errOverdue) || count(t, g, fmt.Sprint("id = ", place+1)) != 0 {
					t.Errorf("its caller gets %v", errs[place])
				}
				othersCommit(t, g, place, errs)
				close(free)
				if err := <-late; !errors.Is(err, errOverdue) {
					t.Errorf("its commit ends with %v", err)
				}
			})
		})
	}
}

// Each body has the full deadline however long the bodies before it took, and so has each commit.
func TestABodyHasItsDeadlineForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := newGroups(t)
		const nearly = bodyDeadline * 9 / 10
		slow := func(id int) func() error {
			return func() error {
				return g.run(t.Context(), func(ctx context.Context) (func() error, error) {
					m, _ := memberOf(ctx)
					tx, err := m.begin()
					<-time.After(nearly)
					return func() error {
						<-time.After(nearly)
						err := tx.Commit()
						<-time.After(nearly)
						return err
					}, errors.Join(err, put(id)(tx))
				})
			}
		}
		overdue := func() error {
			return inTx(t.Context(), g, func(dialect.Tx) error {
				<-t.Context().Done()
				return nil
			})
		}
		errs := arranged(t, g, slow(1), slow(2), overdue, slow(3), overdue)
		if !errors.Is(errs[2], errOverdue) || !errors.Is(errs[4], errOverdue) {
			t.Errorf("those who are overdue get %v and %v", errs[2], errs[4])
		}
		if err := errors.Join(errs[0], errs[1], errs[3]); err != nil || count(t, g, "TRUE") != 3 {
			t.Error(err)
		}
	})
}

// A group waits without a deadline for a writer without a transaction.
func TestTheWaitForTheConnectionHasNoDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := newGroups(t)
		var others sync.WaitGroup
		err := g.run(t.Context(), func(ctx context.Context) (func() error, error) {
			m, _ := memberOf(ctx)
			tx, err := m.begin()
			return func() error {
				waiting := g.db.Stats().WaitCount
				others.Go(func() { // gets the connection after COMMIT
					conn, err := g.db.Conn(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					<-time.After(3 * bodyDeadline)
					_ = conn.Close()
				})
				for g.db.Stats().WaitCount == waiting {
					runtime.Gosched()
				}
				err := tx.Commit()
				others.Go(func() { // in the next group
					if err := inTx(t.Context(), g, put(2)); err != nil {
						t.Error(err)
					}
				})
				waitForQueue(g, 1)
				return err
			}, errors.Join(err, put(1)(tx))
		})
		others.Wait()
		if n := count(t, g, "TRUE"); err != nil || n != 2 {
			t.Errorf("%d rows, %v", n, err)
		}
	})
}
