package pusherserver

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// webhooks turns what happens on the channels of one app into events for each of its URLs. occupied, vacated and missed
// wait for nothing but locks that are held for a moment; they must be called in order for one channel.
type webhooks struct {
	delay   time.Duration // before vacated is true
	limit   int           // of vacant
	senders []*webhookSender

	vacantMu sync.Mutex
	vacant   *list.List               // of vacancy, the oldest first
	byName   map[string]*list.Element // the same by channel
	stopped  bool                     // nothing is accepted any more

	changed  chan struct{} // holds a token if the first of vacant may be another
	stopping chan struct{} // closed by stop
}

// vacancy is a channel that is empty, and from when on that counts.
type vacancy struct {
	channel string
	due     time.Time
}

// newWebhooks returns nil for an app without webhooks.
func newWebhooks(s *Server, app App) *webhooks {
	if len(app.Webhooks) == 0 {
		return nil
	}
	w := &webhooks{
		delay:    s.config.VacatedDelay,
		limit:    s.config.MaxQueuedWebhookEvents,
		vacant:   list.New(),
		byName:   make(map[string]*list.Element),
		changed:  make(chan struct{}, 1),
		stopping: make(chan struct{}),
	}
	for _, webhook := range app.Webhooks {
		w.senders = append(w.senders, newWebhookSender(s, app, webhook, w.stopping))
	}
	return w
}

// occupied tells that channel got its first subscriber. If it was empty for less than delay, nobody needs to know.
func (w *webhooks) occupied(channel string) {
	w.vacantMu.Lock()
	defer w.vacantMu.Unlock()
	if pending, ok := w.byName[channel]; ok {
		w.forget(pending)
		return
	}
	w.enqueue(webhookEvent{webhookOccupied, channel})
}

// vacated tells that channel lost its last subscriber. Above limit the oldest vacancy is told before its time, for that
// says more than nothing.
func (w *webhooks) vacated(channel string) {
	w.vacantMu.Lock()
	defer w.vacantMu.Unlock()
	if w.stopped {
		return
	}
	if w.vacant.Len() == w.limit {
		w.tell(w.vacant.Front())
	}
	w.byName[channel] = w.vacant.PushBack(vacancy{channel, time.Now().Add(w.delay)})
	if w.vacant.Len() == 1 {
		select {
		case w.changed <- struct{}{}:
		default:
		}
	}
}

// missed tells that somebody found nothing on a cache channel.
func (w *webhooks) missed(channel string) {
	w.vacantMu.Lock()
	defer w.vacantMu.Unlock()
	w.enqueue(webhookEvent{webhookCacheMiss, channel})
}

// enqueue needs vacantMu, which gives all senders the same order.
func (w *webhooks) enqueue(e webhookEvent) {
	if w.stopped {
		return
	}
	for _, s := range w.senders {
		s.enqueue(e)
	}
}

// tell needs vacantMu.
func (w *webhooks) tell(pending *list.Element) {
	w.enqueue(webhookEvent{webhookVacated, w.forget(pending).channel})
}

// forget needs vacantMu.
func (w *webhooks) forget(pending *list.Element) vacancy {
	v := w.vacant.Remove(pending).(vacancy)
	delete(w.byName, v.channel)
	return v
}

// start runs the senders and the clock of the vacancies until stop, or until ctx ends.
func (w *webhooks) start(ctx context.Context, goroutines *sync.WaitGroup) {
	for _, s := range w.senders {
		goroutines.Go(func() { s.run(ctx) })
	}
	goroutines.Go(w.watchVacancies)
}

// watchVacancies tells each vacancy when it is due.
func (w *webhooks) watchVacancies() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-w.changed:
		case <-w.stopping:
			return
		}
		if wait, ok := w.tellDue(time.Now()); ok {
			timer.Reset(wait)
		}
	}
}

// tellDue reports how long the next vacancy has to wait, if there is one.
func (w *webhooks) tellDue(now time.Time) (wait time.Duration, ok bool) {
	w.vacantMu.Lock()
	defer w.vacantMu.Unlock()
	for pending := w.vacant.Front(); pending != nil; pending = w.vacant.Front() {
		if wait := pending.Value.(vacancy).due.Sub(now); wait > 0 {
			return wait, true
		}
		w.tell(pending)
	}
	return 0, false
}

func (w *webhooks) count() (waiting int) {
	for _, s := range w.senders {
		waiting += s.count()
	}
	return waiting
}

// stop accepts nothing more, tells the vacancies that are not due yet, and lets the senders try once what is left.
func (w *webhooks) stop() {
	w.vacantMu.Lock()
	defer w.vacantMu.Unlock()
	for pending := w.vacant.Front(); pending != nil; pending = w.vacant.Front() {
		w.tell(pending)
	}
	w.stopped = true
	close(w.stopping)
}
