package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"runtime"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"github.com/mattn/go-sqlite3"

	"lorebridge/ent"
	_ "lorebridge/ent/runtime" // without it no hook and no privacy rule runs
)

// Open opens, creates if need be, and migrates the database. The client must be closed. While another process has it
// open the error is ErrInUse.
func Open(ctx context.Context, c Config) (*ent.Client, error) {
	client, _, err := OpenWatched(ctx, c, slog.New(slog.DiscardHandler))
	return client, err
}

// OpenWatched is Open for who wants to know whether the database can be written: Health.Run finds out, if nobody else
// does.
func OpenWatched(ctx context.Context, c Config, log *slog.Logger) (*ent.Client, *Health, error) {
	if err := c.Validate(); err != nil {
		return nil, nil, err
	}
	opened, err := openSQLite(ctx, c.Path())
	if err != nil {
		return nil, nil, fmt.Errorf("open the database %s: %w (DATABASE_URL says which)", c.Path(), err)
	}
	opened.health.log, opened.groups.log = log, log
	return ent.NewClient(ent.Driver(opened)), opened.health, nil
}

func openSQLite(ctx context.Context, path string) (_ *sqliteDriver, err error) {
	for _, name := range []string{path, path + lockSuffix} {
		if err := create(name); err != nil {
			return nil, err
		}
	}
	lock, err := acquire(ctx, path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Close())
		}
	}()
	writer := openWriter(path)
	defer func() {
		if err != nil {
			err = errors.Join(err, writer.Close())
		}
	}()
	// The writer comes first: it sets WAL, which the file keeps.
	if err := writer.PingContext(ctx); err != nil {
		return nil, err
	}
	if err := migrate(ctx, writer); err != nil {
		return nil, err
	}
	reader, err := sql.Open("sqlite3", dsn(path, url.Values{"_query_only": {"1"}}))
	if err != nil {
		return nil, err
	}
	readers := readersPerCore * runtime.GOMAXPROCS(0)
	reader.SetMaxOpenConns(readers)
	reader.SetMaxIdleConns(readers)
	health := &Health{}
	opened := &sqliteDriver{
		health: health,
		writer: entsql.OpenDB(dialect.SQLite, writer),
		reader: entsql.OpenDB(dialect.SQLite, reader),
		groups: newGroupCommit(writer, health),
		lock:   lock,
	}
	opened.groups.explain = opened.explain
	health.begin = opened.Tx
	return opened, nil
}

// writerSettings are those of the writer that an address has no word for. What a savepoint would put aside in a
// temporary file stays in memory, which saves most of what each member of a group writes. The WAL grows to 8000
// pages, which are 32 MiB, before it is copied into the database: a page that many transactions change is then copied
// once. COMMIT waits for the disk as before.
const writerSettings = `PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 8000`

// openWriter returns the pool of the one connection that writes. Nothing is opened before it is used.
func openWriter(path string) *sql.DB {
	pool := sql.OpenDB(connector{
		address: dsn(path, url.Values{"_txlock": {"immediate"}}),
		driver: &sqlite3.SQLiteDriver{ConnectHook: func(conn *sqlite3.SQLiteConn) error {
			if _, err := conn.Exec(writerSettings, nil); err != nil {
				return fmt.Errorf("set up the writer: %w", err)
			}
			return nil
		}},
	})
	pool.SetMaxOpenConns(1)
	return pool
}

// connector opens the connections of a pool with a driver of its own, also those that replace a broken one.
type connector struct {
	address string
	driver  *sqlite3.SQLiteDriver
}

var _ driver.Connector = connector{}

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.address) }

func (c connector) Driver() driver.Driver { return c.driver }

// create makes a file that is not there. SQLite would make it readable for everybody, and it holds password hashes.
func create(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return file.Close()
}

// readersPerCore is low because more readers take the cores from the writer, for whom everybody waits.
const readersPerCore = 1

func dsn(path string, more url.Values) string {
	options := url.Values{
		"_journal_mode":    {"WAL"},
		"_synchronous":     {"FULL"}, // the driver's default loses the last commits with the power
		"_busy_timeout":    {"2500"}, // who waits for a transaction and for one without is UNAVAILABLE within five seconds
		"_fk":              {"1"},
		"_cache_size":      {"-16384"}, // KiB
		"_stmt_cache_size": {"128"},    // prepared statements per connection
	}
	maps.Copy(options, more)
	return fileURL(path, options)
}

func fileURL(path string, options url.Values) string {
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: options.Encode()}).String()
}
