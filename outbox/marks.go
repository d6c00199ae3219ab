package outbox

import (
	"context"
	"fmt"
	"maps"
	"time"

	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/privacy"
)

const (
	flushSize  = 500                    // so many settled events are marked at once …
	flushDelay = 100 * time.Millisecond // … or those of so long
)

// marks is what became of events whose rows do not say so yet.
type marks struct {
	rows map[int]mark
	due  time.Time // when they are to be written
}

// mark is what became of one event: taken, or refused for a reason.
type mark struct {
	attempts int
	reason   string
}

func (m *marks) add(id int, became mark) {
	if m.rows == nil {
		m.rows = make(map[int]mark)
		m.due = time.Now().Add(flushDelay)
	}
	m.rows[id] = became
	if len(m.rows) >= flushSize {
		m.due = time.Time{}
	}
}

// write updates the rows. Writing the same marks again changes nothing that matters, so a failure is mended by a retry.
func (m *marks) write(ctx context.Context, client *ent.Client) error {
	ctx = privacy.DecisionContext(ctx, privacy.Allow)
	taken := make(map[int][]int) // attempts → ids
	for id, became := range m.rows {
		if became.reason == "" {
			taken[became.attempts] = append(taken[became.attempts], id)
			continue
		}
		if err := client.Event.Update().Where(event.ID(id)).
			SetLastError(became.reason).SetAttempts(became.attempts).Exec(ctx); err != nil {
			return fmt.Errorf("mark a refused event: %w", err)
		}
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	for attempts, ids := range taken {
		if err := client.Event.Update().Where(event.IDIn(ids...)).
			SetRelayedAt(now).SetAttempts(attempts).Exec(ctx); err != nil {
			return fmt.Errorf("mark relayed events: %w", err)
		}
	}
	return nil
}

// flush starts writing the marks that are due, unless a write is under way.
func (r *run) flush(ctx context.Context, now time.Time) {
	if len(r.writing.rows) > 0 || len(r.marks.rows) == 0 || now.Before(r.marks.due) || now.Before(r.retryAt) {
		return
	}
	r.writing, r.marks = r.marks, marks{}
	writing := r.writing
	go func() { r.written <- writing.write(ctx, r.client) }()
}

func (r *run) flushed(err error) {
	if err != nil {
		r.log.Error("sent events could not be marked; trying again", "error", err)
		r.retryAt = time.Now().Add(databaseWait)
		maps.Copy(r.writing.rows, r.marks.rows)
		r.marks.rows = r.writing.rows
	}
	r.writing = marks{}
}
