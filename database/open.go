package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"runtime"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	_ "github.com/mattn/go-sqlite3" // registers the driver sqlite3

	"lorebridge/ent"
	_ "lorebridge/ent/runtime" // without it no hook and no privacy rule runs
)

// Open opens, creates if need be, and migrates the database. The client must be closed. While another process has it
// open the error is ErrInUse.
func Open(ctx context.Context, c Config) (*ent.Client, error) {
	client, _, err := OpenWatched(ctx, c, slog.New(slog.DiscardHandler))
	return client, err
}

// OpenWatched is Open for who wants to know whether the database can be written: Health.Run finds out, if nobody else does.
func OpenWatched(ctx context.Context, c Config, log *slog.Logger) (*ent.Client, *Health, error) {
	if err := c.Validate(); err != nil {
		return nil, nil, err
	}
	driver, err := openSQLite(ctx, c.Path())
	if err != nil {
		return nil, nil, fmt.Errorf("open the database %s: %w (DATABASE_URL says which)", c.Path(), err)
	}
	driver.health.log = log
	return ent.NewClient(ent.Driver(driver)), driver.health, nil
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
	writer, err := sql.Open("sqlite3", dsn(path, url.Values{"_txlock": {"immediate"}}))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, writer.Close())
		}
	}()
	writer.SetMaxOpenConns(1)
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
	driver := &sqliteDriver{
		health: health,
		writer: entsql.OpenDB(dialect.SQLite, writer),
		reader: entsql.OpenDB(dialect.SQLite, reader),
		groups: &groupCommit{db: writer, health: health},
		lock:   lock,
	}
	health.begin = driver.Tx
	return driver, nil
}

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
