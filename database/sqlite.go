package database

import (
	"context"
	"database/sql"
	"errors"
	"strings"

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
}

var _ dialect.Driver = (*sqliteDriver)(nil)

func (*sqliteDriver) Dialect() string { return dialect.SQLite }

// errPastTx says that a write went past the transaction of its context: it would wait for the writer, which waits for it.
var errPastTx = errors.New("a transaction is under way: write through its client")

// Exec writes.
func (d *sqliteDriver) Exec(ctx context.Context, query string, args, v any) error {
	if ent.TxFromContext(ctx) != nil {
		return errPastTx
	}
	return d.writer.Exec(ctx, query, args, v)
}

// Query reads, but for INSERT … RETURNING. A write that came here by mistake fails: readers cannot.
func (d *sqliteDriver) Query(ctx context.Context, query string, args, v any) error {
	if strings.HasPrefix(query, "SELECT") {
		return d.reader.Query(ctx, query, args, v)
	}
	if ent.TxFromContext(ctx) != nil {
		return errPastTx
	}
	return d.writer.Query(ctx, query, args, v)
}

// Tx begins a transaction that writes. The wait for its turn ends with ctx; once begun, the transaction does not.
func (d *sqliteDriver) Tx(ctx context.Context) (dialect.Tx, error) { return d.groups.begin(ctx) }

// BeginTx is what ent's Client.BeginTx calls.
func (d *sqliteDriver) BeginTx(ctx context.Context, options *sql.TxOptions) (dialect.Tx, error) {
	if options != nil && options.ReadOnly {
		return d.reader.BeginTx(ctx, options)
	}
	return d.Tx(ctx)
}

// Close closes all connections.
func (d *sqliteDriver) Close() error {
	return errors.Join(d.reader.Close(), d.writer.Close(), d.lock.Close())
}
