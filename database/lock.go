package database

import (
	"context"
	"database/sql"
	"errors"
	"net/url"

	"github.com/mattn/go-sqlite3"
)

// ErrInUse reports that another server has this database open. Each of the two would relay the events of both, and
// neither in order.
var ErrInUse = errors.New("another lorebridge runs on this database: stop it first")

// lockSuffix is appended to the database's path to name the lock file.
const lockSuffix = ".lock"

// lock keeps other servers away from the database at path until it is closed or the process ends in any manner. It is
// an open transaction that holds a second, empty database exclusively. It waits some seconds for a lock, so that
// servers can restart each other.
type lock struct {
	db *sql.DB
	tx *sql.Tx
}

func acquire(ctx context.Context, path string) (_ *lock, err error) {
	db, err := sql.Open("sqlite3", fileURL(path+lockSuffix, url.Values{
		"_busy_timeout": {"5000"}, "_txlock": {"exclusive"}, "_journal_mode": {"OFF"},
	}))
	if err != nil {
		return nil, err
	}
	tx, err := db.BeginTx(context.WithoutCancel(ctx), nil)
	if err == nil {
		return &lock{db: db, tx: tx}, nil
	}
	if busy, ok := errors.AsType[sqlite3.Error](err); ok && busy.Code == sqlite3.ErrBusy {
		err = ErrInUse
	}
	return nil, errors.Join(err, db.Close())
}

// Close releases the lock.
func (l *lock) Close() error { return errors.Join(l.tx.Rollback(), l.db.Close()) }
