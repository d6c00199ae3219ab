package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// How far the ids of events leap at a start: so many for each second since the last event, but after a while fewer. Ids of one table
// end 2^32 behind its first one, so they must last.
const (
	leapPerSecond = 20
	leapQuickly   = 200_000 // up to here, and then
	leapSlowly    = 2       // for each second
)

// leap lets the next event have an id that no event has had, even if the file is a backup that was put back: clients that stayed open
// know the ids of what came after the backup was made, and would take a new event for a repeat. That holds as long as there were no more
// events than the constants above allow.
func leap(ctx context.Context, db *sql.DB) error {
	var id int
	var at time.Time
	err := db.QueryRowContext(ctx, "SELECT id, created_at FROM events ORDER BY id DESC LIMIT 1").Scan(&id, &at)
	if errors.Is(err, sql.ErrNoRows) { // as if the last one came with the first start
		err = db.QueryRowContext(ctx, `SELECT seq, created_at FROM sqlite_sequence, settings
			WHERE sqlite_sequence.name = 'events' ORDER BY settings.created_at LIMIT 1`).Scan(&id, &at)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return nil // this is the first start
	}
	if err != nil {
		return fmt.Errorf("find the last event: %w", err)
	}
	since := max(0, time.Since(at))
	by := min(leapPerSecond*int(since.Milliseconds())/1000+1, max(leapQuickly, leapSlowly*int(since.Seconds())))
	const width = 1 << 32
	if last := id/width*width + width - 1; id+by > last-width/4 { // the rest is for events
		return nil
	}
	if _, err := db.ExecContext(ctx, "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'events'", id+by); err != nil {
		return fmt.Errorf("set the next id of events: %w", err)
	}
	return nil
}
