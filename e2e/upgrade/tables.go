package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	_ "github.com/mattn/go-sqlite3"
)

// renamed are tables of the older binary that have another name now.
var renamed = map[string]string{}

// event is a row of the older binary's events.
type event struct {
	id                 int
	recipient          sql.NullInt64
	relayed, forbidden bool
}

func (e event) pending() bool { return !e.relayed && !e.forbidden }

// withDatabase opens the database in a folder for one purpose. The server may be running.
func withDatabase(folder string, do func(db *sql.DB) error) error {
	db, err := sql.Open("sqlite3", "file:"+folder+"/lorebridge.db?_busy_timeout=5000&_foreign_keys=on")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	return errors.Join(do(db), db.Close())
}

// readEvents reads the events with the columns of the older binary.
func readEvents(ctx context.Context, folder string) (events []event, err error) {
	err = withDatabase(folder, func(db *sql.DB) error {
		return scan(ctx, db,
			`SELECT id, recipient_id, relayed_at IS NOT NULL, last_error IS NOT NULL FROM events ORDER BY id`,
			func(row *sql.Rows) error {
				var e event
				err := row.Scan(&e.id, &e.recipient, &e.relayed, &e.forbidden)
				events = append(events, e)
				return err
			})
	})
	return events, err
}

// untilEvents polls until done is true of the rows.
func untilEvents(ctx context.Context, folder string, done func([]event) bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		events, err := readEvents(ctx, folder)
		if err != nil || done(events) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the events stay %+v", events)
		}
	}
}

// table is the known state of a table with ids.
type table struct {
	ids      map[int]bool // its present ids
	newest   int          // the greatest id that it ever had
	sequence int          // the same as SQLite's sequence has it
}

// readTables reads all tables that give their ids themselves.
func readTables(ctx context.Context, folder string) (map[string]table, error) {
	tables := make(map[string]table)
	err := withDatabase(folder, func(db *sql.DB) error {
		var names []string
		if err := scan(ctx, db, `SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'`,
			func(row *sql.Rows) error {
				var name string
				err := row.Scan(&name)
				names = append(names, name)
				return err
			}); err != nil {
			return err
		}
		for _, name := range names {
			t := table{ids: make(map[int]bool)}
			if err := scan(ctx, db, `SELECT id FROM "`+name+`"`, func(row *sql.Rows) error {
				var id int
				err := row.Scan(&id)
				t.ids[id] = true
				t.newest = max(t.newest, id)
				return err
			}); err != nil {
				return err
			}
			err := db.QueryRowContext(ctx, `SELECT seq FROM sqlite_sequence WHERE name = ?`, name).Scan(&t.sequence)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			tables[name] = t
		}
		return nil
	})
	return tables, err
}

// removePerson deletes a person with everything that is theirs, and so the newest rows of all tables.
func removePerson(ctx context.Context, folder string, p *person) error {
	id, err := strconv.Atoi(p.id)
	if err != nil {
		return err
	}
	return withDatabase(folder, func(db *sql.DB) error {
		for _, statement := range []string{
			`DELETE FROM knowledge_shares WHERE knowledge_id IN (SELECT id FROM knowledge WHERE owner_id = ?)`,
			`DELETE FROM knowledge_requests WHERE ? IN (owner_id, requester_id)`,
			`DELETE FROM events WHERE knowledge_id IN (SELECT id FROM knowledge WHERE owner_id = ?)`,
			`DELETE FROM knowledge WHERE owner_id = ?`,
			// By the cascade this deletes sessions, subscribers and events, too.
			`DELETE FROM users WHERE id = ?`,
		} {
			if _, err := db.ExecContext(ctx, statement, id); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		return nil
	})
}

func scan(ctx context.Context, db *sql.DB, query string, row func(*sql.Rows) error) (err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("%s: %w", strings.TrimSpace(query), err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
