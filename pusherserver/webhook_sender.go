package pusherserver

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// How a webhook request is retried. The document of the service requires exponential pauses, for five minutes.
const (
	webhookTimeout    = 4 * time.Second // of one attempt
	webhookRetryFor   = 5 * time.Minute // since the first attempt
	webhookFirstPause = 500 * time.Millisecond
	webhookMaxPause   = 30 * time.Second
	// webhookIdleTimeout is how long a connection without a request stays open. It is shorter than the time-outs of
	// proxies and NAT.
	webhookIdleTimeout = 30 * time.Second
	maxWebhookAnswer   = 4 << 10 // bytes to read of an answer, so that its connection can be reused
)

// webhookSender sends the events for one URL. It sends one request at a time, to keep their order.
type webhookSender struct {
	server    *Server
	app       App
	url       string
	shown     string // url without secrets, for the log
	client    *http.Client
	closeIdle func() // closes idle connections of client; does nothing for a Config.WebhookTransport
	stopping  <-chan struct{}
	arrived   chan struct{} // holds a token if an event was queued since the last take

	eventsMu  sync.Mutex
	events    []queuedWebhookEvent // the oldest first
	overflown int                  // dropped events that are not logged yet
}

type queuedWebhookEvent struct {
	webhookEvent
	due time.Time
}

// newWebhookSender returns a sender that sends nothing before run. Nobody may call enqueue after stopping is closed.
func newWebhookSender(s *Server, app App, w Webhook, stopping <-chan struct{}) *webhookSender {
	transport, closeIdle := s.config.WebhookTransport, func() {}
	if transport == nil {
		ours := newWebhookTransport()
		transport, closeIdle = ours, ours.CloseIdleConnections
	}
	return &webhookSender{
		server:    s,
		app:       app,
		url:       w.URL,
		shown:     withoutSecrets(w.URL),
		closeIdle: closeIdle,
		stopping:  stopping,
		arrived:   make(chan struct{}, 1),
		client: &http.Client{
			Transport: transport,
			Timeout:   webhookTimeout,
			// A redirect could send the signed request to another host.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// newWebhookTransport returns a transport that detects a dead connection within webhookTimeout, also with HTTP/2.
func newWebhookTransport() *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: webhookIdleTimeout,
		HTTP2: &http.HTTP2Config{SendPingTimeout: webhookTimeout / 2, PingTimeout: webhookTimeout / 4},
	}
}

// enqueue queues e and never waits. If the queue is full, it drops the oldest event, because the newest events describe
// the present state.
func (w *webhookSender) enqueue(e webhookEvent) {
	w.eventsMu.Lock()
	defer w.eventsMu.Unlock()
	if len(w.events) == w.server.config.MaxQueuedWebhookEvents {
		w.events = w.events[1:]
		w.overflown++
		w.server.counters.webhookDrops.Add(1)
	}
	w.events = append(w.events, queuedWebhookEvent{e, time.Now().Add(w.server.config.WebhookDelay)})
	select {
	case w.arrived <- struct{}{}:
	default:
	}
}

// run sends until stopping is closed, and then until the queue is empty or a request fails. It returns early if ctx
// ends.
func (w *webhookSender) run(ctx context.Context) {
	defer w.closeIdle()
	for batch := w.next(); len(batch) > 0; batch = w.next() {
		w.logOverflow(ctx)
		if !w.deliver(ctx, batch) && w.isStopping() {
			w.dropRest(ctx)
			return
		}
	}
	w.logOverflow(ctx)
}

// next returns the events of the next request. It waits until the oldest event is due, or enough events for a full
// request wait. After stopping it returns at once, and no events mean the end.
func (w *webhookSender) next() []webhookEvent {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		batch, wait := w.take(time.Now())
		if len(batch) > 0 {
			return batch
		}
		if wait > 0 {
			timer.Reset(wait)
		}
		select {
		case <-w.arrived:
		case <-timer.C:
		case <-w.stopping:
			batch, _ := w.take(time.Time{})
			return batch
		}
	}
}

// take removes the events of the next request from the queue. If none are due, it returns how long the oldest event
// still waits, or zero if the queue is empty. A zero now means that all events are due.
func (w *webhookSender) take(now time.Time) (batch []webhookEvent, wait time.Duration) {
	w.eventsMu.Lock()
	defer w.eventsMu.Unlock()
	n := min(len(w.events), w.server.config.MaxWebhookEvents)
	if n == 0 {
		w.events = nil
		return nil, 0
	}
	if wait := w.events[0].due.Sub(now); !now.IsZero() && wait > 0 && n < w.server.config.MaxWebhookEvents {
		return nil, wait
	}
	for _, e := range w.events[:n] {
		batch = append(batch, e.webhookEvent)
	}
	w.events = w.events[n:]
	return batch, 0
}

// deliver tries until the URL accepts batch, and reports whether it did. It gives up after webhookRetryFor. After
// stopping it tries only once more.
func (w *webhookSender) deliver(ctx context.Context, batch []webhookEvent) bool {
	body := encode(webhookBody{w.server.config.Now().UnixMilli(), batch})
	began := time.Now()
	log := w.server.config.Logger.With("app", w.app.ID, "url", w.shown, "events", len(batch))
	for pause, attempts := webhookFirstPause, 1; ; pause, attempts = min(2*pause, webhookMaxPause), attempts+1 {
		err := w.post(ctx, body)
		if err == nil {
			w.server.counters.webhookEvents.Add(uint64(len(batch)))
			return true
		}
		// The random part spreads the retries of requests that failed at the same moment.
		wait := pause/2 + pause/2*time.Duration(w.server.config.Uint64()%1024)/1024
		if w.isStopping() || time.Since(began)+wait > webhookRetryFor {
			w.server.counters.webhookDrops.Add(uint64(len(batch)))
			log.WarnContext(ctx, "pusher webhook events dropped: the URL must answer 2xx", "attempts", attempts, "error", err)
			return false
		}
		if attempts == 1 {
			log.WarnContext(ctx, "pusher webhook failed and will be retried", "error", err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-w.stopping:
			timer.Stop()
		}
	}
}

// post sends one request, and returns nil if the URL accepted body.
func (w *webhookSender) post(ctx context.Context, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return cause(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Pusher-Key", w.app.Key)
	request.Header.Set("X-Pusher-Signature", w.app.sign(string(body)))
	response, err := w.client.Do(request)
	if err != nil {
		w.closeIdle() // other connections to the same host may be dead, too
		return cause(err)
	}
	defer response.Body.Close()
	// The content does not matter, and an error while reading it neither.
	_, _ = io.CopyN(io.Discard, response.Body, maxWebhookAnswer)
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("answer has status %d", response.StatusCode)
	}
	return nil
}

func (w *webhookSender) isStopping() bool {
	select {
	case <-w.stopping:
		return true
	default:
		return false
	}
}

// dropRest drops all queued events, and logs how many.
func (w *webhookSender) dropRest(ctx context.Context) {
	w.logOverflow(ctx)
	w.eventsMu.Lock()
	n := len(w.events)
	w.events = nil
	w.eventsMu.Unlock()
	if n > 0 {
		w.server.counters.webhookDrops.Add(uint64(n))
		w.server.config.Logger.WarnContext(ctx, "pusher webhook events dropped: the server is shutting down",
			"app", w.app.ID, "url", w.shown, "events", n)
	}
}

// logOverflow logs how many events enqueue has dropped. enqueue itself must not wait for a log.
func (w *webhookSender) logOverflow(ctx context.Context) {
	w.eventsMu.Lock()
	n := w.overflown
	w.overflown = 0
	w.eventsMu.Unlock()
	if n > 0 {
		w.server.config.Logger.WarnContext(ctx, "pusher webhook events dropped: more waited than MaxQueuedWebhookEvents",
			"app", w.app.ID, "url", w.shown, "events", n)
	}
}

func (w *webhookSender) count() int {
	w.eventsMu.Lock()
	defer w.eventsMu.Unlock()
	return len(w.events)
}
