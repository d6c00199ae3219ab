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

// How a request of a webhook is retried. The document of the service says: exponentially, for five minutes.
const (
	webhookTimeout    = 4 * time.Second // of one attempt
	webhookRetryFor   = 5 * time.Minute // since the first attempt
	webhookFirstPause = 500 * time.Millisecond
	webhookMaxPause   = 30 * time.Second
	// webhookIdleTimeout is how long a connection is kept without a request: shorter than what forgets connections on
	// the way.
	webhookIdleTimeout = 30 * time.Second
	maxWebhookAnswer   = 4 << 10 // bytes read of an answer, so that its connection can be used again
)

// webhookSender sends the events for one URL, one request at a time: that keeps their order.
type webhookSender struct {
	server    *Server
	app       App
	url       string
	shown     string // url for the log
	client    *http.Client
	closeIdle func() // what is ours of the connections of client
	stopping  <-chan struct{}
	arrived   chan struct{} // holds a token if an event was queued since the last look

	eventsMu  sync.Mutex
	events    []queuedWebhookEvent // the oldest first
	overflown int                  // events dropped that the log does not know of yet
}

type queuedWebhookEvent struct {
	webhookEvent
	due time.Time
}

// newWebhookSender sends nothing before run. Once stopping is closed, nothing more may be queued.
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
			// Another host would get what is signed for this one.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// newWebhookTransport notices within webhookTimeout that a connection is dead, whichever version of HTTP is spoken.
func newWebhookTransport() *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: webhookIdleTimeout,
		HTTP2: &http.HTTP2Config{SendPingTimeout: webhookTimeout / 2, PingTimeout: webhookTimeout / 4},
	}
}

// enqueue never waits. If there is no room, the oldest event makes some: the newest say how things are now.
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

// run sends until stopping is closed and all that was queued is sent, or does not go through at once, or until ctx
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

// next waits for events that are due, or enough for a whole request. After stopping it returns what is there.
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

// take removes the events of the next request from the queue, or returns how long the oldest event still waits for
// others; zero if there is none. A zero now takes what is there.
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

// deliver tries until the URL accepts batch, or reports false when its time is over. Once stopping is closed, it
// tries but once more.
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
		// Of many that fail at the same moment, no two come back together.
		wait := pause/2 + pause/2*time.Duration(w.server.config.Uint64()%1024)/1024
		if w.isStopping() || time.Since(began)+wait > webhookRetryFor {
			w.server.counters.webhookDrops.Add(uint64(len(batch)))
			log.WarnContext(ctx, "pusher webhook events dropped: the URL must answer 2xx", "attempts", attempts, "error", err)
			return false
		}
		if attempts == 1 {
			log.WarnContext(ctx, "pusher webhook failed and will be tried again", "error", err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-w.stopping:
			timer.Stop()
		}
	}
}

// post returns nil if the URL accepted body.
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
		w.closeIdle() // the connections beside the one that failed may be as dead
		return cause(err)
	}
	defer response.Body.Close()
	// What it says does not matter, and neither whether it comes to an end.
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

// dropRest gives up what is queued.
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

// logOverflow logs in place of enqueue, which must not wait for a log.
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
