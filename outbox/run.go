package outbox

import (
	"context"
	"errors"
	"time"

	"lorebridge/ent"
)

// lane is the events of one recipient, in order. At most one of them is with the Sender.
type lane struct {
	recipient int
	events    []*ent.Event
	attempts  int  // how often the first one was sent in vain
	busy      bool // the first one is with the Sender

	// A lane whose first event failed alone waits in the table: its events are forgotten here and read again
	// from there, page by page, until nothing of it is left. Meanwhile new ones are in the table too.
	fromTable bool
	until     time.Time // not before this moment
}

// result is what the Sender said about the first event of each lane.
type result struct {
	lanes    []*lane
	verdicts []error
	err      error
}

// run is the state of Relay.Run. It belongs to one goroutine; sends and marks run beside it and report to it.
type run struct {
	*Relay
	lanes    map[int]*lane // every recipient with events in memory or waiting in the table
	ready    []*lane       // first in, first out: neither busy nor waiting
	sending  int           // batches with the Sender
	results  chan result
	failures int       // sends in a row that failed for a whole batch
	paused   time.Time // nothing is sent before: the last such failure's backoff

	publishing map[int]mark // with the Publisher: what their rows will say

	marks   marks      // to be written
	writing marks      // being written
	written chan error // how that went
	retryAt time.Time  // the database failed: no flush and no read before
}

func (r *run) loop(ctx context.Context) {
	// What is being sent or marked when ctx ends is not torn off: the drain has its own end.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	timer := time.NewTimer(0)
	defer timer.Stop()
	ended := ctx.Done()
	var drainEnd time.Time
	for {
		r.accept(r.take())
		r.collect()
		now := time.Now()
		if drainEnd.IsZero() {
			r.readTable(work, now)
		}
		r.dispatch(work, now)
		r.flush(work, now)
		if !drainEnd.IsZero() && (r.idle() || !now.Before(drainEnd)) {
			break
		}
		timer.Reset(r.untilNext(now, drainEnd))
		select {
		case <-ended:
			ended, drainEnd = nil, time.Now().Add(r.drain)
		case <-r.wake:
		case <-timer.C:
		case res := <-r.results:
			r.settle(res)
		case err := <-r.written:
			r.flushed(err)
		}
	}
	cancel()
	r.finish(context.WithoutCancel(ctx))
}

// finish waits for what is still under way and writes down what became of it.
func (r *run) finish(ctx context.Context) {
	for r.sending > 0 {
		r.settle(<-r.results)
	}
	if len(r.writing.rows) > 0 {
		r.flushed(<-r.written)
	}
	r.collect()
	ctx, cancel := context.WithTimeout(ctx, r.drain)
	defer cancel()
	if err := r.marks.write(ctx, r.client); err != nil {
		r.log.ErrorContext(ctx, "the last events sent could not be marked: they will be sent again", "events", len(r.marks.rows), "error", err)
	}
	if left := r.Status(); left.Waiting > 0 || left.Behind {
		r.log.WarnContext(ctx, "events are left for the next start", "waiting", left.Waiting, "behind", left.Behind)
	}
}

// accept puts events into their recipients' lanes. Those of a lane that reads the table stay there.
func (r *run) accept(events []*ent.Event) {
	forgotten := 0
	for _, e := range events {
		if e.RecipientID == nil { // nobody's browser is to be told
			r.publish(e, mark{attempts: 1})
			continue
		}
		l := r.lane(*e.RecipientID)
		if l.fromTable {
			forgotten++
			continue
		}
		r.enqueue(l, e)
	}
	r.release(forgotten)
}

func (r *run) enqueue(l *lane, e *ent.Event) {
	l.events = append(l.events, e)
	if len(l.events) == 1 {
		r.ready = append(r.ready, l)
	}
}

func (r *run) lane(recipient int) *lane {
	l, ok := r.lanes[recipient]
	if !ok {
		l = &lane{recipient: recipient}
		r.lanes[recipient] = l
	}
	return l
}

// publish hands on an event that has nothing left to be sent; its row is marked once the subscriptions are done with it.
func (r *run) publish(e *ent.Event, became mark) {
	r.publishing[e.ID] = became
	if r.publisher == nil {
		r.finished(e.ID)
		return
	}
	r.publisher.Publish(e, r.answeredOf(e.ID), func() { r.finished(e.ID) })
}

// collect marks what the Publisher is done with.
func (r *run) collect() {
	done := r.takeDone()
	for _, id := range done {
		r.marks.add(id, r.publishing[id])
		delete(r.publishing, id)
	}
}

// dispatch gives batches to the Sender: as many at a time as allowed, one at a time after a failure.
func (r *run) dispatch(ctx context.Context, now time.Time) {
	limit := r.inFlight
	if r.failures > 0 {
		limit = 1
	}
	for len(r.ready) > 0 && r.sending < limit && !now.Before(r.paused) {
		n := min(len(r.ready), r.batchSize)
		lanes := append([]*lane(nil), r.ready[:n]...)
		r.ready = r.ready[n:]
		batch := make([]*ent.Event, n)
		for i, l := range lanes {
			l.busy = true
			batch[i] = l.events[0]
		}
		r.sending++
		go func() {
			verdicts, err := r.sender.Send(ctx, batch)
			r.results <- result{lanes: lanes, verdicts: verdicts, err: err}
		}()
	}
	if len(r.ready) == 0 {
		r.ready = nil // let go of the array behind it
	}
}

func (r *run) settle(res result) {
	r.sending--
	if res.err != nil {
		r.retryAll(res)
		return
	}
	var lastErr error
	forgotten := 0
	for i, l := range res.lanes {
		l.busy = false
		e, verdict := l.events[0], res.verdicts[i]
		var refused *RefusedError
		switch {
		case verdict == nil:
			r.publish(e, mark{attempts: l.attempts + 1})
		case errors.As(verdict, &refused):
			r.log.Error("pusher refuses an event for good; it stays in the recipient's notifications", "event", e.ID, "reason", refused.Reason)
			r.publish(e, mark{attempts: l.attempts + 1, reason: refused.Reason})
		default:
			lastErr = verdict
			forgotten += r.block(l, verdict)
			continue
		}
		r.next(l)
	}
	r.failures = 0
	r.release(forgotten)
	r.outcome(lastErr)
}

// next lets go of a lane's first event.
func (r *run) next(l *lane) {
	l.events[0] = nil
	l.events = l.events[1:]
	l.attempts = 0
	switch {
	case len(l.events) > 0:
		r.ready = append(r.ready, l)
	case !l.fromTable:
		delete(r.lanes, l.recipient)
	}
}

// retryAll keeps the batch for later and pauses everything: the answer does not tell whose fault it was.
func (r *run) retryAll(res result) {
	for _, l := range res.lanes {
		l.busy = false
		l.attempts++
	}
	r.ready = append(res.lanes, r.ready...)
	if now := time.Now(); !now.Before(r.paused) { // of several batches that fail together one counts
		r.failures++
		r.paused = now.Add(max(r.backoff(r.failures), RetryAfter(res.err)))
	}
	r.report(res.err, "events", len(res.lanes), "next attempt", time.Until(r.paused))
	r.outcome(res.err)
}

// block lets one recipient wait while the others go on. It returns how many events left memory.
func (r *run) block(l *lane, err error) int {
	n := len(l.events)
	l.events = nil
	l.attempts++
	l.fromTable = true
	wait := max(r.backoff(l.attempts), RetryAfter(err))
	l.until = time.Now().Add(wait)
	r.report(err, "recipient", l.recipient, "next attempt", wait)
	return n
}

func (r *run) report(err error, attrs ...any) {
	attrs = append(attrs, "error", err)
	if errors.Is(err, ErrUnauthorized) {
		r.log.Error("pusher refuses our credentials; events wait", attrs...)
		return
	}
	r.log.Warn("sending to pusher failed; events wait", attrs...)
}

// empty says that no event is in the loop's memory.
func (r *run) empty() bool { return len(r.ready) == 0 && r.sending == 0 }

// idle says that nothing can be done any more but what waits in the table.
func (r *run) idle() bool {
	return r.empty() && len(r.publishing) == 0 && len(r.marks.rows) == 0 && len(r.writing.rows) == 0
}

// untilNext is how long the loop may sleep if nothing wakes it.
func (r *run) untilNext(now, drainEnd time.Time) time.Duration {
	next := now.Add(time.Hour)
	consider := func(t time.Time) {
		if t.Before(next) {
			next = t
		}
	}
	if !drainEnd.IsZero() {
		consider(drainEnd)
	}
	if len(r.ready) > 0 && now.Before(r.paused) {
		consider(r.paused)
	}
	if now.Before(r.retryAt) {
		consider(r.retryAt)
	} else {
		if len(r.marks.rows) > 0 && len(r.writing.rows) == 0 {
			consider(r.marks.due)
		}
		for _, l := range r.lanes {
			if l.fromTable && len(l.events) == 0 {
				consider(l.until)
			}
		}
	}
	return max(next.Sub(now), 0)
}
