package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"time"

	entsql "entgo.io/ent/dialect/sql"
	"github.com/mattn/go-sqlite3"

	"lorebridge/rule"
)

// obstacle is why the database cannot serve, in plain words, and when it is worth another try.
type obstacle struct {
	reason string
	after  time.Duration
}

const (
	soon  = 2 * time.Second  // what ends by itself
	later = 10 * time.Second // what the operator ends
)

var (
	locked    = obstacle{"another program holds its lock", soon}
	interrupt = obstacle{"a statement was interrupted or its connection is gone", soon}
	rights    = obstacle{"the server may not write its file: check the rights, and whether it was moved or mounted read-only", later}
	disk      = obstacle{"its disk fails: check the disk, and whether the folder is still there", later}
	full      = obstacle{"the disk is full: make room", later}
	memory    = obstacle{"memory is short", later}
)

// passing are SQLite's result codes that are no fault of the statement. All others are faults: of the statement
// (SQLITE_ERROR, CONSTRAINT, MISMATCH, RANGE, TOOBIG, AUTH), of the program (MISUSE, INTERNAL, NOTFOUND, ABORT,
// EMPTY), or of the file, which no waiting mends (CORRUPT, NOTADB, FORMAT). OK, ROW and DONE are no errors; NOTICE
// and WARNING are for logs.
var passing = map[sqlite3.ErrNo]obstacle{
	sqlite3.ErrBusy:      locked,    // another process writes, or recovers the file
	sqlite3.ErrLocked:    locked,    // another connection of this process does
	sqlite3.ErrProtocol:  locked,    // too many tried to begin at once
	sqlite3.ErrSchema:    interrupt, // another process has changed a table under the statement
	sqlite3.ErrInterrupt: interrupt, // not by a client: that is a context's error
	sqlite3.ErrNomem:     memory,
	sqlite3.ErrFull:      full, // or the quota used up
	sqlite3.ErrNoLFS:     full, // the file has outgrown its file system
	sqlite3.ErrIoErr:     disk,
	sqlite3.ErrCantOpen:  disk, // the folder is away, or descriptors ran out
	sqlite3.ErrReadonly:  rights,
	sqlite3.ErrPerm:      rights,
}

// faults are the extended codes of passing ones that are faults all the same.
var faults = map[sqlite3.ErrNoExtended]bool{
	errIOData:      true,
	errIOCorruptFS: true,
}

// The driver does not name all.
const (
	errIOData        = sqlite3.ErrNoExtended(10 | 32<<8) // a page's checksum is wrong
	errIOCorruptFS   = sqlite3.ErrNoExtended(10 | 33<<8) // the file system is damaged
	errAbortRollback = sqlite3.ErrNoExtended(4 | 2<<8)   // SQLite rolled back the transaction under a statement
)

// explain makes a rule.UnavailableError of errors that pass or that the operator can end, and leaves others as they
// are. It is the one place that knows which these are.
func explain(err error) error {
	if o, ok := obstacleOf(err); ok {
		return &rule.UnavailableError{RetryAfter: o.after, Reason: o.reason, Err: err}
	}
	return err
}

func obstacleOf(err error) (obstacle, bool) {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return obstacle{}, false
	}
	if _, known := errors.AsType[*rule.UnavailableError](err); known {
		return obstacle{}, false
	}
	if fault, ok := errors.AsType[sqlite3.Error](err); ok {
		if fault.ExtendedCode == errAbortRollback {
			return interrupt, true
		}
		if o, ok := passing[fault.Code]; ok || !errors.Is(err, errGroupLost) { // with it comes what SQLite says to the next statement
			return o, ok && !faults[fault.ExtendedCode]
		}
	}
	for _, gone := range []error{errGroupLost, errClosed, sql.ErrConnDone, driver.ErrBadConn} {
		if errors.Is(err, gone) {
			return interrupt, true
		}
	}
	return obstacle{}, false
}

// errClosed is why a database that is closed serves nothing: the server stops.
var errClosed = errors.New("the database is closed")

// explained are rows whose errors are explained: SQLite reads them one by one.
type explained struct{ entsql.ColumnScanner }

func (r explained) Err() error { return explain(r.ColumnScanner.Err()) }

func (r explained) Scan(into ...any) error { return explain(r.ColumnScanner.Scan(into...)) }

// explainRows explains the errors of what a query has put into v.
func explainRows(v any) {
	if rows, ok := v.(*entsql.Rows); ok {
		rows.ColumnScanner = explained{rows.ColumnScanner}
	}
}
