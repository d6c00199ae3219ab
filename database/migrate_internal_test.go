package database

import (
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	atlas "ariga.io/atlas/sql/migrate"
	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql/schema"

	entmigrate "lorebridge/ent/migrate"
)

// This fails after a change of ent/schema without a migration. `make migration name=…` writes it.
func TestTheMigrationsMakeTheSchemaOfEnt(t *testing.T) {
	t.Parallel()
	copied := t.TempDir()
	must(t, os.CopyFS(copied, os.DirFS("migrations/sqlite")))
	dir, err := atlas.NewLocalDir(copied)
	must(t, err)
	must(t, atlas.Validate(dir)) // atlas.sum matches, so no migration was edited
	err = migrateDiff(t, dir)
	if !errors.Is(err, atlas.ErrNoPlan) {
		t.Errorf("got %v, want ErrNoPlan: the migrations lag behind the schema", err)
	}
	files, err := filepath.Glob(filepath.Join(copied, "*.sql"))
	must(t, err)
	if known, err := readMigrations(migrations, "migrations/sqlite"); err != nil || len(known) != len(files) {
		t.Errorf("%d of %d migrations are embedded, %v", len(known), len(files), err)
	}
}

func migrateDiff(t *testing.T, dir *atlas.LocalDir) error {
	t.Helper()
	return entmigrate.NamedDiff(t.Context(), "sqlite://dev?mode=memory&_fk=1", "drift",
		schema.WithDir(dir),
		schema.WithDialect(dialect.SQLite),
		schema.WithMigrationMode(schema.ModeReplay),
		schema.WithFormatter(atlas.DefaultFormatter),
		schema.WithDropColumn(true),
		schema.WithDropIndex(true),
		schema.WithErrNoPlan(true),
	)
}

// migrating returns a connection set up like migrate's, and the files to apply.
func migrating(t *testing.T, files map[string]string) (*sql.Conn, []migration) {
	t.Helper()
	db, err := sql.Open("sqlite3", dsn(filepath.Join(t.TempDir(), "test.db"), map[string][]string{"_txlock": {"immediate"}}))
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	conn, err := db.Conn(t.Context())
	must(t, err)
	t.Cleanup(func() { must(t, conn.Close()) })
	_, err = conn.ExecContext(t.Context(), `PRAGMA foreign_keys = OFF`)
	must(t, err)
	dir := fstest.MapFS{}
	for name, text := range files {
		dir["m/"+name] = &fstest.MapFile{Data: []byte(text)}
	}
	known, err := readMigrations(dir, "m")
	must(t, err)
	return conn, known
}

// apply applies the files one after the other until one fails or all are applied.
func apply(t *testing.T, conn *sql.Conn, known []migration) error {
	t.Helper()
	for {
		if done, err := migrateNext(t.Context(), conn, known); done || err != nil {
			return err
		}
	}
}

// names lists tables or migrations.
func names(t *testing.T, conn *sql.Conn, query string) (found []string) {
	t.Helper()
	rows, err := conn.QueryContext(t.Context(), query)
	must(t, err)
	defer func() { must(t, rows.Close()) }()
	for rows.Next() {
		var name string
		must(t, rows.Scan(&name))
		found = append(found, name)
	}
	must(t, rows.Err())
	return found
}

const (
	listTables  = `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`
	listApplied = `SELECT name FROM schema_migrations ORDER BY name`
)

func TestAMigrationThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	for what, bad := range map[string]string{
		"a statement that fails": "CREATE TABLE half (id INTEGER);\nINSERT INTO first VALUES (7);\nINSERT INTO nowhere VALUES (1);",
		"a row without a parent": "CREATE TABLE half (id INTEGER, parent INTEGER REFERENCES first (id));\nINSERT INTO half VALUES (1, 99);",
		"a parent that goes away": "CREATE TABLE half (id INTEGER);\nPRAGMA foreign_keys = off;\nINSERT INTO first VALUES (7);\n" +
			"CREATE TABLE child (id INTEGER REFERENCES first (id));\nINSERT INTO child VALUES (7);\nDROP TABLE first;",
	} {
		conn, known := migrating(t, map[string]string{
			"1_first.sql": "CREATE TABLE first (id INTEGER PRIMARY KEY);", "2_bad.sql": bad, "3_third.sql": "CREATE TABLE third (id INTEGER);",
		})
		for range 2 { // and again at the next start
			if err := apply(t, conn, known); err == nil || !strings.Contains(err.Error(), "migration 2_bad") {
				t.Errorf("%s: %v", what, err)
			}
			if got, want := names(t, conn, listTables), []string{"first", "schema_migrations"}; !slices.Equal(got, want) {
				t.Errorf("%s leaves %v, want %v", what, got, want)
			}
			if got := names(t, conn, listApplied); !slices.Equal(got, []string{"1_first"}) {
				t.Errorf("%s: applied are %v", what, got)
			}
			if got := names(t, conn, `SELECT id FROM first`); len(got) > 0 {
				t.Errorf("%s leaves rows %v", what, got)
			}
		}
		known[1].statements = []string{"CREATE TABLE second (id INTEGER)"}
		must(t, apply(t, conn, known))
		if got := names(t, conn, listApplied); !slices.Equal(got, []string{"1_first", "2_bad", "3_third"}) {
			t.Errorf("mended, applied are %v", got)
		}
	}
}

// A table that SQLite rebuilds, as atlas writes it, keeps the rows that refer to it.
func TestARebuiltTableKeepsItsChildren(t *testing.T) {
	t.Parallel()
	conn, known := migrating(t, map[string]string{
		"1_first.sql": "CREATE TABLE parent (id INTEGER PRIMARY KEY);\n" +
			"CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parent (id) ON DELETE CASCADE);\n" +
			"INSERT INTO parent VALUES (1);\nINSERT INTO child VALUES (1, 1);",
		"2_rebuild.sql": "-- Disable the enforcement of foreign-keys constraints\nPRAGMA foreign_keys = off;\n" +
			"CREATE TABLE `new_parent` (`id` integer PRIMARY KEY, `name` text NOT NULL DEFAULT ('x;y'));\n" +
			"INSERT INTO `new_parent` (`id`) SELECT `id` FROM `parent`;\nDROP TABLE `parent`;\nALTER TABLE `new_parent` RENAME TO `parent`;\n" +
			"-- Enable back the enforcement of foreign-keys constraints\nPRAGMA foreign_keys = on;",
	})
	must(t, apply(t, conn, known))
	if got := names(t, conn, `SELECT parent.name FROM child JOIN parent ON parent.id = child.parent`); !slices.Equal(got, []string{"x;y"}) {
		t.Errorf("the child has %v", got)
	}
}

func TestAMigrationThatIsNotKnownIsANewerDatabase(t *testing.T) {
	t.Parallel()
	conn, known := migrating(t, map[string]string{"1_first.sql": "CREATE TABLE first (id INTEGER);", "2_second.sql": "CREATE TABLE second (id INTEGER);"})
	must(t, apply(t, conn, known))
	if err := apply(t, conn, known[:1]); !errors.Is(err, ErrNewerDatabase) || !strings.Contains(err.Error(), "2_second") {
		t.Errorf("got %v", err)
	}
	if got := names(t, conn, listTables); !slices.Equal(got, []string{"first", "schema_migrations", "second"}) {
		t.Errorf("after the rejection there are %v", got)
	}
}

// After a migration has rebuilt a table, it gives no id twice, although SQLite forgets the ids of deleted rows.
func TestARebuiltTableGivesNoIDTwice(t *testing.T) {
	t.Parallel()
	rebuild := func(table string) string {
		return "CREATE TABLE new_" + table + " (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT);\n" +
			"INSERT INTO sqlite_sequence (name, seq) VALUES ('new_" + table + "', 100);\n" + // as atlas writes it
			"INSERT INTO new_" + table + " (id) SELECT id FROM " + table + ";\n" +
			"DROP TABLE " + table + ";\nALTER TABLE new_" + table + " RENAME TO " + table + ";\n"
	}
	create := func(table string, ids ...string) string {
		text := "CREATE TABLE " + table + " (id INTEGER PRIMARY KEY AUTOINCREMENT);\n"
		for _, id := range ids {
			text += "INSERT INTO " + table + " VALUES (" + id + ");\n"
		}
		return text
	}
	conn, known := migrating(t, map[string]string{
		"1_first.sql": create("newest_deleted", "1", "5000000000", "5000000007") + create("emptied", "9000000000") + create("fresh") +
			create("replaced", "70") + create("moved", "80") + create("dropped", "90") + create("untouched", "95") +
			"INSERT INTO sqlite_sequence (name, seq) VALUES ('fresh', 4294967296);\n" +
			"DELETE FROM newest_deleted WHERE id > 1;\nDELETE FROM emptied;\nDELETE FROM moved;\nDELETE FROM untouched;",
		"2_rebuild.sql": rebuild("newest_deleted") + rebuild("emptied") + rebuild("fresh") +
			"DROP TABLE replaced;\nCREATE TABLE replaced (id INTEGER PRIMARY KEY AUTOINCREMENT);\n" +
			"ALTER TABLE moved RENAME TO arrived;\nDROP TABLE dropped;",
		"3_again.sql": rebuild("emptied") + "INSERT INTO emptied DEFAULT VALUES;\n" + rebuild("newest_deleted"),
	})
	must(t, apply(t, conn, known))
	for table, want := range map[string]string{
		"newest_deleted": "5000000008", "emptied": "9000000002", "fresh": "4294967297", "replaced": "71", "arrived": "81", "untouched": "96",
	} {
		if got := names(t, conn, "INSERT INTO "+table+" DEFAULT VALUES RETURNING id"); !slices.Equal(got, []string{want}) {
			t.Errorf("%s gives the id %v, want %s", table, got, want)
		}
	}
	const leftovers = `SELECT name FROM sqlite_sequence
		WHERE name IN ('dropped', 'moved') OR name LIKE 'new_%' AND name <> 'newest_deleted'`
	if got := names(t, conn, leftovers); len(got) > 0 {
		t.Errorf("sequences of tables that are gone are kept: %v", got)
	}
}

// Every connection has its settings, also those that the pools open later.
func TestEachConnectionIsSetUp(t *testing.T) {
	t.Parallel()
	driver, err := openSQLite(t.Context(), filepath.Join(t.TempDir(), "lorebridge.db"))
	must(t, err)
	t.Cleanup(func() { must(t, driver.Close()) })
	own := map[string]map[string]string{
		"writer": {"query_only": "0", "temp_store": "2", "wal_autocheckpoint": "8000"},
		"reader": {"query_only": "1", "temp_store": "0", "wal_autocheckpoint": "1000"},
	}
	check := func(what string, conn *sql.Conn, pragmas map[string]string) {
		t.Helper()
		for pragma, want := range pragmas {
			if got := names(t, conn, "PRAGMA "+pragma); !slices.Equal(got, []string{want}) {
				t.Errorf("%s of %s is %v, want %s", pragma, what, got, want)
			}
		}
	}
	shared := map[string]string{
		"foreign_keys": "1", "journal_mode": "wal", "synchronous": "2", "busy_timeout": "2500", "cache_size": "-16384",
	}
	for name, pool := range map[string]*sql.DB{"writer": driver.writer.DB(), "reader": driver.reader.DB()} {
		broken, err := pool.Conn(t.Context())
		must(t, err)
		check("the first connection of the "+name, broken, own[name]) // after migrate has used it
		// The pool opens another connection instead of this one.
		if err := broken.Raw(func(any) error { return sqldriver.ErrBadConn }); !errors.Is(err, sqldriver.ErrBadConn) {
			t.Errorf("breaking a connection: %v", err)
		}
		most := pool.Stats().MaxOpenConnections
		conns := make([]*sql.Conn, most)
		for i := range conns {
			conns[i], err = pool.Conn(t.Context())
			must(t, err)
			what := fmt.Sprintf("connection %d of the %s", i, name)
			check(what, conns[i], shared)
			check(what, conns[i], own[name])
			_, err = conns[i].ExecContext(t.Context(), `DELETE FROM users`)
			if readable := name == "reader"; (err != nil) != readable {
				t.Errorf("connection %d of the %s deletes: %v", i, name, err)
			}
		}
		for _, conn := range conns {
			must(t, conn.Close())
		}
		if name == "writer" && most != 1 {
			t.Errorf("%d connections write", most)
		}
	}
	// Everything but SELECT goes to the writer, also a statement that returns rows.
	if err := driver.Exec(t.Context(), `DELETE FROM users`, []any{}, nil); err != nil {
		t.Error(err)
	}
}
