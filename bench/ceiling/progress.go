package main

import (
	"context"
	"database/sql/driver"
	"fmt"
	"sync/atomic"
	"time"
)

// markEvery is the interval at which the watermark is written. It is the same as the server's.
const markEvery = 100 * time.Millisecond

// markStatement returns the UPSERT of the watermark in the server's table, if there is one. Its argument is the
// newest delivered event.
func (c *conn) markStatement() (string, error) {
	s, err := c.prepare("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'progresses'")
	if err != nil {
		return "", err
	}
	var row [1]driver.Value
	if err := s.row(row[:]); err != nil {
		return "", fmt.Errorf("look for the table of progress: %w", err)
	}
	if found, _ := row[0].(int64); found == 0 {
		const own = "CREATE TABLE IF NOT EXISTS ceiling_progress (reader TEXT PRIMARY KEY, done_seq INTEGER NOT NULL) WITHOUT ROWID"
		if _, err := c.Exec(own, nil); err != nil {
			return "", fmt.Errorf("create the table of progress: %w", err)
		}
		return "INSERT INTO ceiling_progress (reader, done_seq) VALUES ('ceiling', ?) " +
			"ON CONFLICT (reader) DO UPDATE SET done_seq = excluded.done_seq", nil
	}
	return "INSERT INTO progresses (reader, done_seq) VALUES ('ceiling', ?) " +
		"ON CONFLICT (reader) DO UPDATE SET done_seq = excluded.done_seq", nil
}

// progress writes the watermark.
type progress struct {
	groups  *groups
	store   *store
	newest  atomic.Int64 // id of the newest delivered event
	written int64        // used by run only
}

// run writes the watermark at intervals until ctx ends, and then once more.
func (p *progress) run(ctx context.Context) error {
	ticker := time.NewTicker(markEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return p.write()
		case <-ticker.C:
			if err := p.write(); err != nil {
				return err
			}
		}
	}
}

func (p *progress) write() error {
	newest := p.newest.Load()
	if newest == p.written {
		return nil
	}
	if err := p.groups.write(func() error { return p.store.mark.exec(newest) }, func() {}); err != nil {
		return fmt.Errorf("write the watermark: %w", err)
	}
	p.written = newest
	return nil
}
