package database

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	atlas "ariga.io/atlas/sql/migrate"
)

//go:embed migrations/sqlite
var migrations embed.FS

// ErrNewerDatabase reports that a newer binary has migrated the database, so this one does not know its schema.
var ErrNewerDatabase = errors.New("the database is newer than this binary: run the version that migrated it, or a later one")

// migration is one file of migrations/. Its name is its order, and marks it as applied.
type migration struct {
	name       string
	statements []string
}

// migrate applies the migrations that db does not have yet, each file in its own transaction. Two processes that start
// at once take turns: BEGIN IMMEDIATE is the lock, and the second process finds nothing to do.
//
// SQLite rebuilds a table by dropping it. Foreign keys are therefore off during migrations, which works only outside of
// a transaction, and are checked before each commit. Temporary files stay on the disk, because sorting an index of
// many rows may need more than the memory.
func migrate(ctx context.Context, db *sql.DB) (err error) {
	known, err := readMigrations(migrations, "migrations/sqlite")
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(ctx, `PRAGMA foreign_keys = OFF; PRAGMA temp_store = DEFAULT`); err != nil {
		return err
	}
	defer func() {
		_, pragmaErr := conn.ExecContext(context.WithoutCancel(ctx), `PRAGMA foreign_keys = ON; `+writerSettings)
		err = errors.Join(err, pragmaErr)
	}()
	for {
		done, err := migrateNext(ctx, conn, known)
		if err != nil || done {
			return err
		}
	}
}

// migrateNext applies the first file that is missing. done reports that none was.
func migrateNext(ctx context.Context, conn *sql.Conn, known []migration) (done bool, err error) {
	tx, err := conn.BeginTx(ctx, nil) // BEGIN IMMEDIATE, because of the connection's _txlock
	if err != nil {
		return false, fmt.Errorf("lock for migrations: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	if _, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS schema_migrations (
		name TEXT NOT NULL PRIMARY KEY, applied_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ')))`); err != nil {
		return false, fmt.Errorf("create schema_migrations: %w", err)
	}
	applied, err := appliedMigrations(ctx, tx)
	if err != nil {
		return false, err
	}
	for i, name := range applied {
		if i >= len(known) || known[i].name != name {
			return false, fmt.Errorf("%w (it has seen migration %s)", ErrNewerDatabase, name)
		}
	}
	if len(applied) == len(known) {
		return true, tx.Commit()
	}
	next := known[len(applied)]
	sequences, err := readSequences(ctx, tx)
	if err != nil {
		return false, err
	}
	for _, statement := range next.statements {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return false, fmt.Errorf("apply migration %s: %w", next.name, err)
		}
		if err := keepSequences(ctx, tx, sequences); err != nil { // at once, because the next statement may insert
			return false, fmt.Errorf("apply migration %s: %w", next.name, err)
		}
	}
	if err := checkForeignKeys(ctx, tx); err != nil {
		return false, fmt.Errorf("apply migration %s: %w", next.name, err)
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO schema_migrations (name) VALUES (?)`, next.name); err != nil {
		return false, fmt.Errorf("record migration %s: %w", next.name, err)
	}
	return false, tx.Commit()
}

func appliedMigrations(ctx context.Context, tx *sql.Tx) (names []string, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT name FROM schema_migrations ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("read schema_migrations: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// readSequences returns the greatest id that each table with AUTOINCREMENT has given.
func readSequences(ctx context.Context, tx *sql.Tx) (_ map[string]int64, err error) {
	var kept bool // SQLite creates sqlite_sequence with the first such table
	if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT * FROM sqlite_master WHERE name = 'sqlite_sequence')`).Scan(&kept); err != nil {
		return nil, fmt.Errorf("look for sqlite_sequence: %w", err)
	}
	sequences := make(map[string]int64)
	if !kept {
		return sequences, nil
	}
	rows, err := tx.QueryContext(ctx, `SELECT name, seq FROM sqlite_sequence WHERE seq IS NOT NULL`)
	if err != nil {
		return nil, fmt.Errorf("read sqlite_sequence: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var table string
		var seq int64
		if err := rows.Scan(&table, &seq); err != nil {
			return nil, fmt.Errorf("read sqlite_sequence: %w", err)
		}
		sequences[table] = max(seq, sequences[table])
	}
	return sequences, rows.Err()
}

// keepSequences makes sure that no table gives an id twice. SQLite forgets the sequence of a dropped table. A rebuilt
// table knows only the ids that were copied: not those of deleted rows, and none at all if it is empty.
func keepSequences(ctx context.Context, tx *sql.Tx, before map[string]int64) error {
	after, err := readSequences(ctx, tx)
	if err != nil {
		return err
	}
	for table, seq := range before {
		have, known := after[table]
		if known && have >= seq {
			continue
		}
		// A dropped table needs no sequence. SQLite has no unique index here, so the old rows are deleted first.
		for _, statement := range []string{
			`DELETE FROM sqlite_sequence WHERE name = ?1`,
			`INSERT INTO sqlite_sequence (name, seq) SELECT name, ?2 FROM sqlite_master WHERE type = 'table' AND name = ?1`,
		} {
			if _, err := tx.ExecContext(ctx, statement, table, seq); err != nil {
				return fmt.Errorf("keep the sequence of %s: %w", table, err)
			}
		}
	}
	return nil
}

func checkForeignKeys(ctx context.Context, tx *sql.Tx) (err error) {
	rows, err := tx.QueryContext(ctx, `PRAGMA foreign_key_check`)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if rows.Next() {
		var table, parent string
		var row, key sql.NullInt64
		if err := rows.Scan(&table, &row, &parent, &key); err != nil {
			return err
		}
		return fmt.Errorf("row %d of %s would refer to nothing in %s", row.Int64, table, parent)
	}
	return rows.Err()
}

func readMigrations(files fs.FS, dir string) ([]migration, error) {
	paths, err := fs.Glob(files, dir+"/*.sql")
	if err != nil {
		return nil, err
	}
	known := make([]migration, 0, len(paths)) // Glob sorts, and names begin with their time
	for _, path := range paths {
		text, err := fs.ReadFile(files, path)
		if err != nil {
			return nil, err
		}
		statements, err := atlas.Stmts(string(text))
		if err != nil {
			return nil, fmt.Errorf("read migration %s: %w", path, err)
		}
		m := migration{name: strings.TrimSuffix(strings.TrimPrefix(path, dir+"/"), ".sql")}
		for _, s := range statements {
			if !strings.HasPrefix(strings.ToUpper(s.Text), "PRAGMA FOREIGN_KEYS") {
				m.statements = append(m.statements, s.Text)
			}
		}
		known = append(known, m)
	}
	return known, nil
}
