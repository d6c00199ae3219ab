package outbox

import (
	"context"
	"fmt"
	"slices"
	"time"

	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/predicate"
	"lorebridge/ent/privacy"
)

// databaseWait is the wait after the database failed.
const databaseWait = time.Second

// readTable reads rows where memory does not suffice: for all recipients when the relay is behind and has nothing
// else to do, and for single ones whose wait is over.
func (r *run) readTable(ctx context.Context, now time.Time) {
	if now.Before(r.retryAt) {
		return
	}
	var due []*lane
	for _, l := range r.lanes {
		if l.fromTable && len(l.events) == 0 && !now.Before(l.until) {
			due = append(due, l)
		}
	}
	all := r.empty() && r.Status().Behind && !now.Before(r.paused)
	if len(due) == 0 && !all {
		return
	}
	// A page should not be full of rows that are sent and do not say so yet.
	if all && (len(r.marks.rows) > 0 || len(r.writing.rows) > 0) {
		r.marks.due = now
		all = false
	}
	err := r.readLanes(ctx, due)
	if err == nil && all {
		err = r.readPage(ctx)
	}
	if err != nil {
		r.log.ErrorContext(ctx, "events could not be read; trying again", "error", err)
		r.retryAt = time.Now().Add(databaseWait)
	}
}

// readPage reads the oldest rows of everybody. While it reads, commits fill the queue: those events come after
// every row that was dropped from memory before, so they are kept only where this page reaches them.
func (r *run) readPage(ctx context.Context) error {
	apart := r.lanesFromTable()
	r.mu.Lock()
	r.behind = false
	r.mu.Unlock()
	var where []predicate.Event
	if len(apart) > 0 {
		where = append(where, event.Or(event.RecipientIDIsNil(), event.RecipientIDNotIn(apart...)))
	}
	slow := len(r.publishing) >= r.queueSize
	if slow { // people's own events do not wait for subscriptions
		where = append(where, event.RecipientIDNotNil())
	}
	rows, err := r.pastPublishing(ctx, where)
	r.mu.Lock()
	free, more := r.unclaimed(rows)
	if err != nil || len(rows) == r.pageSize || more || slow {
		r.behind = true
		r.queue = nil
	}
	r.held += len(free)
	r.mu.Unlock()
	r.accept(free)
	return err
}

// pastPublishing reads the first page with a row that is not with the Publisher already, or else the last page.
func (r *run) pastPublishing(ctx context.Context, where []predicate.Event) ([]*ent.Event, error) {
	after := 0
	for {
		rows, err := r.pending(ctx, append(slices.Clone(where), event.IDGT(after))...)
		if err != nil || len(rows) < r.pageSize || !r.allPublishing(rows) {
			return rows, err
		}
		after = rows[len(rows)-1].ID
	}
}

func (r *run) allPublishing(rows []*ent.Event) bool {
	return !slices.ContainsFunc(rows, func(e *ent.Event) bool {
		_, publishing := r.publishing[e.ID]
		return !publishing
	})
}

// readLanes reads the oldest rows of single recipients. A lane that gets all of its rows is an ordinary one again.
func (r *run) readLanes(ctx context.Context, lanes []*lane) error {
	for _, l := range lanes {
		rows, err := r.pending(ctx, event.RecipientID(l.recipient))
		if err != nil {
			return err
		}
		r.mu.Lock()
		free, more := r.unclaimed(rows)
		complete := len(rows) < r.pageSize && !more
		r.held += len(free)
		r.mu.Unlock()
		for _, e := range free {
			r.enqueue(l, e)
		}
		l.fromTable = !complete
		switch {
		case len(free) > 0:
		case complete:
			delete(r.lanes, l.recipient)
		default: // a page of rows that are settled and do not say so yet: once they do, the next ones come
			r.marks.due = time.Time{}
			l.until = time.Now().Add(flushDelay)
		}
	}
	return nil
}

// unclaimed leaves out the rows that come from a commit, and those that are handed on and do not say so yet. It ends before a row that
// comes after one from a commit, and says so: that one goes first. r.mu is held.
func (r *run) unclaimed(rows []*ent.Event) (free []*ent.Event, more bool) {
	queued := make(map[int]struct{}, len(r.queue))
	for _, e := range r.queue {
		queued[e.ID] = struct{}{}
	}
	committed := false
	for _, e := range rows {
		_, committing := r.expected[e.ID]
		_, offered := queued[e.ID]
		_, publishing := r.publishing[e.ID]
		_, settled := r.marks.rows[e.ID]
		_, writing := r.writing.rows[e.ID]
		switch {
		case committing, offered:
			committed = true
		case publishing, settled, writing:
		case committed:
			return free, true
		default:
			free = append(free, e)
		}
	}
	return free, false
}

func (r *run) lanesFromTable() []int {
	var recipients []int
	for _, l := range r.lanes {
		if l.fromTable {
			recipients = append(recipients, l.recipient)
		}
	}
	return recipients
}

// pending reads the oldest page of rows that are neither relayed nor refused.
func (r *run) pending(ctx context.Context, where ...predicate.Event) ([]*ent.Event, error) {
	rows, err := r.client.Event.Query().
		Where(event.RelayedAtIsNil(), event.LastErrorIsNil()).Where(where...).
		Order(ent.Asc(event.FieldID)).Limit(r.pageSize).
		All(privacy.DecisionContext(ctx, privacy.Allow))
	if err != nil {
		return nil, fmt.Errorf("read pending events: %w", err)
	}
	return rows, nil
}
