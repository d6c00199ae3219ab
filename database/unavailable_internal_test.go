package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"github.com/mattn/go-sqlite3"

	"lorebridge/rule"
)

// unavailable returns the obstacle that err names, or an empty text.
func unavailable(err error) string {
	if e, ok := errors.AsType[*rule.UnavailableError](err); ok {
		return e.Reason
	}
	return ""
}

// Every result code of SQLite and every error of database/sql is either an obstacle that can pass or a fault.
func TestEachErrorIsAnObstacleOrAFault(t *testing.T) {
	t.Parallel()
	wanted := map[int]string{
		3: rights.reason, 5: locked.reason, 6: locked.reason, 7: memory.reason, 8: rights.reason, 9: interrupt.reason, 10: disk.reason,
		13: full.reason, 14: disk.reason, 15: locked.reason, 17: interrupt.reason, 22: full.reason,
	}
	for code := 1; code <= 28; code++ {
		for extended := range 34 { // no code has more extended codes
			want := wanted[code]
			switch code | extended<<8 {
			case 10 | 32<<8, 10 | 33<<8:
				want = ""
			case 4 | 2<<8:
				want = interrupt.reason
			}
			err := fmt.Errorf("insert: %w", sqlite3.Error{Code: sqlite3.ErrNo(code), ExtendedCode: sqlite3.ErrNoExtended(code | extended<<8)})
			if got := unavailable(explain(err)); got != want {
				t.Errorf("%d with %d: %q, want %q", code, extended, got, want)
			}
			if !errors.Is(explain(err), err) {
				t.Errorf("%d with %d loses the error of SQLite", code, extended)
			}
		}
	}
	for err, want := range map[error]string{
		sql.ErrConnDone:          interrupt.reason,
		driver.ErrBadConn:        interrupt.reason,
		errClosed:                interrupt.reason,
		errGroupLost:             interrupt.reason,
		sql.ErrTxDone:            "",
		sql.ErrNoRows:            "",
		errPastTx:                "",
		context.Canceled:         "",
		context.DeadlineExceeded: "",
		errors.Join(context.Canceled, sqlite3.Error{Code: sqlite3.ErrInterrupt}): "", // the client canceled
	} {
		if got := unavailable(explain(err)); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
	if explain(nil) != nil {
		t.Error("no error becomes one")
	}
}

// writable returns a database whose statements do not wait for others.
func writable(t *testing.T) (*sqliteDriver, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lorebridge.db")
	d, err := openSQLite(t.Context(), path)
	must(t, err)
	t.Cleanup(func() { must(t, d.Close()) })
	d.health.log = slog.New(slog.DiscardHandler)
	pragma(t, d, "busy_timeout = 0")
	return d, path
}

func pragma(t *testing.T, d *sqliteDriver, pragma string) {
	t.Helper()
	var rows entsql.Rows
	must(t, d.writer.Query(t.Context(), "PRAGMA "+pragma, []any{}, &rows))
	for rows.Next() {
	}
	must(t, errors.Join(rows.Err(), rows.Close()))
}

// keep stores a setting in a transaction.
func keep(t *testing.T, d *sqliteDriver, key string) error {
	t.Helper()
	tx, err := d.Tx(t.Context())
	if err != nil {
		return err
	}
	if err := tx.Exec(t.Context(), "INSERT INTO settings (created_at, key, value) VALUES (?, ?, ?)", []any{time.Now().UTC(), key, strings.Repeat("x", 64<<10)}, nil); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// kept returns the keys of the settings.
func kept(t *testing.T, d dialect.ExecQuerier) (keys string) {
	t.Helper()
	var rows entsql.Rows
	must(t, d.Query(t.Context(), "SELECT coalesce(group_concat(key, ' '), '') FROM (SELECT key FROM settings WHERE key <> 'written_at' ORDER BY id)", []any{}, &rows))
	for rows.Next() {
		must(t, rows.Scan(&keys))
	}
	must(t, errors.Join(rows.Err(), rows.Close()))
	return keys
}

// With any obstacle to writing, the error names it, reads still work, and nothing is lost or doubled. Writes succeed
// when it has passed.
func TestAnObstacleIsNamedAndOverOnceItIsGone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		begin func(t *testing.T, d *sqliteDriver, path string) (end func())
		want  obstacle
	}{
		"another program writes": {func(t *testing.T, _ *sqliteDriver, path string) func() {
			t.Helper()
			other, err := sql.Open("sqlite3", path)
			must(t, err)
			conn, err := other.Conn(t.Context())
			must(t, err)
			_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
			must(t, err)
			return func() { must(t, errors.Join(conn.Close(), other.Close())) }
		}, locked},
		"the disk is full": {func(t *testing.T, d *sqliteDriver, _ string) func() {
			t.Helper()
			pragma(t, d, "max_page_count = 1") // SQLite raises it to the current number of pages
			return func() { pragma(t, d, "max_page_count = 1000000") }
		}, full},
		"the file is read-only": {func(t *testing.T, d *sqliteDriver, _ string) func() {
			t.Helper()
			pragma(t, d, "query_only = ON")
			return func() { pragma(t, d, "query_only = OFF") }
		}, rights},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, path := writable(t)
			must(t, keep(t, d, "before"))
			end := test.begin(t, d, path)
			for i := range 3 {
				if got := unavailable(keep(t, d, fmt.Sprint("during", i))); got != test.want.reason {
					t.Errorf("a transaction ends with %q, want %q", got, test.want.reason)
				}
				err := d.Exec(t.Context(), "INSERT INTO settings (created_at, key, value) VALUES ('', 'alone', zeroblob(99999))", []any{}, nil)
				if got := unavailable(err); got != test.want.reason {
					t.Errorf("a statement ends with %v, want %q", err, test.want.reason)
				}
			}
			if got, want := d.health.Problem(), "the database cannot be written: "+test.want.reason; got != want {
				t.Errorf("the health is %q, want %q", got, want)
			}
			if got := kept(t, d); got != "before" {
				t.Errorf("what is read is %q", got)
			}
			end()
			d.health.probe(t.Context())
			if got := d.health.Problem(); got != "" {
				t.Errorf("it is over, and the health %q", got)
			}
			must(t, keep(t, d, "after"))
			if got := kept(t, d); got != "before after" {
				t.Errorf("there are %q", got)
			}
		})
	}
}

// When a writer gives up, all that wait behind it give up as well. None waits as long as all before it together.
func TestAllWhoWaitForABlockedWriterGiveUpTogether(t *testing.T) {
	t.Parallel()
	d, path := writable(t)
	other, err := sql.Open("sqlite3", path)
	must(t, err)
	defer func() { must(t, other.Close()) }()
	conn, err := other.Conn(t.Context())
	must(t, err)
	_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	must(t, err)

	release := hold(t, d.groups)
	var all sync.WaitGroup
	var mu sync.Mutex
	causes := make(map[error]int)
	for range 5 {
		all.Go(func() {
			e, _ := errors.AsType[*rule.UnavailableError](keep(t, d, "waits"))
			mu.Lock()
			defer mu.Unlock()
			if e != nil && e.Reason == locked.reason {
				causes[e.Err]++
			}
		})
	}
	waitForQueue(d.groups, 5)
	release()
	all.Wait()
	if len(causes) != 1 || slices.Collect(maps.Values(causes))[0] != 5 {
		t.Errorf("five who wait are stopped by %v, want one attempt of the first", causes)
	}
	if got, want := d.health.Problem(), "the database cannot be written: "+locked.reason; got != want {
		t.Errorf("the health is %q, want %q", got, want)
	}
	nobodyLeads(d.groups)
	if len(d.groups.queue) > 0 || d.groups.current != nil {
		t.Error("something is left of the groups")
	}
	_, err = conn.ExecContext(t.Context(), "ROLLBACK")
	must(t, errors.Join(err, conn.Close()))
	must(t, keep(t, d, "after"))
}

func TestWhoWaitsForADatabaseThatIsClosedIsUnavailable(t *testing.T) {
	t.Parallel()
	d, _ := writable(t)
	release := hold(t, d.groups)
	ended := make(chan error)
	go func() { ended <- keep(t, d, "waits") }()
	waitForQueue(d.groups, 1)
	d.closed.Store(true) // as Close begins
	go func() { must(t, d.writer.Close()) }()
	if err := <-ended; unavailable(err) != interrupt.reason || !errors.Is(err, errClosed) {
		t.Errorf("who waits gets %v", err)
	}
	release()
}

// The probe writes a row every five seconds, except if another write came in between.
func TestTheProbeWritesOnlyIfNobodyElseDoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := 0
		h := &Health{log: slog.New(slog.DiscardHandler)}
		h.begin = func(context.Context) (dialect.Tx, error) {
			begun++
			return nil, explain(sqlite3.Error{Code: sqlite3.ErrFull})
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.Run(ctx) }()
		for second := range 30 {
			if second < 15 {
				h.wrote(nil) // somebody commits every second
			}
			if want := max(0, (second-15)/5); begun != want || (h.Problem() != "") != (want > 0) {
				t.Errorf("after %d seconds %d rows were tried, want %d; the health is %q", second, begun, want, h.Problem())
			}
			<-time.After(time.Second)
			synctest.Wait()
		}
		h.wrote(nil)
		if got := h.Problem(); got != "" {
			t.Errorf("a row was committed, and the health is %q", got)
		}
		stop()
		must(t, <-ended)
	})
}

// On a disk that hangs a write does not return, so no error is reported.
func TestAProbeThatHangsIsAProblem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &Health{log: slog.New(slog.DiscardHandler)}
		mended := make(chan struct{})
		h.begin = func(context.Context) (dialect.Tx, error) {
			<-mended
			return nil, context.Canceled
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.Run(ctx) }()
		<-time.After(probeEvery + maxProbe)
		if got := h.Problem(); got != "" {
			t.Errorf("too early the health is %q", got)
		}
		<-time.After(2 * time.Second)
		if got, want := h.Problem(), "the database cannot be written: a write has not come to an end for 12s"; got != want {
			t.Errorf("the health is %q, want %q", got, want)
		}
		stop()
		close(mended)
		must(t, <-ended)
		if got := h.Problem(); got != "" {
			t.Errorf("in the end the health is %q", got)
		}
	})
}

// Any error of the probe's row is reported, without names of files.
func TestAFaultOfTheProbeIsAProblem(t *testing.T) {
	t.Parallel()
	d, _ := writable(t)
	d.health.probe(t.Context())
	if got := d.health.Problem(); got != "" {
		t.Fatalf("the health is %q", got)
	}
	must(t, d.writer.Exec(t.Context(), "ALTER TABLE settings RENAME TO lost", []any{}, nil))
	d.health.probe(t.Context())
	if got := d.health.Problem(); got != "the database cannot be written: the log says why" {
		t.Errorf("the health is %q", got)
	}
	d.closed.Store(true)
	if got := unavailable(d.explain(errors.New("sql: database is closed"))); got != interrupt.reason {
		t.Errorf("a closed database is %q", got)
	}
}
