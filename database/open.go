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

// Open opens and migrates the database, and creates it if there is none. The caller closes the client. It returns
// ErrInUse if another process has the database open.
func Open(ctx context.Context, c Config) (*ent.Client, error) {
	client, _, err := OpenWatched(ctx, c, slog.New(slog.DiscardHandler))
	return client, err
}

// OpenWatched is Open with a Health, which knows whether the database can be written. Health.Run must run.
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

// writerSettings are settings that the address has no parameter for. Temporary files stay in memory, which saves most
// of what the savepoint of each member writes. The WAL grows to 8000 pages (32 MiB) before it is copied into the
// database, so that a page with many changes is copied once. COMMIT still waits for the disk.
const writerSettings = `PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 8000`

// openWriter returns a pool with the only connection that writes. It opens nothing before its first use.
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

// create creates the file if there is none. SQLite would make it readable for everybody, and it holds password
// hashes.
func create(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return file.Close()
}

// readersPerCore is low because more readers take the cores from the writer, for which everybody waits.
const readersPerCore = 1

func dsn(path string, more url.Values) string {
	options := url.Values{
		"_journal_mode":    {"WAL"},
		"_synchronous":     {"FULL"}, // the driver's default loses the last commits in a power failure
		"_busy_timeout":    {"2500"}, // two such waits must end within five seconds
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
