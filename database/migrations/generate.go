//go:build ignore

// Program generate writes the migration from the newest one to the schema of ent: run from the project's root,
// `go run database/migrations/generate.go NAME`. Without a difference it writes nothing.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	atlas "ariga.io/atlas/sql/migrate"
	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql/schema"
	_ "github.com/mattn/go-sqlite3"

	"lorebridge/ent/migrate"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return errors.New("usage: go run database/migrations/generate.go NAME")
	}
	dir, err := atlas.NewLocalDir("database/migrations/sqlite")
	if err != nil {
		return err
	}
	return migrate.NamedDiff(context.Background(), "sqlite://dev?mode=memory&_fk=1", os.Args[1],
		schema.WithDir(dir),
		schema.WithDialect(dialect.SQLite),
		schema.WithMigrationMode(schema.ModeReplay),
		schema.WithFormatter(atlas.DefaultFormatter),
		schema.WithDropColumn(true),
		schema.WithDropIndex(true),
	)
}
