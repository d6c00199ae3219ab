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

// sqliteDriver sends reads to a pool of read-only connections, and everything else to the only one that writes. SQLite
// allows one writer at a time. A write that waits here never gets SQLITE_BUSY.
//
// A reader sees everything that was committed before it began. Inside a transaction everything runs on the writer.
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

// errPastTx is returned for a write that bypasses the transaction of its context. Such a write would wait for the
// writer, and the writer for it.
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

// Query reads, except for INSERT … RETURNING, which writes. Other writes fail here, because readers cannot write.
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

// explain explains an error like the function explain, and also the error of a closed pool.
func (d *sqliteDriver) explain(err error) error {
	if err != nil && d.closed.Load() {
		err = errors.Join(errClosed, err)
	}
	return explain(err)
}

// RunTx runs body in a transaction that writes and may share its COMMIT. body may run in another goroutine. If it
// takes longer than a second, RunTx returns a *rule.UnavailableError.
func (d *sqliteDriver) RunTx(ctx context.Context, body func(context.Context) (func() error, error)) error {
	if ent.TxFromContext(ctx) != nil {
		return errPastTx
	}
	return d.groups.run(ctx, body)
}

// Tx returns the transaction of the body that has ctx. Without such a body it begins one that writes. The wait for
// the turn ends with ctx, but a transaction that has begun does not end with it, and others wait for it.
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

// BeginTx is called by ent's Client.BeginTx.
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
