package database

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
)

// sqliteDriver sends reads to a pool of read-only connections and everything else to the only one that writes:
// SQLite has one writer at a time, and one that waits here never sees SQLITE_BUSY.
//
// Readers see what has been committed when they begin. Inside a transaction everything runs on the writer.
type sqliteDriver struct {
	writer, reader *entsql.Driver
}

var _ dialect.Driver = (*sqliteDriver)(nil)

func (*sqliteDriver) Dialect() string { return dialect.SQLite }

// Exec writes.
func (d *sqliteDriver) Exec(ctx context.Context, query string, args, v any) error {
	return d.writer.Exec(ctx, query, args, v)
}

// Query reads, but for INSERT … RETURNING. A write that came here by mistake fails: readers cannot.
func (d *sqliteDriver) Query(ctx context.Context, query string, args, v any) error {
	if strings.HasPrefix(query, "SELECT") {
		return d.reader.Query(ctx, query, args, v)
	}
	return d.writer.Query(ctx, query, args, v)
}

// Tx begins a transaction that writes. The wait for the writer ends with ctx; once begun, the transaction does not.
func (d *sqliteDriver) Tx(ctx context.Context) (dialect.Tx, error) {
	conn, err := d.writer.DB().Conn(ctx)
	if err != nil {
		return nil, err
	}
	tx, err := conn.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &sqliteTx{Conn: entsql.Conn{ExecQuerier: tx}, tx: tx, conn: conn}, nil
}

// BeginTx is what ent's Client.BeginTx calls.
func (d *sqliteDriver) BeginTx(ctx context.Context, options *sql.TxOptions) (dialect.Tx, error) {
	if options != nil && options.ReadOnly {
		return d.reader.BeginTx(ctx, options)
	}
	return d.Tx(ctx)
}

// Close closes all connections.
func (d *sqliteDriver) Close() error { return errors.Join(d.reader.Close(), d.writer.Close()) }

// sqliteTx gives the writer back when it ends.
type sqliteTx struct {
	entsql.Conn
	tx   *sql.Tx
	conn *sql.Conn
}

func (t *sqliteTx) Commit() error { return errors.Join(t.tx.Commit(), t.conn.Close()) }

func (t *sqliteTx) Rollback() error { return errors.Join(t.tx.Rollback(), t.conn.Close()) }
