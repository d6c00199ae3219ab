package outbox

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"lorebridge/ent"
	"lorebridge/pusherapi/outage"
	"lorebridge/ent/event"
)

// maxSuspects is how many events may be with the Sender that were sent in vain before: they may take long, and the
// others go on.
const maxSuspects = 2

// job is a batch to be sent: the first event of each queue.
type job struct {
	queues []*queue
	batch  []*ent.Event
}

// result is what the Sender said about the first event of each queue.
type result struct {
	queues   []*queue
	verdicts []error
	err      error
}

// run is the state of Relay.Run. It belongs to one goroutine; sends and writes run beside it and report to it.
type run struct {
	*Relay
	keeper   keeper
	progress *progress // the keeper's
	reader   *Reader
	kept     *kept
	queues   map[int]*queue // every recipient with events in memory, or waiting in the log
	waiting  schedule       // those whose events wait in the log, and that are not read before their time
	ready    []*queue       // first in, first out: may be sent together
	alone    []*queue       // to be sent alone: a batch with them failed
	suspects []*queue       // to be sent alone: they failed alone
	held     int            // events in memory

	jobs    chan job
	workers int // goroutines that send
	sending int // with the Sender
	trying  int // of those, suspects
	results chan result
	checked chan error
	outage  outage.Outage
	lastErr error
	ended   bool // nothing is read any more
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

// restore makes the queue of a recipient that an earlier process has parked. It is tried at once: the clock may have
// been changed since.
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
	// What is being sent or written when ctx ends is not torn off: the drain has its own end.
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
			r.read(work, now)    // the last ones
			r.waiting.hurry(now) // and one more attempt for whoever waits
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

// end waits for what is still under way and writes what became of it.
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

// read takes what has come, and what has waited in the log for long enough.
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

// accept puts an event into its recipient's queue. One whose recipient's events wait in the log stays there.
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
		r.queueUp(q)
	}
}

// queueUp has the first event of a queue sent.
func (r *run) queueUp(q *queue) {
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

// readWaiting reads the events of recipients whose pause is over: one alone where that one failed before.
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

// resume puts what was read from the log for a recipient into its queue. all says that nothing is left there.
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
		r.goOn(q, now)
	}
}

// goOn looks at a queue whose first event is gone.
func (r *run) goOn(q *queue, now time.Time) {
	switch {
	case len(q.events) > 0:
		r.queueUp(q)
	case q.inLog:
		r.waiting.add(q, now)
	default:
		delete(r.queues, q.recipient)
	}
}

// dispatch gives events to the Sender: as many batches at a time as allowed, or one event while the receiver is down.
func (r *run) dispatch(ctx context.Context, now time.Time) {
	if r.outage.Lasts() {
		if !now.Before(r.outage.Until()) && r.sending == 0 {
			// Who has not failed yet comes first: those who are sick themselves must not keep the outage up.
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

// take removes the first n queues, or all if there are fewer.
func take(from *[]*queue, n int) []*queue {
	n = min(n, len(*from))
	taken := append([]*queue(nil), (*from)[:n]...)
	if *from = (*from)[n:]; len(*from) == 0 {
		*from = nil // let go of the array behind it
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
	r.jobs <- next // fewer are being sent than there are workers: one is about to wait for this
}

// work sends one batch after the other: a goroutine of its own for each would grow its stack for each. It ends with the
// jobs.
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

// settleLast notes what was sent although Run ends. The rest is left as it is.
func (r *run) settleLast(res result) {
	r.sending--
	for i, q := range res.queues {
		if res.err == nil && res.verdicts[i] == nil {
			r.remove(q, time.Now())
		}
	}
}

// conclude acts on the verdict on the first event of a queue.
func (r *run) conclude(ctx context.Context, q *queue, verdict error, now time.Time) {
	e := q.events[0]
	refused, never := errors.AsType[*RefusedError](verdict)
	switch {
	case errors.Is(verdict, ErrUntried):
		r.queueUp(q)
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
	if r.outage.Over() { // whoever failed because of it does not wait any longer
		r.waiting.hurry(now)
	}
	r.remove(q, now)
}

// remove lets go of the first event of a queue, which is settled.
func (r *run) remove(q *queue, now time.Time) {
	r.progress.settle(At(q.events[0]))
	r.held--
	q.events[0] = nil
	q.events = q.events[1:]
	if q.attempts > 0 {
		r.progress.note(q.key, 0, time.Time{}, "")
	}
	q.attempts, q.alone = 0, false
	r.goOn(q, now)
}

// block lets one recipient wait, in the log, while the others go on.
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

// leaveInLog forgets the events of a queue until a moment, when they are read again.
func (r *run) leaveInLog(q *queue, until time.Time) {
	head := At(q.events[0])
	r.held -= len(q.events)
	q.events, q.inLog, q.next = nil, true, head.Previous()
	r.waiting.add(q, until)
	r.progress.wait(q.key, head)
}

// report lets others see how the relay fares.
func (r *run) report() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = Status{Waiting: r.held, Parked: len(r.waiting), Behind: len(r.waiting) > 0 || r.held >= r.queueSize, Err: r.lastErr}
}

// idle says that nothing can be done now.
func (r *run) idle(now time.Time) bool {
	return r.held == 0 && r.sending == 0 && r.keeper.writing == nil && r.waiting.due(now) == nil
}

// until is how long the loop may sleep if nothing wakes it.
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
