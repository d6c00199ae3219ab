package outbox

import (
	"context"
	"fmt"
	"time"

	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/predicate"
	"lorebridge/ent/privacy"
)

const (
	// KeepRelayed is how long a relayed event without a recipient is kept.
	KeepRelayed = 7 * 24 * time.Hour
	// KeepRead is how long a notification is kept after it was read.
	KeepRead = 90 * 24 * time.Hour

	removeAtOnce = 1_000 // rows of one statement: others wait for the writer meanwhile
)

// RemoveOld deletes the events that nobody needs any more: KeepRelayed and KeepRead say which. What has not been
// relayed or not been read stays.
func RemoveOld(ctx context.Context, client *ent.Client) error {
	ctx = privacy.DecisionContext(ctx, privacy.Allow)
	now := time.Now().UTC()
	for _, old := range []predicate.Event{
		event.And(event.RecipientIDIsNil(), event.RelayedAtLT(now.Add(-KeepRelayed))),
		event.And(event.ReadAtLT(now.Add(-KeepRead)), event.Or(event.RelayedAtNotNil(), event.LastErrorNotNil())),
	} {
		for {
			ids, err := client.Event.Query().Where(old).Limit(removeAtOnce).IDs(ctx)
			if err != nil {
				return fmt.Errorf("find old events: %w", err)
			}
			if len(ids) == 0 {
				break
			}
			if _, err := client.Event.Delete().Where(event.IDIn(ids...)).Exec(ctx); err != nil {
				return fmt.Errorf("remove old events: %w", err)
			}
		}
	}
	return nil
}
