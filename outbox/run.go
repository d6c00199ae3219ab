package outbox

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/pusherapi/outage"
)

// maxSuspects limits how many events with earlier failures the Sender has at a time. They may take long, and must not
// delay the others.
const maxSuspects = 2

// job is a batch to send: the first event of each queue.
type job struct {
	queues []*queue
	batch  []*ent.Event
}

// result is the Sender's answer for the first event of each queue.
type result struct {
	queues   []*queue
	verdicts []error
	err      error
}

// run is the state of Relay.Run. It belongs to one goroutine. Sends and writes run concurrently and report to it.
type run struct {
	*Relay
	keeper   keeper
	progress *progress // that of keeper
	reader   *Reader
	kept     *kept
	queues   map[int]*queue // every recipient with events in memory, or waiting in the log
	waiting  schedule       // the queues with events in the log that are read only at a given time
	ready    []*queue       // first in, first out; several can be sent in one batch
	alone    []*queue       // each is sent alone, because a batch with it failed
	suspects []*queue       // each is sent alone, because it failed alone
	held     int            // events in memory

	jobs    chan job
	workers int // goroutines that send
	sending int // calls of the Sender in progress
	trying  int // those of them with suspects
	results chan result
	checked chan error
	outage  outage.Outage
	lastErr error
	ended   bool // whether ctx has ended: nothing more is read
}

func newRun(r *Relay, k *kept) *run {
	run := &run{
		Relay: r, kept: k, reader: r.log.Read(k.mark), keeper: newKeeper(r.log, People, r.logger, k), queues: make(map[int]*queue),
		jobs: make(chan job), results: make(chan result, r.inFlight), checked: make(chan error, 1),
	}
	run.progress = run.keeper.progress
	for i := range k.parked {
		run.restore(&k.parked[i])
	}
	return run
}

// restore creates the queue of a recipient that an earlier process has parked. Its event is sent at once, because the
// clock may have been changed since.
func (r *run) restore(one *parking) {
	recipient, err := strconv.Atoi(one.key)
	if err != nil {
		r.logger.Error("a recipient that is parked is no person", slog.String("recipient", one.key), slog.Any("error", err))
		return
	}
	q := r.queue(recipient)
	q.attempts, q.next, q.inLog = one.attempts, one.from.Previous(), true
	r.progress.wait(q.key, one.from)
	r.progress.note(q.key, one.attempts, time.Time{}, one.err)
	r.waiting.add(q, time.Now())
}

func (r *run) loop(ctx context.Context) {
	// Sends and writes in progress continue after ctx has ended. The drain has its own limit.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	ended := ctx.Done()
	var drainEnd time.Time
	for {
		now := time.Now()
		r.read(work, now)
		r.dispatch(work, now)
		r.keeper.flush(now)
		r.report()
		if r.ended && (r.idle(now) || !now.Before(drainEnd)) {
			break
		}
		timer.Reset(max(leastWait, time.Until(r.until(now, drainEnd))))
		select {
		case <-ended:
			now = time.Now()
			r.read(work, now)    // the events that committed before the end
			r.waiting.hurry(now) // one more attempt for each waiting recipient
			ended, r.ended, drainEnd = nil, true, now.Add(r.drain)
		case <-r.reader.Ready():
		case <-timer.C:
		case res := <-r.results:
			r.settle(work, res)
		case err := <-r.checked:
			r.outage.Checked(err, r.jitter(), time.Now())
		case err := <-r.keeper.written:
			r.keeper.flushed(err)
		case o := <-r.orders:
			o.answer <- o.do(r)
		}
	}
	cancel()
	r.end(context.WithoutCancel(ctx))
}

// end waits for the sends in progress and writes the progress.
func (r *run) end(ctx context.Context) {
	close(r.jobs)
	for r.sending > 0 {
		r.settleLast(<-r.results)
	}
	if r.outage.Checking() {
		<-r.checked
	}
	r.keeper.finish(r.drain)
	r.report()
	if left := r.Status(); left.Waiting > 0 || left.Behind {
		r.logger.WarnContext(ctx, "events are left for the next start", slog.Int("waiting", left.Waiting), slog.Bool("behind", left.Behind))
	}
}

// read takes the new events, and those that have waited in the log for long enough.
func (r *run) read(ctx context.Context, now time.Time) {
	if now.Before(r.keeper.retryAt) {
		return
	}
	err := r.readWaiting(ctx, now)
	for err == nil && r.held < r.queueSize && !r.ended {
		var entries []Entry
		if entries, err = r.reader.Next(ctx, r.queueSize-r.held); len(entries) == 0 {
			break
		}
		for _, entry := range entries {
			r.accept(entry.Event, now)
		}
		r.progress.pass(r.reader.At())
	}
	if err != nil {
		r.keeper.failed("read events", err)
	}
}

// accept puts an event into its recipient's queue. The event stays in the log if older ones of the recipient wait
// there.
func (r *run) accept(e *ent.Event, now time.Time) {
	if e.RecipientID == nil || r.kept.done(At(e)) {
		return
	}
	q := r.queue(*e.RecipientID)
	if q.inLog {
		r.progress.leave(At(e), q.key)
		return
	}
	r.enqueue(q, e, now)
}

func (r *run) enqueue(q *queue, e *ent.Event, now time.Time) {
	r.progress.begin(At(e), now, q.key)
	r.held++
	if q.events = append(q.events, e); len(q.events) == 1 {
		r.markReady(q)
	}
}

// markReady schedules the first event of a queue for sending.
func (r *run) markReady(q *queue) {
	switch {
	case q.attempts > 0:
		r.suspects = append(r.suspects, q)
	case q.alone:
		r.alone = append(r.alone, q)
	default:
		r.ready = append(r.ready, q)
	}
}

func (r *run) queue(recipient int) *queue {
	q, ok := r.queues[recipient]
	if !ok {
		q = &queue{recipient: recipient, key: strconv.Itoa(recipient)}
		r.queues[recipient] = q
	}
	return q
}

// readWaiting reads the events of recipients whose pause is over. It reads only one if that event failed before.
func (r *run) readWaiting(ctx context.Context, now time.Time) error {
	for r.held < r.queueSize {
		q := r.waiting.due(now)
		if q == nil {
			return nil
		}
		limit := min(r.log.page, r.queueSize-r.held)
		if q.attempts > 0 {
			limit = 1
		}
		rows, err := r.log.client.Event.Query().
			Where(event.RecipientID(q.recipient), event.IDGT(q.next.seq), event.IDLTE(r.reader.At().seq)).
			Order(ent.Asc(event.FieldID)).Limit(limit).All(system(ctx))
		if err != nil {
			return err
		}
		r.waiting.remove(q)
		r.resume(q, rows, len(rows) < limit, now)
	}
	return nil
}

// resume puts events from the log into their recipient's queue. all reports that none is left in the log.
func (r *run) resume(q *queue, rows []*ent.Event, all bool, now time.Time) {
	for _, e := range rows {
		q.next = At(e)
		if !r.kept.done(At(e)) {
			r.enqueue(q, e, now)
		}
	}
	if q.inLog = !all; q.inLog {
		r.progress.resume(q.key, q.next.next())
	} else {
		r.progress.resume(q.key, Cursor{})
	}
	if len(q.events) == 0 {
		r.advance(q, now)
	}
}

// advance decides what a queue does next, after its first event was removed.
func (r *run) advance(q *queue, now time.Time) {
	switch {
	case len(q.events) > 0:
		r.markReady(q)
	case q.inLog:
		r.waiting.add(q, now)
	default:
		delete(r.queues, q.recipient)
	}
}

// dispatch gives events to the Sender: as many concurrent batches as allowed, or one event at a time during an
// outage.
func (r *run) dispatch(ctx context.Context, now time.Time) {
	if r.outage.Lasts() {
		if !now.Before(r.outage.Until()) && r.sending == 0 {
			// Recipients that have not failed come first, because a failure of a sick one must not prolong the
			// outage.
			for _, from := range []*[]*queue{&r.ready, &r.alone, &r.suspects} {
				if len(*from) > 0 {
					r.send(ctx, take(from, 1))
					return
				}
			}
		}
		return
	}
	for r.sending < r.inFlight && len(r.alone) > 0 {
		r.send(ctx, take(&r.alone, 1))
	}
	for r.sending < r.inFlight && len(r.ready) > 0 {
		r.send(ctx, take(&r.ready, r.batchSize))
	}
	for r.sending < r.inFlight && r.trying < maxSuspects && len(r.suspects) > 0 {
		r.send(ctx, take(&r.suspects, 1))
	}
}

// take removes and returns the first n queues, or all if there are fewer.
func take(from *[]*queue, n int) []*queue {
	n = min(n, len(*from))
	taken := append([]*queue(nil), (*from)[:n]...)
	if *from = (*from)[n:]; len(*from) == 0 {
		*from = nil // releases the array
	}
	return taken
}

func (r *run) send(ctx context.Context, queues []*queue) {
	batch := make([]*ent.Event, len(queues))
	for i, q := range queues {
		q.busy = true
		batch[i] = q.events[0]
	}
	r.sending++
	if queues[0].attempts > 0 {
		r.trying++
	}
	next := job{queues, batch}
	if r.workers < r.inFlight {
		select {
		case r.jobs <- next:
		default: // all are busy
			r.workers++
			go r.work(ctx, next)
		}
		return
	}
	r.jobs <- next // does not block for long, because there are more workers than sends in progress
}

// work sends one batch after the other until jobs is closed. It is reused, because every new goroutine would have to
// grow its stack.
func (r *run) work(ctx context.Context, next job) {
	for more := true; more; next, more = <-r.jobs {
		verdicts, err := r.sender.Send(ctx, next.batch)
		r.results <- result{queues: next.queues, verdicts: verdicts, err: err}
	}
}

func (r *run) settle(ctx context.Context, res result) {
	now := time.Now()
	r.sending--
	if res.queues[0].attempts > 0 {
		r.trying--
	}
	for i, q := range res.queues {
		q.busy = false
		verdict := res.err
		if verdict == nil {
			verdict = res.verdicts[i]
		} else if len(res.queues) > 1 {
			q.alone, verdict = true, ErrUntried
		}
		r.conclude(ctx, q, verdict, now)
	}
}

// settleLast settles the events that were taken after the end of the loop. The rest stays as it is.
func (r *run) settleLast(res result) {
	r.sending--
	for i, q := range res.queues {
		if res.err == nil && res.verdicts[i] == nil {
			r.remove(q, time.Now())
		}
	}
}

// conclude handles the Sender's verdict on the first event of a queue.
func (r *run) conclude(ctx context.Context, q *queue, verdict error, now time.Time) {
	e := q.events[0]
	refused, never := errors.AsType[*RefusedError](verdict)
	switch {
	case errors.Is(verdict, ErrUntried):
		r.markReady(q)
		return
	case verdict != nil && !never:
		r.block(ctx, q, verdict, now)
		return
	case never:
		r.logger.ErrorContext(ctx, "an event is refused for good; it stays in the recipient's notifications",
			slog.Int("event", e.ID), slog.String("reason", refused.Reason))
		r.progress.never(final{at: At(e), key: q.key, attempts: q.attempts + 1, reason: refused.Reason})
	}
	r.lastErr = nil
	if r.outage.Over() { // recipients that failed because of the outage need not wait any longer
		r.waiting.hurry(now)
	}
	r.remove(q, now)
}

// remove settles the first event of a queue and removes it.
func (r *run) remove(q *queue, now time.Time) {
	r.progress.settle(At(q.events[0]))
	r.held--
	q.events[0] = nil
	q.events = q.events[1:]
	if q.attempts > 0 {
		r.progress.note(q.key, 0, time.Time{}, "")
	}
	q.attempts, q.alone = 0, false
	r.advance(q, now)
}

// block makes one recipient wait, with its events in the log, while the others continue.
func (r *run) block(ctx context.Context, q *queue, err error, now time.Time) {
	q.attempts++
	pause := max(outage.Backoff(q.attempts, r.jitter()), outage.RetryAfter(err))
	r.leaveInLog(q, now.Add(pause))
	r.progress.note(q.key, q.attempts, now.Add(pause), err.Error())
	r.lastErr = err
	r.logger.Log(ctx, outage.LogLevel(err), "sending failed; the events of this recipient wait",
		slog.Int("recipient", q.recipient), slog.Duration("next_attempt", pause), slog.Any("error", err))
	if r.outage.Failed(q.recipient, outage.RetryAfter(err), r.jitter(), now) {
		go func() { r.checked <- r.sender.Check(ctx) }()
	}
}

// leaveInLog drops the events of a queue from memory. They are read from the log again at a given time.
func (r *run) leaveInLog(q *queue, until time.Time) {
	head := At(q.events[0])
	r.held -= len(q.events)
	q.events, q.inLog, q.next = nil, true, head.Previous()
	r.waiting.add(q, until)
	r.progress.wait(q.key, head)
}

// report updates the Status.
func (r *run) report() {
	r.statusMu.Lock()
	defer r.statusMu.Unlock()
	r.status = Status{Waiting: r.held, Parked: len(r.waiting), Behind: len(r.waiting) > 0 || r.held >= r.queueSize, Err: r.lastErr}
}

// idle reports whether nothing can be done now.
func (r *run) idle(now time.Time) bool {
	return r.held == 0 && r.sending == 0 && r.keeper.writing == nil && r.waiting.due(now) == nil
}

// until returns the time at which the loop must wake if nothing else wakes it.
func (r *run) until(now, drainEnd time.Time) time.Time {
	next := r.keeper.next(now)
	consider := func(t time.Time) {
		if t.Before(next) {
			next = t
		}
	}
	if r.ended {
		consider(drainEnd)
	}
	if r.outage.Lasts() && r.sending == 0 && r.held > 0 {
		consider(r.outage.Until())
	}
	if len(r.waiting) > 0 && r.held < r.queueSize && !now.Before(r.keeper.retryAt) {
		consider(r.waiting[0].until)
	}
	return next
}
