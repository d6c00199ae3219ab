package pusherserver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pusher/pusher-http-go/v5"

	"lorebridge/pusherserver"
)

const receiverURL = "http://user:password@receiver.invalid/hook?token=secret"

// receiver is a WebhookTransport that keeps all requests. A nil answer means 200 to every request.
type receiver struct {
	answer func(r *http.Request, attempt int) (*http.Response, error) // attempt counts from 0, of all requests

	requestsMu sync.Mutex
	requests   []received
}

type received struct {
	at     time.Time
	host   string
	body   string
	events []string // "channel_occupied a"
}

func (r *receiver) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	var content struct {
		Events []struct{ Name, Channel string }
	}
	if err := json.Unmarshal(body, &content); err != nil {
		return nil, err
	}
	got := received{at: time.Now(), host: request.URL.Host, body: string(body)}
	for _, e := range content.Events {
		got.events = append(got.events, e.Name+" "+e.Channel)
	}
	r.requestsMu.Lock()
	attempt := len(r.requests)
	r.requests = append(r.requests, got)
	r.requestsMu.Unlock()
	if r.answer == nil {
		return status(http.StatusOK), nil
	}
	return r.answer(request, attempt)
}

func status(code int) *http.Response {
	return &http.Response{StatusCode: code, Header: make(http.Header), Body: io.NopCloser(strings.NewReader("x"))}
}

// take returns the requests since the last call. It waits until all goroutines of the bubble are blocked.
func (r *receiver) take() []received {
	synctest.Wait()
	r.requestsMu.Lock()
	defer r.requestsMu.Unlock()
	taken := r.requests
	r.requests = nil
	return taken
}

func (r *receiver) want(t *testing.T, events ...string) {
	t.Helper()
	var got []string
	for _, request := range r.take() {
		got = append(got, request.events...)
	}
	if !cmp.Equal(events, got) {
		t.Fatalf("wrong events: %s", cmp.Diff(events, got))
	}
}

// hooked returns a change of the Config: one webhook, r in place of the network, and clients that may be silent.
func (r *receiver) hooked(c *pusherserver.Config) {
	c.ActivityTimeout = 24 * time.Hour
	c.WebhookTransport = r
	c.Apps[0].Webhooks = []pusherserver.Webhook{{URL: receiverURL}}
}

func after(d time.Duration) { <-time.After(d); synctest.Wait() }

func (c *client) unsubscribe(channel string) {
	c.t.Helper()
	c.send("pusher:unsubscribe", map[string]string{"channel": channel})
	c.roundtrip()
}

func TestRealLibraryReadsWebhooks(t *testing.T) {
	type delivery struct {
		header http.Header
		body   []byte
	}
	arrived := make(chan delivery, 10)
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.URL.String() != "/hook?x=1" {
			t.Errorf("got %s %s, %v", r.Method, r.URL, err)
		}
		arrived <- delivery{r.Header, body}
	}))
	defer web.Close()
	s := start(t, func(c *pusherserver.Config) {
		c.Apps[0].Webhooks = []pusherserver.Webhook{{URL: web.URL + "/hook?x=1"}}
		c.VacatedDelay, c.WebhookDelay = 50*time.Millisecond, 50*time.Millisecond
	})
	library := publishers(s)["loopback"]
	began := time.Now()
	c := s.connect()
	c.subscribe("private-a")
	c.unsubscribe("private-a")
	c.subscribe("cache-a")
	var got []pusher.WebhookEvent
	for len(got) < 4 {
		d := <-arrived
		webhook, err := library.Webhook(d.header, d.body)
		if err != nil {
			t.Fatal(err)
		}
		if at := time.UnixMilli(int64(webhook.TimeMs)); at.Before(began.Add(-time.Second)) || at.After(time.Now()) {
			t.Errorf("time_ms is %v", at)
		}
		if d.header.Get("Content-Type") != "application/json" || d.header.Get("X-Pusher-Key") != appKey {
			t.Errorf("header is %v", d.header)
		}
		got = append(got, webhook.Events...)
	}
	want := []pusher.WebhookEvent{
		{Name: "channel_occupied", Channel: "private-a"},
		{Name: "channel_occupied", Channel: "cache-a"},
		{Name: "cache_miss", Channel: "cache-a"},
		{Name: "channel_vacated", Channel: "private-a"},
	}
	if !cmp.Equal(want, got) {
		t.Error(cmp.Diff(want, got))
	}
	s.stop()
	if stats := s.Stats(); stats.WebhookEvents != 4 || stats.WebhookQueue != 0 || stats.WebhookDrops != 0 {
		t.Errorf("got %+v, want four events sent", stats)
	}
}

func TestRedirectsOfWebhooksAreNotFollowed(t *testing.T) {
	asked := make(chan string, 10)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer web.Close()
	s := start(t, func(c *pusherserver.Config) {
		c.Apps[0].Webhooks = []pusherserver.Webhook{{URL: web.URL + "/hook"}}
		c.WebhookDelay = time.Millisecond
	})
	s.connect().subscribe("a")
	for range 2 { // the attempt and its retry
		if path := <-asked; path != "/hook" {
			t.Errorf("%s was asked", path)
		}
	}
}

func TestVacatedIsSentAfterTheDelayAndOccupiedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r receiver
		s := startInBubble(t, r.hooked)
		first, second := s.connect(), s.connect()
		first.subscribe("a")
		second.subscribe("a")
		after(250 * time.Millisecond)
		r.want(t, "channel_occupied a")

		first.unsubscribe("a")
		after(10 * time.Second)
		r.want(t) // the other is still there

		second.unsubscribe("a")
		after(3*time.Second + 240*time.Millisecond)
		r.want(t)
		after(10 * time.Millisecond)
		r.want(t, "channel_vacated a")

		first.subscribe("a")
		after(250 * time.Millisecond)
		r.want(t, "channel_occupied a")
	})
}

func TestAChannelThatIsOccupiedInTimeWasNeverVacant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r receiver
		s := startInBubble(t, r.hooked)
		c := s.connect()
		c.subscribe("a")
		after(time.Second)
		r.want(t, "channel_occupied a")
		for range 5 {
			c.unsubscribe("a")
			after(2990 * time.Millisecond)
			c.subscribe("a")
		}
		c.conn.Close()
		after(time.Second)
		s.connect().subscribe("a")
		after(time.Hour)
		r.want(t)
	})
}

func TestVacanciesComeInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r receiver
		s := startInBubble(t, r.hooked)
		c := s.connect()
		c.subscribe("a", "b", "c", "d")
		after(time.Second)
		r.take()
		for _, channel := range []string{"a", "b", "c", "d"} {
			c.unsubscribe(channel)
			after(time.Second)
		}
		r.want(t, "channel_vacated a")
		c.subscribe("b", "c") // b is just too late, c is not
		after(time.Hour)
		r.want(t, "channel_vacated b", "channel_occupied b", "channel_vacated d")
	})
}

func TestEventsOfWebhooksAreSentTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r receiver
		s := startInBubble(t, func(c *pusherserver.Config) {
			r.hooked(c)
			c.Apps[0].Webhooks = append(c.Apps[0].Webhooks, pusherserver.Webhook{URL: "https://other.invalid"})
		})
		began := time.Now()
		c := s.connect()
		var want [][]string
		for i := range 45 {
			channel := fmt.Sprint(i)
			c.subscribe(channel)
			if i%20 == 0 {
				want = append(want, nil)
			}
			want[i/20] = append(want[i/20], "channel_occupied "+channel)
		}
		after(time.Second)
		got := make(map[string][][]string)
		for i, request := range r.take() {
			got[request.host] = append(got[request.host], request.events)
			waited := request.at.Sub(began)
			if full := i < 4; full && waited != 0 || !full && waited != 250*time.Millisecond {
				t.Errorf("request with %d events was sent after %v", len(request.events), waited)
			}
		}
		for _, host := range []string{"receiver.invalid", "other.invalid"} {
			if !cmp.Equal(want, got[host]) {
				t.Errorf("%s: %s", host, cmp.Diff(want, got[host]))
			}
		}
	})
}

func TestFailedWebhooksAreRetriedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []func(*http.Request) (*http.Response, error){
			func(*http.Request) (*http.Response, error) { return status(http.StatusInternalServerError), nil },
			func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") },
			func(*http.Request) (*http.Response, error) { return status(http.StatusFound), nil },
			func(r *http.Request) (*http.Response, error) { // hangs
				<-r.Context().Done()
				return nil, r.Context().Err()
			},
			func(*http.Request) (*http.Response, error) { return status(http.StatusNoContent), nil },
			func(*http.Request) (*http.Response, error) { return status(http.StatusOK), nil },
		}
		r := receiver{answer: func(request *http.Request, attempt int) (*http.Response, error) { return answers[attempt](request) }}
		s := startInBubble(t, r.hooked)
		c := s.connect()
		c.subscribe("a")
		after(time.Second)
		c.unsubscribe("a") // queued behind the request that fails
		c.subscribe("b")
		after(time.Minute)
		got := r.take()
		if len(got) != len(answers) {
			t.Fatalf("got %d requests, want %d", len(got), len(answers))
		}
		pause := 500 * time.Millisecond
		for i := 1; i < 5; i++ {
			if got[i].body != got[0].body {
				t.Errorf("repetition %d has body %s, want %s", i, got[i].body, got[0].body)
			}
			waited := got[i].at.Sub(got[i-1].at)
			if i == 4 {
				waited -= 4 * time.Second // during which it was blocked
			}
			if waited < pause/2 || waited > pause {
				t.Errorf("repetition %d came after %v, want half to whole %v", i, waited, pause)
			}
			pause *= 2
		}
		if want := []string{"channel_occupied b", "channel_vacated a"}; !cmp.Equal(want, got[5].events) {
			t.Error(cmp.Diff(want, got[5].events))
		}
		if stats := s.Stats(); stats.WebhookEvents != 3 || stats.WebhookDrops != 0 {
			t.Errorf("got %+v, want three events sent", stats)
		}
	})
}

func TestWebhooksAreGivenUpAfterFiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := receiver{answer: func(*http.Request, int) (*http.Response, error) { return status(http.StatusServiceUnavailable), nil }}
		var log bytes.Buffer
		s := startInBubble(t, func(c *pusherserver.Config) {
			r.hooked(c)
			c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
		})
		c := s.connect()
		c.subscribe("a", "b")
		after(4*time.Minute + 20*time.Second)
		if n := s.Stats().WebhookDrops; n != 0 {
			t.Errorf("%d events were dropped too early", n)
		}
		after(time.Minute)
		if n := s.Stats().WebhookDrops; n != 2 {
			t.Errorf("%d events were dropped, want 2", n)
		}
		attempts := r.take()
		for i := range attempts[1:] {
			if pause := attempts[i+1].at.Sub(attempts[i].at); pause > 30*time.Second {
				t.Errorf("paused for %v", pause)
			}
		}
		c.subscribe("c")
		after(time.Second)
		if got := r.take(); len(got) == 0 || got[0].events[0] != "channel_occupied c" {
			t.Errorf("got %+v after what was given up", got)
		}
		s.stop()
		for _, want := range []string{"will be retried", "events dropped", "status 503", "url=http://receiver.invalid/hook ", "events=2"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("log does not have %q: %s", want, &log)
			}
		}
	})
}

func TestSecretsOfWebhookURLsAreNotLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := receiver{answer: func(*http.Request, int) (*http.Response, error) { return nil, errors.New("refused") }}
		var log bytes.Buffer
		s := startInBubble(t, func(c *pusherserver.Config) {
			r.hooked(c)
			c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		})
		s.connect().subscribe("a")
		after(time.Second)
		s.stop()
		if !strings.Contains(log.String(), "refused") || strings.Contains(log.String(), "secret") || strings.Contains(log.String(), "password") {
			t.Error(log.String())
		}
	})
}

func TestHangingReceiverDelaysNobodyAndItsQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		r := receiver{answer: func(request *http.Request, attempt int) (*http.Response, error) {
			if request.URL.Host == "receiver.invalid" && attempt < 20 {
				select {
				case <-free:
				case <-request.Context().Done():
				}
			}
			return status(http.StatusOK), nil
		}}
		var log bytes.Buffer
		s := startInBubble(t, func(c *pusherserver.Config) {
			r.hooked(c)
			c.MaxWebhookEvents, c.MaxQueuedWebhookEvents = 1, 5
			c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		})
		c := s.connect()
		c.subscribe("held")
		synctest.Wait()
		began := time.Now()
		for i := range 8 {
			channel := fmt.Sprint(i)
			c.subscribe(channel)
			s.trigger(channel, "edited", "{}")
			c.want("edited")
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("subscribing and publishing took %v", took)
		}
		if stats := s.Stats(); stats.WebhookDrops != 3 || stats.WebhookQueue != 5 {
			t.Errorf("got %+v, want three dropped and five waiting", stats)
		}
		close(free)
		r.want(t, "channel_occupied held", "channel_occupied 3", "channel_occupied 4", "channel_occupied 5", "channel_occupied 6",
			"channel_occupied 7")
		s.stop()
		if !strings.Contains(log.String(), "MaxQueuedWebhookEvents") || !strings.Contains(log.String(), "events=3") {
			t.Errorf("log is %s", &log)
		}
	})
}

func TestVacanciesAboveTheLimitAreSentEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r receiver
		s := startInBubble(t, func(c *pusherserver.Config) {
			r.hooked(c)
			c.MaxQueuedWebhookEvents = 3
		})
		c := s.connect()
		for i := range 5 {
			c.subscribe(fmt.Sprint(i))
			after(time.Second)
		}
		r.take()
		for i := range 5 {
			c.unsubscribe(fmt.Sprint(i))
		}
		after(time.Second)
		r.want(t, "channel_vacated 0", "channel_vacated 1")
		after(3 * time.Second)
		r.want(t, "channel_vacated 2", "channel_vacated 3", "channel_vacated 4")
	})
}

func TestWebhooksWaitForRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r receiver
		server := newServer(t, r.hooked)
		servePipes(t, &running{Server: server, t: t}).connect().subscribe("a")
		after(time.Minute)
		r.want(t)
		run(t, server)
		r.want(t, "channel_occupied a")
	})
}

func TestCacheMissesAreSentOnceUntilSomethingIsCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r receiver
		s := startInBubble(t, r.hooked)
		stay := s.connect()
		stay.subscribe("cache-a")
		stay.wantMiss("cache-a")
		c := s.connect()
		for range 2 {
			c.subscribe("cache-a")
			c.wantMiss("cache-a")
			c.unsubscribe("cache-a")
		}
		after(time.Second)
		r.want(t, "channel_occupied cache-a", "cache_miss cache-a")
		s.trigger("cache-a", "edited", "1")
		stay.want("edited")
		c.subscribe("cache-a")
		c.want("edited")
		c.unsubscribe("cache-a")
		after(31 * time.Minute)
		r.want(t)
		late := s.connect()
		late.subscribe("cache-a")
		late.wantMiss("cache-a")
		after(time.Second)
		r.want(t, "cache_miss cache-a")
	})
}

func TestShutdownSendsWhatWaitsOnceAndNotThatItEmptiesTheRest(t *testing.T) {
	for name, test := range map[string]struct {
		answer   func(*http.Request, int) (*http.Response, error)
		requests int
		drops    uint64
		within   time.Duration
	}{
		"accepted": {requests: 2},
		"refused": {
			answer:   func(*http.Request, int) (*http.Response, error) { return status(http.StatusBadGateway), nil },
			requests: 2, drops: 25, // the first request before the end, and once more at the end
		},
		"hanging": {
			answer: func(r *http.Request, _ int) (*http.Response, error) {
				<-r.Context().Done()
				return nil, context.Cause(r.Context())
			},
			requests: 1, drops: 25, within: 2 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var failing bool
				r := receiver{answer: func(r *http.Request, attempt int) (*http.Response, error) {
					if failing && test.answer != nil {
						return test.answer(r, attempt)
					}
					return status(http.StatusOK), nil
				}}
				s := startInBubble(t, func(c *pusherserver.Config) {
					r.hooked(c)
					c.ShutdownTimeout = 2 * time.Second
				})
				c := s.connect()
				for i := range 25 {
					c.subscribe(fmt.Sprint(i))
				}
				c.subscribe("stays")
				after(time.Second)
				r.take()
				failing = true
				for i := range 20 {
					c.unsubscribe(fmt.Sprint(i))
				}
				after(pusherserver.DefaultVacatedDelay) // these fill a request, which is tried
				for i := range 5 {
					c.unsubscribe(fmt.Sprint(20 + i))
				}
				closed := make(chan struct{})
				go func() { c.wantClose(4100); close(closed) }()
				began := time.Now()
				s.stop()
				<-closed
				if took := time.Since(began); took != test.within {
					t.Errorf("Run ended after %v, want %v", took, test.within)
				}
				var events []string
				requests := r.take()
				for _, request := range requests {
					events = append(events, request.events...)
				}
				if strings.Contains(strings.Join(events, "\n"), "stays") {
					t.Error("a webhook was sent for a channel that the shutdown emptied")
				}
				if stats := s.Stats(); stats.WebhookDrops != test.drops || stats.WebhookQueue != 0 {
					t.Errorf("got %+v, want %d dropped", stats, test.drops)
				}
				if len(requests) != test.requests || test.drops == 0 && len(events) != 25 {
					t.Errorf("got %d requests with %d events", len(requests), len(events))
				}
			})
		})
	}
}

func TestShutdownTriesOnceMoreWhatWasToBeRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := receiver{answer: func(_ *http.Request, attempt int) (*http.Response, error) {
			if attempt < 6 {
				return status(http.StatusServiceUnavailable), nil
			}
			return status(http.StatusOK), nil
		}}
		s := startInBubble(t, r.hooked)
		s.connect().subscribe("a")
		after(16 * time.Second) // between the sixth attempt and the seventh
		before := len(r.requests)
		stopped := time.Now()
		s.stop()
		attempts := r.take()
		if n := len(attempts); before != 6 || n != 7 || !attempts[6].at.Equal(stopped) {
			t.Errorf("got %d attempts before the end of Run and %d with it, want 6 and 7, the last at once", before, n)
		}
		if stats := s.Stats(); stats.WebhookEvents != 1 || stats.WebhookDrops != 0 {
			t.Errorf("got %+v, want the event sent", stats)
		}
	})
}
