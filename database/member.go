package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"

	"lorebridge/rule"
)

// member is one transaction in a group.
type member struct {
	body      func() (commit func() error, err error) // rolled back if commit is nil
	unlimited bool                                    // without a deadline

	// Only the leader uses the fields below.
	first     bool
	kept      bool // released; the group's COMMIT decides
	commitErr error
	tx        *memberTx
	worker    *worker

	done   chan struct{} // closed when it has ended
	result               // set before done is closed
}

// result is the outcome of a body and its commit.
type result struct {
	err      error
	panicked any
	exited   bool // by runtime.Goexit
}

// begin returns the member's transaction. It works only once.
func (m *member) begin() (*memberTx, error) {
	m.tx.mu.Lock()
	defer m.tx.mu.Unlock()
	if m.tx.begun {
		return nil, errPastTx
	}
	m.tx.begun = true
	return m.tx, m.tx.ended
}

func (m *member) end(r result) {
	m.result = r
	close(m.done)
}

// overdue returns the error for a caller whose body took too long.
func (m *member) overdue() error {
	return &rule.UnavailableError{
		RetryAfter: soon,
		Reason:     fmt.Sprintf("a change took longer than %s, while others waited, and was taken back", m.worker.groups.deadline),
		Err:        errOverdue,
	}
}

// worker is a coroutine that runs bodies one after the other. It runs only while the leader waits for it, and stops
// when a body wants to commit. So the hooks run around the COMMIT without a switch by the scheduler.
type worker struct {
	groups *groupCommit
	m      *member
	next   func() (struct{}, bool) // resumes the worker, and returns when it has stopped
	stop   func()                  // ends a worker that has nothing to run
	yield  func(struct{}) bool

	// The worker sets these fields. Others read them only while it has stopped.
	stopped bool // true at the end of a body, false if the body wants to commit
	lost    bool // whether its member was overdue
	result
}

func newWorker(g *groupCommit) *worker {
	w := &worker{groups: g}
	w.next, w.stop = iter.Pull(func(yield func(struct{}) bool) {
		reserveStack()
		w.yield = yield
		for {
			w.stopped = false
			w.work()
			w.stopped = true
			if !yield(struct{}{}) {
				return
			}
		}
	})
	return w
}

// reserveStack grows the stack of a new goroutine to what a body needs. On an empty stack this is nearly free. Later,
// step by step, it would cost as much as a statement.
//
//go:noinline
func reserveStack() {
	var stack [16 << 10]byte
	runtime.KeepAlive(&stack)
}

// work runs the body and the commit of one member.
func (w *worker) work() {
	m, returned := w.m, false
	defer func() {
		if returned {
			return
		}
		w.panicked = recover()
		w.exited = w.panicked == nil
		w.stopped = w.exited
		if w.panicked != nil { // log the stack here, because the caller's goroutine has another one
			w.groups.log.Error("a transaction panicked",
				slog.Any("reason", w.panicked), slog.String("stack", string(debug.Stack())))
		}
	}()
	commit, err := m.body()
	if err == nil && commit != nil {
		if err = w.groups.startCommit(m); err == nil {
			err = commit()
		}
	}
	w.err, returned = err, true
}

// discard lets the worker of an overdue member end. The new leader does the rest.
func (w *worker) discard() {
	w.lost = true
	for !w.stopped {
		w.next()
	}
	w.stop()
}

// memberTx is the transaction of a member as its body sees it. Commit must be called in the body's goroutine.
type memberTx struct {
	m    *member
	conn entsql.Conn
	raw  *sql.Conn

	// mu guards ended and open, and is held while a statement runs.
	mu    sync.Mutex
	begun bool
	ended error       // why no more statements may run; nil until then
	open  []io.Closer // rows that are not closed yet
}

var _ dialect.Tx = (*memberTx)(nil)

func newMemberTx(m *member, conn *sql.Conn) *memberTx {
	return &memberTx{m: m, conn: entsql.Conn{ExecQuerier: uninterrupted{conn}}, raw: conn}
}

// Commit returns when the changes are on the disk.
func (t *memberTx) Commit() error {
	if err := t.revoke(sql.ErrTxDone); err != nil {
		return err
	}
	w := t.m.worker
	w.yield(struct{}{})
	if w.lost {
		return t.m.overdue()
	}
	return t.m.commitErr
}

// Rollback ends the transaction. Its changes are rolled back when the body has returned.
func (t *memberTx) Rollback() error {
	if err := t.revoke(sql.ErrTxDone); errors.Is(err, sql.ErrTxDone) {
		return err
	}
	return nil
}

// revoke waits for a running statement and lets no other begin; they then fail with why. It returns the reason of an
// earlier end, if there was one.
func (t *memberTx) revoke(why error) (before error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before = t.ended
	if before == nil {
		t.ended = why
	}
	for _, rows := range t.open {
		_ = rows.Close() // the connection cannot be returned to the pool while rows are open
	}
	t.open = nil
	return before
}

func (t *memberTx) Exec(ctx context.Context, query string, args, v any) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended != nil {
		return t.ended
	}
	return t.failed(t.conn.Exec(ctx, query, args, v))
}

func (t *memberTx) Query(ctx context.Context, query string, args, v any) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended != nil {
		return t.ended
	}
	if err := t.conn.Query(ctx, query, args, v); err != nil {
		return t.failed(err)
	}
	if rows, ok := v.(*entsql.Rows); ok {
		t.open = append(t.open, rows.ColumnScanner)
		rows.ColumnScanner = memberRows{explained{rows.ColumnScanner}, t}
	}
	return nil
}

// ExecContext is called by ent's Client.ExecContext.
func (t *memberTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended != nil {
		return nil, t.ended
	}
	made, err := t.conn.ExecContext(ctx, query, args...)
	return made, t.failed(err)
}

// QueryContext is called by ent's Client.QueryContext.
func (t *memberTx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended != nil {
		return nil, t.ended
	}
	rows, err := t.conn.QueryContext(ctx, query, args...) //nolint:sqlclosecheck // the caller does, or revoke
	if err != nil {
		return nil, t.failed(err)
	}
	t.open = append(t.open, rows)
	return rows, nil
}

// failed explains the error of a statement. If SQLite has rolled back the whole group, it ends the transaction,
// because another statement would commit by itself. The caller holds mu.
func (t *memberTx) failed(err error) error {
	if err == nil {
		return nil
	}
	if lost, rawErr := autocommits(t.raw); t.ended == nil && (lost || rawErr != nil) {
		t.ended = explain(errors.Join(errGroupLost, rawErr))
	}
	return explain(err)
}

// run runs a statement for the leader, also after the end of the transaction.
func (t *memberTx) run(statement string) error {
	if _, err := t.conn.ExecContext(context.Background(), statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

// memberRows are rows that a body reads.
type memberRows struct {
	explained
	t *memberTx
}

func (r memberRows) Close() error {
	r.t.mu.Lock()
	defer r.t.mu.Unlock()
	if i := slices.Index(r.t.open, io.Closer(r.ColumnScanner)); i >= 0 {
		r.t.open = slices.Delete(r.t.open, i, i+1)
	}
	return explain(r.ColumnScanner.Close())
}

// lentTx is a transaction whose statements run in another goroutine than its body. The body waits for the end.
type lentTx struct {
	*memberTx
	m     *member
	end   chan<- bool
	mu    sync.Mutex
	ended bool
}

var _ dialect.Tx = (*lentTx)(nil)

// Commit returns when the changes are on the disk.
func (l *lentTx) Commit() error { return l.finish(true) }

// Rollback rolls the transaction back.
func (l *lentTx) Rollback() error { return l.finish(false) }

func (l *lentTx) finish(commit bool) error {
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return sql.ErrTxDone
	}
	l.ended = true
	l.mu.Unlock()
	l.end <- commit
	<-l.m.done
	return l.m.err
}

// uninterrupted ignores the contexts of statements, because the driver would roll back the whole group if one context
// ended.
type uninterrupted struct{ conn *sql.Conn }

var _ entsql.ExecQuerier = uninterrupted{}

func (u uninterrupted) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return u.conn.ExecContext(context.WithoutCancel(ctx), query, args...)
}

func (u uninterrupted) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return u.conn.QueryContext(context.WithoutCancel(ctx), query, args...)
}
