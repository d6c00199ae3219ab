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

// obstacle is the reason why the database cannot serve, in plain words, and the time after which a retry makes sense.
type obstacle struct {
	reason string
	after  time.Duration
}

const (
	soon  = 2 * time.Second  // for obstacles that end by themselves
	later = 10 * time.Second // for obstacles that the operator removes
)

var (
	locked    = obstacle{"another program holds its lock", soon}
	interrupt = obstacle{"a statement was interrupted or its connection is gone", soon}
	rights    = obstacle{"the server may not write its file: check the rights, and whether it was moved or mounted read-only", later}
	disk      = obstacle{"its disk fails: check the disk, and whether the folder is still there", later}
	full      = obstacle{"the disk is full: make room", later}
	memory    = obstacle{"memory is short", later}
)

// passing are SQLite's result codes that the statement did not cause and that can pass. All others are faults: of the
// statement (SQLITE_ERROR, CONSTRAINT, MISMATCH, RANGE, TOOBIG, AUTH), of the program (MISUSE, INTERNAL, NOTFOUND,
// ABORT, EMPTY), or of the file, which no waiting repairs (CORRUPT, NOTADB, FORMAT). OK, ROW and DONE are no errors;
// NOTICE and WARNING are for logs.
var passing = map[sqlite3.ErrNo]obstacle{
	sqlite3.ErrBusy:      locked,    // another process writes, or recovers the file
	sqlite3.ErrLocked:    locked,    // another connection of this process writes
	sqlite3.ErrProtocol:  locked,    // too many transactions tried to begin at once
	sqlite3.ErrSchema:    interrupt, // another process has changed a table under the statement
	sqlite3.ErrInterrupt: interrupt, // not by a client, because that is a context's error
	sqlite3.ErrNomem:     memory,
	sqlite3.ErrFull:      full, // or the quota is used up
	sqlite3.ErrNoLFS:     full, // the file has outgrown its file system
	sqlite3.ErrIoErr:     disk,
	sqlite3.ErrCantOpen:  disk, // the folder is missing, or descriptors ran out
	sqlite3.ErrReadonly:  rights,
	sqlite3.ErrPerm:      rights,
}

// faults are extended codes that are faults although their primary code is in passing.
var faults = map[sqlite3.ErrNoExtended]bool{
	errIOData:      true,
	errIOCorruptFS: true,
}

// The driver has no names for these.
const (
	errIOData        = sqlite3.ErrNoExtended(10 | 32<<8) // a page's checksum is wrong
	errIOCorruptFS   = sqlite3.ErrNoExtended(10 | 33<<8) // the file system is damaged
	errAbortRollback = sqlite3.ErrNoExtended(4 | 2<<8)   // SQLite rolled back the transaction under a statement
)

// explain turns an error that can pass, or that the operator can end, into a *rule.UnavailableError. It leaves others
// as they are. No other place decides which errors these are.
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
		if o, ok := passing[fault.Code]; ok || !errors.Is(err, errGroupLost) { // with errGroupLost comes an error of a later statement, which is no cause
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

// errClosed is returned after Close, when the server stops.
var errClosed = errors.New("the database is closed")

// explained are rows whose errors are explained as well, because SQLite reads rows one by one.
type explained struct{ entsql.ColumnScanner }

func (r explained) Err() error { return explain(r.ColumnScanner.Err()) }

func (r explained) Scan(into ...any) error { return explain(r.ColumnScanner.Scan(into...)) }

// explainRows makes the rows in v explain their errors.
func explainRows(v any) {
	if rows, ok := v.(*entsql.Rows); ok {
		rows.ColumnScanner = explained{rows.ColumnScanner}
	}
}
