package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"lorebridge/ent"
	"lorebridge/ent/parked"
)

// Errors of an operator's orders.
var (
	// ErrNotWaiting is returned if no event of the recipient waits, or if this event does not wait.
	ErrNotWaiting = errors.New("nothing of that waits")
	// ErrBeingSent is returned while the Sender has the event.
	ErrBeingSent = errors.New("it is being sent at this moment: try again")
)

// order is a request of an operator to Run.
type order struct {
	do     func(*run) error
	answer chan error
}

// order makes Run execute do, and returns its error. It waits until ctx ends at most.
func (r *Relay) order(ctx context.Context, do func(*run) error) error {
	o := order{do: do, answer: make(chan error, 1)}
	select {
	case r.orders <- o:
		return <-o.answer
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// RetryAll ends the pause of every recipient with waiting events, and returns their number.
func (r *Relay) RetryAll(ctx context.Context) (n int, err error) {
	err = r.order(ctx, func(run *run) error {
		n = len(run.waiting)
		run.waiting.hurry(time.Now())
		return nil
	})
	return n, err
}

// Retry ends the pause of one recipient. It returns ErrNotWaiting if none of its events waits.
func (r *Relay) Retry(ctx context.Context, recipient int) error {
	return r.order(ctx, func(run *run) error {
		q := run.queues[recipient]
		if q == nil || !q.inLog {
			return fmt.Errorf("%w: recipient %d", ErrNotWaiting, recipient)
		}
		if len(q.events) == 0 && !q.busy {
			run.waiting.set(q, time.Now())
		}
		return nil
	})
}

// Skip settles an event of a parked recipient without sending it, and stores why. The event stays in the recipient's
// notifications. It returns ErrNotWaiting if the event does not wait.
func (r *Relay) Skip(ctx context.Context, eventID int, why string) error {
	e, err := r.log.client.Event.Get(system(ctx), eventID)
	if err != nil && !ent.IsNotFound(err) {
		return fmt.Errorf("read the event: %w", err)
	}
	if err != nil || e.RecipientID == nil {
		return fmt.Errorf("%w: event %d", ErrNotWaiting, eventID)
	}
	return r.order(ctx, func(run *run) error { return run.skip(e, why) })
}

func (r *run) skip(e *ent.Event, why string) error {
	q, at, now := r.queues[*e.RecipientID], At(e), time.Now()
	switch {
	case q == nil || at.Before(q.first()) || r.reader.At().Before(at) || r.kept.done(at):
		return fmt.Errorf("%w: event %d", ErrNotWaiting, e.ID)
	case q.busy:
		return ErrBeingSent
	case len(q.events) > 0:
		for _, list := range []*[]*queue{&r.ready, &r.alone, &r.suspects} {
			*list = slices.DeleteFunc(*list, func(other *queue) bool { return other == q })
		}
		r.leaveInLog(q, now)
	case at == q.first():
		r.waiting.set(q, now)
	}
	r.kept.finals[at] = struct{}{} // the queue skips it when it reads the log
	r.progress.never(final{at: at, key: q.key, attempts: q.attempts, why: why})
	if at == q.first() {
		q.attempts = 0
		r.progress.note(q.key, 0, time.Time{}, "")
	}
	return nil
}

// SkipParked does the same as Relay.Skip if no relay runs.
func (l *Log) SkipParked(ctx context.Context, eventID int, why string) error {
	return l.WithTx(ctx, func(ctx context.Context, tx *ent.Client) error {
		ctx = system(ctx)
		e, err := tx.Event.Get(ctx, eventID)
		if err != nil || e.RecipientID == nil {
			return fmt.Errorf("%w: event %d", ErrNotWaiting, eventID)
		}
		key := strconv.Itoa(*e.RecipientID)
		waits, err := tx.Parked.Query().Where(parked.Reader(People), parked.Recipient(key), parked.StateEQ(parked.StateWaiting),
			parked.FromSeqLTE(At(e).seq)).Exist(ctx)
		if err != nil {
			return err
		}
		if !waits {
			return fmt.Errorf("%w: event %d", ErrNotWaiting, eventID)
		}
		return conclude(ctx, tx, People, final{at: At(e), key: key, why: why})
	})
}

// ParkedCounts counts the entries of ListParked.
type ParkedCounts struct {
	Waiting int       `json:"waiting"`        // recipients whose events wait
	Refused int       `json:"refused"`        // events
	Skipped int       `json:"skipped"`        // events
	Since   time.Time `json:"since,omitzero"` // since when the first of the recipients has waited
}

// CountParked counts the entries of ListParked.
func (l *Log) CountParked(ctx context.Context) (counts ParkedCounts, err error) {
	var rows []struct {
		State string `json:"state"`
		Count int    `json:"count"`
	}
	if err := l.client.Parked.Query().GroupBy(parked.FieldState).Aggregate(ent.Count()).Scan(system(ctx), &rows); err != nil {
		return counts, fmt.Errorf("count what is parked: %w", err)
	}
	for _, row := range rows {
		switch parked.State(row.State) {
		case parked.StateWaiting:
			counts.Waiting = row.Count
		case parked.StateRefused:
			counts.Refused = row.Count
		case parked.StateSkipped:
			counts.Skipped = row.Count
		}
	}
	if counts.Waiting == 0 {
		return counts, nil
	}
	oldest, err := l.client.Parked.Query().Where(parked.StateEQ(parked.StateWaiting)).Order(parked.ByCreatedAt()).First(system(ctx))
	if err == nil {
		counts.Since = oldest.CreatedAt
	} else if !ent.IsNotFound(err) { // the row may have been removed meanwhile
		return counts, fmt.Errorf("find who has waited for longest: %w", err)
	}
	return counts, nil
}

// Parked is one recipient whose events wait, or one event that is never sent.
type Parked struct {
	Reader    string
	Recipient string // a person's id, or a topic
	EventID   int    // the oldest event that waits, or the one event
	State     string // WAITING, REFUSED or SKIPPED
	Since     time.Time
	Attempts  int
	Until     *time.Time // time of the next attempt
	Error     string     // of the last attempt
	Why       string     // why an operator skipped it
}

// ListParked returns the recipients and events that the log's readers have parked, the oldest first.
func (l *Log) ListParked(ctx context.Context) ([]Parked, error) {
	rows, err := l.client.Parked.Query().Order(parked.ByFromSeq(), parked.ByID()).All(system(ctx))
	if err != nil {
		return nil, fmt.Errorf("list what is parked: %w", err)
	}
	all := make([]Parked, len(rows))
	for i, row := range rows {
		all[i] = Parked{
			Reader: row.Reader, Recipient: row.Recipient, EventID: row.FromSeq, State: row.State.String(), Since: row.CreatedAt,
			Attempts: row.Attempts, Until: row.Until,
		}
		if row.Error != nil {
			all[i].Error = *row.Error
		}
		if row.Why != nil {
			all[i].Why = *row.Why
		}
	}
	return all, nil
}

// PersonOf returns the person's id if the recipient is a person.
func PersonOf(recipient string) (id int, ok bool) {
	id, err := strconv.Atoi(recipient)
	return id, err == nil && id > 0
}
