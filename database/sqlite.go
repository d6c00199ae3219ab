package database

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync/atomic"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"

	"lorebridge/ent"
)

// sqliteDriver sends reads to a pool of read-only connections and everything else to the only one that writes:
// SQLite has one writer at a time, and one that waits here never sees SQLITE_BUSY.
//
// Readers see what has been committed when they begin. Inside a transaction everything runs on the writer.
type sqliteDriver struct {
	writer, reader *entsql.Driver
	groups         *groupCommit // of writer
	lock           *lock
	health         *Health
	closed         atomic.Bool
}

var (
	_ dialect.Driver = (*sqliteDriver)(nil)
	_ ent.TxRunner   = (*sqliteDriver)(nil)
)

func (*sqliteDriver) Dialect() string { return dialect.SQLite }

// errPastTx says that a write went past the transaction of its context: it would wait for the writer, which waits for
// it.
var errPastTx = errors.New("a transaction is under way: write through its client")

// Exec writes.
func (d *sqliteDriver) Exec(ctx context.Context, query string, args, v any) error {
	if ent.TxFromContext(ctx) != nil {
		return errPastTx
	}
	err := d.explain(d.writer.Exec(ctx, query, args, v))
	d.health.wrote(err)
	return err
}

// Query reads, but for INSERT … RETURNING. A write that came here by mistake fails: readers cannot.
func (d *sqliteDriver) Query(ctx context.Context, query string, args, v any) error {
	if strings.HasPrefix(query, "SELECT") {
		return d.query(ctx, d.reader, query, args, v)
	}
	if ent.TxFromContext(ctx) != nil {
		return errPastTx
	}
	err := d.query(ctx, d.writer, query, args, v)
	d.health.wrote(err)
	return err
}

func (d *sqliteDriver) query(ctx context.Context, pool *entsql.Driver, query string, args, v any) error {
	if err := pool.Query(ctx, query, args, v); err != nil {
		return d.explain(err)
	}
	explainRows(v)
	return nil
}

// explain is explain, and knows why a pool that is closed has no connection.
func (d *sqliteDriver) explain(err error) error {
	if err != nil && d.closed.Load() {
		err = errors.Join(errClosed, err)
	}
	return explain(err)
}

// RunTx runs body in a transaction that writes and may share its COMMIT. Body may run in another goroutine and has a
// second; then RunTx returns a *rule.UnavailableError.
func (d *sqliteDriver) RunTx(ctx context.Context, body func(context.Context) (func() error, error)) error {
	if ent.TxFromContext(ctx) != nil {
		return errPastTx
	}
	return d.groups.run(ctx, body)
}

// Tx returns the transaction of the body that has ctx. Elsewhere it begins one that writes: the wait for its turn
// ends with ctx; once begun, the transaction does not, and others wait for its end, however late that is.
func (d *sqliteDriver) Tx(ctx context.Context) (dialect.Tx, error) {
	if m, inside := memberOf(ctx); inside {
		tx, err := m.begin()
		if err != nil {
			return nil, err
		}
		return tx, nil
	}
	if ent.TxFromContext(ctx) != nil {
		return nil, errPastTx
	}
	return d.groups.begin(ctx)
}

// BeginTx is what ent's Client.BeginTx calls.
func (d *sqliteDriver) BeginTx(ctx context.Context, options *sql.TxOptions) (dialect.Tx, error) {
	if options != nil && options.ReadOnly {
		tx, err := d.reader.BeginTx(ctx, options)
		if err != nil {
			return nil, d.explain(err)
		}
		return tx, nil
	}
	return d.Tx(ctx)
}

// Close closes all connections.
func (d *sqliteDriver) Close() error {
	d.closed.Store(true)
	return errors.Join(d.reader.Close(), d.writer.Close(), d.lock.Close())
}
