package database

import (
	"context"
	"fmt"
	"time"

	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/privacy"
	"lorebridge/ent/setting"
)

// Leap skips this many ids of events for each second since the last event, and fewer after a while. The ids of one
// table end 2^32 behind its first one, so they must last.
const (
	leapPerSecond = 20
	leapQuickly   = 200_000 // up to this many ids; above it
	leapSlowly    = 2       // ids for each second
)

// Leap makes sure that the next event gets an id that no event has had, even if the file is a restored backup. Open
// clients know the ids of events from after the backup, and would take a new event with such an id for a repeat. This
// holds as long as there were no more events than the constants above allow. A server calls it once, before it
// serves.
func Leap(ctx context.Context, client *ent.Client) error {
	ctx = privacy.DecisionContext(ctx, privacy.Allow)
	last, at, err := lastEvent(ctx, client)
	if ent.IsNotFound(err) {
		return nil // this is the first start
	}
	if err != nil {
		return fmt.Errorf("find the last event: %w", err)
	}
	since := max(0, time.Since(at))
	by := min(leapPerSecond*int(since.Milliseconds())/1000+1, max(leapQuickly, leapSlowly*int(since.Seconds())))
	const width = 1 << 32
	if last%width+by > width/4*3 { // the last quarter is kept for events
		return nil
	}
	if err := client.InTx(ctx, func(ctx context.Context, tx *ent.Tx) error {
		// If there is no event yet, the leap begins at the table's first id.
		_, err := tx.Client().ExecContext(ctx,
			"UPDATE sqlite_sequence SET seq = max(seq, coalesce(nullif(?, 0), seq / ? * ?) + ?) WHERE name = 'events'", last, width, width, by)
		return err
	}); err != nil {
		return fmt.Errorf("set the next id of events: %w", err)
	}
	return nil
}

// lastEvent returns the id and the time of the last event. Without an event it returns 0 and the time of the server's
// first start.
func lastEvent(ctx context.Context, client *ent.Client) (id int, at time.Time, err error) {
	last, err := client.Event.Query().Order(ent.Desc(event.FieldID)).First(ctx)
	if err == nil {
		return last.ID, last.CreatedAt, nil
	}
	if !ent.IsNotFound(err) {
		return 0, time.Time{}, err
	}
	first, err := client.Setting.Query().Order(setting.ByCreatedAt()).First(ctx)
	if err != nil {
		return 0, time.Time{}, err
	}
	return 0, first.CreatedAt, nil
}
