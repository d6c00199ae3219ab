package pusherserver

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// webhooks turns changes of the channels of one app into events for each of its URLs. occupied, vacated and missed wait
// only for locks that are held for a short time. For one channel they must be called in order.
type webhooks struct {
	delay   time.Duration // how long a channel must be empty before channel_vacated
	limit   int           // of vacant
	senders []*webhookSender

	vacantMu sync.Mutex
	vacant   *list.List               // of vacancy, the oldest first
	byName   map[string]*list.Element // the elements of vacant, by channel
	stopped  bool                     // no event is queued from now on

	changed  chan struct{} // holds a token if the first element of vacant may have changed
	stopping chan struct{} // closed by stop
}

// vacancy is an empty channel.
type vacancy struct {
	channel string
	due     time.Time // when channel_vacated is queued
}

// newWebhooks returns the webhooks of app, or nil if it has none.
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

// occupied queues channel_occupied, because channel has its first subscriber. If it was empty for less than delay, it
// queues nothing.
func (w *webhooks) occupied(channel string) {
	w.vacantMu.Lock()
	defer w.vacantMu.Unlock()
	if pending, ok := w.byName[channel]; ok {
		w.forget(pending)
		return
	}
	w.enqueue(webhookEvent{webhookOccupied, channel})
}

// vacated queues channel_vacated after delay, because channel lost its last subscriber. Above limit the oldest vacancy
// is queued early, because that is better than to drop it.
func (w *webhooks) vacated(channel string) {
	w.vacantMu.Lock()
	defer w.vacantMu.Unlock()
	if w.stopped {
		return
	}
	if w.vacant.Len() == w.limit {
		w.enqueueVacated(w.vacant.Front())
	}
	w.byName[channel] = w.vacant.PushBack(vacancy{channel, time.Now().Add(w.delay)})
	if w.vacant.Len() == 1 {
		select {
		case w.changed <- struct{}{}:
		default:
		}
	}
}

// missed queues cache_miss, because a subscriber found no event on a cache channel.
func (w *webhooks) missed(channel string) {
	w.vacantMu.Lock()
	defer w.vacantMu.Unlock()
	w.enqueue(webhookEvent{webhookCacheMiss, channel})
}

// enqueue queues e for all URLs. The caller must hold vacantMu, which gives all senders the same order.
func (w *webhooks) enqueue(e webhookEvent) {
	if w.stopped {
		return
	}
	for _, s := range w.senders {
		s.enqueue(e)
	}
}

// enqueueVacated removes a vacancy and queues its channel_vacated. The caller must hold vacantMu.
func (w *webhooks) enqueueVacated(pending *list.Element) {
	w.enqueue(webhookEvent{webhookVacated, w.forget(pending).channel})
}

// forget removes and returns a vacancy. The caller must hold vacantMu.
func (w *webhooks) forget(pending *list.Element) vacancy {
	v := w.vacant.Remove(pending).(vacancy)
	delete(w.byName, v.channel)
	return v
}

// start runs the senders and watchVacancies in goroutines. They end after stop; the senders end with ctx, too.
func (w *webhooks) start(ctx context.Context, goroutines *sync.WaitGroup) {
	for _, s := range w.senders {
		goroutines.Go(func() { s.run(ctx) })
	}
	goroutines.Go(w.watchVacancies)
}

// watchVacancies queues channel_vacated for each vacancy when it is due.
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
		if wait, ok := w.enqueueDue(time.Now()); ok {
			timer.Reset(wait)
		}
	}
}

// enqueueDue queues channel_vacated for all vacancies that are due. It returns how long the next one has to wait, and
// whether there is one.
func (w *webhooks) enqueueDue(now time.Time) (wait time.Duration, ok bool) {
	w.vacantMu.Lock()
	defer w.vacantMu.Unlock()
	for pending := w.vacant.Front(); pending != nil; pending = w.vacant.Front() {
		if wait := pending.Value.(vacancy).due.Sub(now); wait > 0 {
			return wait, true
		}
		w.enqueueVacated(pending)
	}
	return 0, false
}

func (w *webhooks) count() (waiting int) {
	for _, s := range w.senders {
		waiting += s.count()
	}
	return waiting
}

// stop queues channel_vacated for all vacancies, also for those that are not due. After that no event is queued, and
// the senders try the waiting events once.
func (w *webhooks) stop() {
	w.vacantMu.Lock()
	defer w.vacantMu.Unlock()
	for pending := w.vacant.Front(); pending != nil; pending = w.vacant.Front() {
		w.enqueueVacated(pending)
	}
	w.stopped = true
	close(w.stopping)
}
