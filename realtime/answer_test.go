package realtime_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lorebridge/ent"
	"lorebridge/outbox"
	"lorebridge/pusherapi"
	"lorebridge/pusherapi/outage"
)

// The subjects of an answer.
const (
	nothing   = ""          // Pusher would not send it
	itsEvent  = "its event" // Pusher's text about the event
	ourKey    = "pusher does not know the key"
	ourSecret = "pusher refuses the signature"
	ourApp    = "pusher does not serve the app"
	cluster   = "pusher has the app in another cluster"
	quota     = "the quota at pusher is used up"
	clock     = "the clock differs from pusher's"
)

// pusherText is the body of an answer, its subject in a 4xx, and whether Pusher accepts an event with it in a 2xx.
type pusherText struct {
	body  string
	about string
	yes   bool
	code  int // the status that the object of a 200 holds
}

var bodies = []pusherText{
	{body: ""},
	{body: "{}", yes: true},
	{body: ` {"channels":{}} `, yes: true},
	{body: `{"channels":[]}`, yes: true},
	{body: `{"batch":[{},{}]}`, yes: true},
	{body: `{"ok":true}`, yes: true},
	{body: `{"ok":false}`},
	{body: `{"status":"ok"}`},
	{body: `{"channels":7}`},
	{body: `{"channels":null}`},
	{body: `ok`},
	{body: `"ok"`},
	{body: `[]`},
	{body: `null`},
	{body: `{} {}`},
	{body: `{"channels":{`},
	{body: "<html><h1>Sign in to the Wi-Fi of the hotel, then read the data of this event's channel</h1></html>"},
	{body: "<?xml version=\"1.0\"?><error>channel</error>"},
	{body: "Bad Request"},
	{body: "400 Bad Request"},
	{body: "Payload Too Large"},
	{body: `{"error":"Payload Too Large"}`},
	{body: `{"error":"Request Entity Too Large"}`},
	{body: "http: request body too large"},
	{body: "upstream connect error or disconnect/reset before headers"},
	{body: "Request rejected. Event ID: 4711"},
	{body: "blocked by the web application firewall"},
	{body: "cannot read /apps/lorebridge/events?auth_key=b5f2&auth_signature=0123"},
	{body: `{"message":"Missing Authentication Token"}`},
	{body: `{"timestamp":"2026-11-27","status":400,"error":"Bad Request","path":"/apps/lorebridge/events"}`},
	{body: `{"type":"about:blank","title":"channel"}`},

	{body: "The data content of this event exceeds the allowed maximum (10240 bytes).\n", about: itsEvent},
	{body: "Invalid channel name private-user-2", about: itsEvent},
	{body: `{"error":"data has 445 bytes, at most 300 are allowed"}`, about: itsEvent},
	{body: `{"error":"name has 201 characters, at most 200 are allowed"}`, about: itsEvent},
	{body: `{"error":"The event data should be less than 100 KB.","code":413}`, about: itsEvent, code: 413},
	{body: `{"error":"Event name is too long. Maximum allowed size is 200.","code":400}`, about: itsEvent, code: 400},
	{body: `{"channel":["The channel field is required."],"name":["The name field is required."]}`, about: itsEvent},
	{body: "Payload too large.", about: itsEvent}, // Reverb's

	{body: "Unknown auth_key b5f2a9c3d1e4\n", about: ourKey},
	{body: `{"error":"auth_key is not the key of app lorebridge"}`, about: ourKey},
	{body: "Invalid signature: you should have sent HmacSHA256Hex(\"POST\n/apps/1/events\nauth_key=k&auth_timestamp=1&body_md5=0\"), but you sent 0", about: ourSecret},
	{body: `{"error":"The secret authentication failed","code":401}`, about: ourSecret, code: 401},
	{body: "Authentication signature invalid.", about: ourSecret},
	{body: `{"error":"no app has this id"}`, about: ourApp},
	{body: `{"error":"The app 42 could not be found.","code":404}`, about: ourApp, code: 404},
	{body: "No matching application for ID [42].", about: ourApp},
	{body: "App is disabled", about: ourApp},
	{body: "The app is not in this cluster", about: cluster},
	{body: "Account is over its daily message quota", about: quota},
	{body: "Timestamp expired: Given timestamp (2026-11-27T04:00:00Z) not within 600s of server time (2026-11-27T05:00:00Z)", about: clock},
	{body: `{"error":"auth_timestamp 1 is more than 10m0s from the time of the server, 2: check both clocks"}`, about: clock},
}

var (
	statuses   = []int{200, 201, 204, 299, 302, 307, 400, 401, 402, 403, 404, 405, 407, 408, 413, 415, 422, 429, 500, 501, 502, 503, 511, 599}
	mediaTypes = []string{"", "application/json; charset=utf-8", "text/plain", "Text/JSON", "text/html; charset=utf-8", "application/problem+json", "nonsense;;"}
)

// of returns an answer with this body.
func (s pusherText) of(r *http.Request, status int, mediaType string, cut bool) *http.Response {
	response := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(s.body)), Request: r}
	if mediaType != "" {
		response.Header.Set("Content-Type", mediaType)
	}
	if cut {
		response.Body = io.NopCloser(io.MultiReader(strings.NewReader(s.body), broken{}))
	}
	return response
}

// broken is the rest of a body whose connection broke.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// want returns the outcome of an event, which is taken, never, later or unauthorized, and the name of the fault.
func (s pusherText) want(status int, mediaType string, cut bool) (outcome, name string) {
	mediaType, _, _ = strings.Cut(strings.ToLower(mediaType), ";")
	pushers := slices.Contains([]string{"", "application/json", "text/json", "text/plain"}, mediaType)
	about := s.about
	if !pushers && mediaType != "text/html" {
		about = nothing
	}
	switch {
	case cut:
		return "later", "pusher cannot be reached"
	case status < 300 && pushers && s.yes:
		return "taken", ""
	case status < 300 && (!pushers || s.code == 0):
		return "later", "what answers is not pusher"
	case status < 300:
		status = s.code
	case status < 400:
		return "later", "what answers is not pusher"
	}
	switch {
	case status == 408, status == 429, status >= 500 && status != 501:
		if about == quota {
			return "later", quota
		}
		return "later", "pusher is overloaded or down"
	case about == quota, about == clock:
		return "later", about
	case about != nothing && about != itsEvent:
		return "unauthorized", about
	case about == itsEvent && pushers && slices.Contains([]int{400, 413, 422}, status):
		return "never", ""
	}
	return "later", "what answers is not pusher"
}

// A client can detect a repeated event by its eventId, but not a lost one. So only Pusher's own answer about an event
// settles it.
func TestOnlyAnAnswerOfPusherItselfDecidesAboutAnEvent(t *testing.T) {
	t.Parallel()
	n := 0
	for _, status := range statuses {
		for _, mediaType := range mediaTypes {
			for i, text := range bodies {
				for _, cut := range []bool{false, true} {
					if cut && i%10 != 0 { // an incomplete body is never parsed
						continue
					}
					n++
					b := over(t, ourPusher(), carrier(func(r *http.Request) (*http.Response, error) { return text.of(r, status, mediaType, cut), nil }))
					want, name := text.want(status, mediaType, cut)
					for size := 1; size <= 2; size++ { // alone and in a batch
						batch := []*ent.Event{row(1, 2, response("approved")), row(2, 3, response("denied"))}[:size]
						verdicts, err := b.Send(t.Context(), batch)
						if got := outcome(verdicts, err); got != want {
							t.Fatalf("HTTP %d, %q, %q, cut %t: %d events get %s (%v, %v), want %s", status, mediaType, text.body, cut, size, got, verdicts, err, want)
						}
						err = errors.Join(append(verdicts, err)...)
						clean(t, text.body, err)
						if err != nil && want != "never" && (!strings.Contains(err.Error(), name+" (") || !strings.Contains(err.Error(), "HTTP ")) {
							t.Fatalf("HTTP %d, %q, %q, cut %t: the error is %v, want %s", status, mediaType, text.body, cut, err, name)
						}
					}
				}
			}
		}
	}
	t.Logf("%d answers", n)
}

// response returns the payload of a response. It has no text that could be left out.
func response(status string) string {
	return `{"type":"knowledge-response","requestId":12884901889,"status":"` + status + `"}`
}

// outcome returns the common outcome of all events of a batch.
func outcome(verdicts []error, err error) string {
	var rejected *outbox.RefusedError
	joined := errors.Join(append(slices.Clone(verdicts), err)...)
	switch {
	case joined == nil:
		return "taken"
	case errors.Is(joined, pusherapi.ErrUnauthorized):
		return "unauthorized"
	case err == nil && !slices.ContainsFunc(verdicts, func(v error) bool { return !errors.As(v, &rejected) }):
		return "never"
	case err != nil || !slices.Contains(verdicts, nil) && !errors.As(joined, &rejected):
		return "later"
	}
	return "mixed"
}

// The status, the media type and the first words of an answer are in the log and in /readyz.
func TestAnErrorQuotesTheAnswer(t *testing.T) {
	t.Parallel()
	for want, answer := range map[string]*http.Response{
		`what answers is not pusher (HTTP 400 text/html "<title>No</title>"): check PUSHER_HOST, PUSHER_SCHEME and PUSHER_APP_ID, and the proxies and firewalls between`: pusherText{body: "<title>No</title>\n"}.of(nil, 400, "text/html; charset=utf-8", false),
		`the quota at pusher is used up (HTTP 403 text/plain "over the quota"): wait for the next period, or change the plan of the account`:                             pusherText{body: "over the quota"}.of(nil, 403, "text/plain", false),
		`pusher refuses the signature (HTTP 401 "(left out: it speaks of a signature)"): check PUSHER_SECRET: it must belong to PUSHER_KEY`:                              pusherText{body: "Invalid signature"}.of(nil, 401, "", false),
		`pusher is overloaded or down (HTTP 503): it is tried again by itself`:                                                                                           pusherText{}.of(nil, 503, "", false),
		`pusher cannot be reached (HTTP 200 "{}"; unexpected EOF): check PUSHER_HOST or PUSHER_CLUSTER, and the network between`:                                         pusherText{body: "{}"}.of(nil, 200, "", true),
	} {
		b := over(t, ourPusher(), carrier(func(*http.Request) (*http.Response, error) { return answer, nil }))
		_, err := b.Send(t.Context(), []*ent.Event{row(1, 2, response("approved"))})
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// The Date of an answer shows that a clock is wrong, even if Pusher's text does not.
func TestAClockThatIsWrongShowsInTheDateOfA401(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for ahead, want := range map[time.Duration]string{
			-time.Hour: clock, -11 * time.Minute: clock, -9 * time.Minute: "what answers is not pusher", 0: "what answers is not pusher",
			9 * time.Minute: "what answers is not pusher", 11 * time.Minute: clock, 24 * time.Hour: clock,
		} {
			b := over(t, ourPusher(), carrier(func(r *http.Request) (*http.Response, error) {
				answer := pusherText{body: "Unauthorized"}.of(r, 401, "text/plain", false)
				answer.Header.Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
				return answer, nil
			}))
			_, err := b.Send(t.Context(), []*ent.Event{row(1, 2, response("approved"))})
			if err == nil || !strings.HasPrefix(err.Error(), want) || errors.Is(err, pusherapi.ErrUnauthorized) {
				t.Errorf("%v ahead: got %v, want %s", ahead, err, want)
			}
		}
	})
}

func TestRetryAfterIsKeptWithinAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		date := func(after time.Duration) string { return time.Now().Add(after).UTC().Format(http.TimeFormat) }
		for given, want := range map[string]time.Duration{
			"": 0, "0": 0, "10": 10 * time.Second, "60": time.Minute, "61": time.Minute, "86400": time.Minute,
			"99999999999999999999999": time.Minute, "-1": 0, "1.5": 0, "soon": 0,
			date(30 * time.Second): 30 * time.Second, date(time.Hour): time.Minute, date(-time.Hour): 0,
		} {
			for _, status := range []int{429, 503, 403, 500} {
				b := over(t, ourPusher(), carrier(func(r *http.Request) (*http.Response, error) {
					answer := pusherText{}.of(r, status, "", false)
					answer.Header.Set("Retry-After", given)
					return answer, nil
				}))
				_, err := b.Send(t.Context(), []*ent.Event{row(1, 2, response("approved"))})
				if got := outage.RetryAfter(err); err == nil || got != want {
					t.Errorf("%q with %d: waits %v, want %v", given, status, got, want)
				}
			}
		}
	})
	// A date in Retry-After is compared with the Date of the same answer.
	b := over(t, ourPusher(), carrier(func(r *http.Request) (*http.Response, error) {
		answer := pusherText{}.of(r, 503, "", false)
		answer.Header.Set("Date", "Fri, 27 Nov 2020 06:00:00 GMT")
		answer.Header.Set("Retry-After", "Fri, 27 Nov 2020 06:00:20 GMT")
		return answer, nil
	}))
	_, err := b.Send(t.Context(), []*ent.Event{row(1, 2, response("approved"))})
	if got := outage.RetryAfter(err); got != 20*time.Second {
		t.Errorf("by another clock: waits %v, want 20s", got)
	}
}

// /readyz shows problems, which are ours to repair, and warnings, once a fault has lasted. Both end with the fault.
func TestFaultsAreReportedWhileTheyLast(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text              pusherText
		status            int
		problem, warning  string // the beginning of the text
		warningAtFirstTry bool
	}{
		{text: pusherText{body: "Unknown auth_key"}, status: 401, problem: ourKey},
		{text: pusherText{body: `{"error":"no app has this id"}`}, status: 404, problem: ourApp},
		{text: pusherText{body: "over the quota"}, status: 403, warning: quota},
		{text: pusherText{body: "Timestamp expired"}, status: 401, warning: clock},
		{text: pusherText{body: "<h1>No</h1>"}, status: 403, warning: "what answers is not pusher"},
		{text: pusherText{}, status: 500, warning: "pusher is overloaded or down"},
	} {
		synctest.Test(t, func(t *testing.T) {
			fails := true
			b := over(t, ourPusher(), carrier(func(r *http.Request) (*http.Response, error) {
				if !fails {
					return pusherText{body: "{}"}.of(r, 200, "", false), nil
				}
				return test.text.of(r, test.status, "", false), nil
			}))
			send := func() { _, _ = b.Send(t.Context(), []*ent.Event{row(1, 2, response("approved"))}) }
			since := time.Now().UTC().Format(time.RFC3339)
			expect := func(when, problem, warning string) {
				t.Helper()
				problems, warnings := b.client.Faults()
				for _, list := range []struct {
					got  []string
					want string
				}{{problems, problem}, {warnings, warning}} {
					want := "events wait since " + since + ": " + list.want
					if (list.want == "") != (len(list.got) == 0) || list.want != "" && !strings.HasPrefix(list.got[0], want) {
						t.Errorf("%d, %s: got %q, want %q", test.status, when, list.got, list.want)
					}
				}
			}
			send()
			expect("at once", test.problem, "")
			<-time.After(2 * time.Second)
			send()
			expect("after two seconds", test.problem, test.warning)
			<-time.After(5 * time.Minute)
			expect("long after the last call", "", "")
			since = time.Now().UTC().Format(time.RFC3339)
			send()
			<-time.After(2 * time.Second)
			fails = false
			send()
			expect("repaired", "", "")
		})
	}
}

// A server without batch_events gets single events. Some time later it gets a batch once more.
func TestAServerWithoutBatchesGetsSingleEvents(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented} {
		synctest.Test(t, func(t *testing.T) {
			var calls []string
			rejected := ""
			b := over(t, ourPusher(), carrier(func(r *http.Request) (*http.Response, error) {
				body, err := io.ReadAll(r.Body)
				calls = append(calls, strings.TrimPrefix(r.URL.Path, "/apps/lorebridge/"))
				switch {
				case strings.HasSuffix(r.URL.Path, "batch_events"):
					return pusherText{body: "<h1>no</h1>"}.of(r, status, "text/html", false), err
				case rejected != "" && strings.Contains(string(body), rejected):
					return pusherText{body: `{"error":"name is too long"}`}.of(r, 400, "", false), err
				}
				return pusherText{body: "{}"}.of(r, 200, "", false), err
			}))
			send := func(want ...string) {
				t.Helper()
				calls = nil
				verdicts, err := b.Send(t.Context(), []*ent.Event{row(1, 2, response("approved")), row(2, 3, response("denied"))})
				if got := outcome(verdicts, err); got != "taken" || !slices.Equal(calls, want) {
					t.Errorf("%d: %s (%v, %v) by %q, want %q", status, got, verdicts, err, calls, want)
				}
			}
			send("batch_events", "events", "events")
			send("events", "events")
			<-time.After(11 * time.Minute)
			send("batch_events", "events", "events")
			rejected = "denied"
			verdicts, err := b.Send(t.Context(), []*ent.Event{row(1, 2, response("approved")), row(2, 3, response("denied"))})
			if err != nil || verdicts[0] != nil || outcome(verdicts[1:], nil) != "never" {
				t.Errorf("one of two is rejected: %v, %v", verdicts, err)
			}
		})
	}
}

// If a server rejects single events as well, they are no workaround, so each attempt begins with a batch.
func TestAServerWithoutAnyCallIsNotOneWithoutBatches(t *testing.T) {
	t.Parallel()
	var calls []string
	b := over(t, ourPusher(), carrier(func(r *http.Request) (*http.Response, error) {
		calls = append(calls, strings.TrimPrefix(r.URL.Path, "/apps/lorebridge/"))
		return pusherText{body: "404 page not found"}.of(r, 404, "text/plain", false), nil
	}))
	for range 2 {
		verdicts, err := b.Send(t.Context(), []*ent.Event{row(1, 2, response("approved")), row(2, 3, response("denied"))})
		if err != nil || len(verdicts) != 2 || verdicts[0] == nil || !errors.Is(verdicts[1], outbox.ErrUntried) {
			t.Errorf("got %v, %v", verdicts, err)
		}
	}
	if want := []string{"batch_events", "events", "batch_events", "events"}; !slices.Equal(calls, want) {
		t.Errorf("called %q, want %q", calls, want)
	}
}

// An event that is too large for Pusher or a proxy is sent without its texts, which clients can read over GraphQL.
func TestAnEventThatIsTooLargeGoesWithoutItsTexts(t *testing.T) {
	t.Parallel()
	for name, reject := range map[string]func(r *http.Request) *http.Response{
		"pusher": func(r *http.Request) *http.Response {
			return pusherText{body: "The data of this event is too large"}.of(r, 413, "text/plain", false)
		},
		"a proxy": func(r *http.Request) *http.Response {
			return pusherText{body: "<h1>413</h1>"}.of(r, 413, "text/html", false)
		},
		"a cut": func(r *http.Request) *http.Response { return pusherText{body: "<h1>41"}.of(r, 413, "text/html", true) },
	} {
		for size := 1; size <= 3; size++ {
			var took []string
			b := over(t, ourPusher(), carrier(func(r *http.Request) (*http.Response, error) {
				body, err := io.ReadAll(r.Body)
				if len(body) > 300 {
					return reject(r), err
				}
				took = append(took, string(body))
				return pusherText{body: "{}"}.of(r, 200, "", false), err
			}))
			batch := []*ent.Event{row(1, 2, question(strings.Repeat("why ", 50))), row(2, 3, response("approved")), row(3, 4, response("denied"))}[:size]
			verdicts, err := b.Send(t.Context(), batch)
			if got := outcome(verdicts, err); got != "taken" || len(took) != size || strings.Contains(took[0], "why") || !strings.Contains(took[0], `\"eventId\":\"1\"`) {
				t.Errorf("%s, %d events: %s (%v, %v), sent %q", name, size, got, verdicts, err, took)
			}
		}
	}
}

// The same holds for results of subscriptions. Another server's answer loses none of them. If Pusher itself rejects
// one, its client is sent a gap.
func TestNoForeignAnswerTakesAResultAway(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 302, 400, 401, 404, 413, 503} {
		for i, text := range []pusherText{
			{body: "{}", yes: true}, {body: "Invalid channel name", about: itsEvent}, {body: ""}, {body: "<html>channel data</html>"}, {body: "Unknown auth_key", about: ourKey},
		} {
			for _, cut := range []bool{false, true}[:1+min(1, 2-min(i, 2))] { // the first two also with an incomplete body
				synctest.Test(t, func(t *testing.T) {
					q := newQuietServer(t, elsewhere)
					ada, bob := q.person("Ada"), q.person("Bob")
					channel, other := q.subscribeAndJoin(ada, selection(1)), q.subscribeAndJoin(bob, selection(2))
					q.newCalls()
					q.gate.answer(func(r *http.Request) *http.Response { return text.of(r, status, "", cut) })
					q.publish(ada, "compilers", "")
					q.wait(time.Minute)
					q.gate.answer(nil)
					q.wait(3 * time.Minute)
					q.publish(ada, "parsers", "")
					q.wait(time.Minute)
					want := []string{"compilers", "parsers"}
					switch outcome, _ := text.want(status, "", cut); outcome {
					case "taken":
						want = want[1:]
					case "never":
						want[0] = "SUBSCRIPTION_GAP"
					}
					calls := q.newCalls()
					for _, c := range []string{channel, other} {
						if got := titles(t, sentTo(calls, c)); !slices.Equal(got, want) {
							t.Errorf("HTTP %d, %q, cut %t: got %q, want %q", status, text.body, cut, got, want)
						}
					}
				})
			}
		}
	}
}

// A list that is incomplete, or is not Pusher's, ends no subscription. An empty list does not either, unless Pusher
// answers for the channel itself that nobody listens. Then the client is sent the end.
func TestNoForeignListEndsASubscription(t *testing.T) {
	t.Parallel()
	const empty, free = `{"channels":{}}`, `{"occupied":false}`
	type answered struct {
		list, channel pusherText
		status        int
		mediaType     string
		cut           bool
		ends          bool
	}
	tests := []answered{
		{list: pusherText{body: empty}, channel: pusherText{body: free}, status: 200, ends: true},
		{list: pusherText{body: `{"channels":[]}`}, channel: pusherText{body: free}, status: 200, ends: true},
		{list: pusherText{body: empty}, channel: pusherText{body: `{"occupied":true}`}, status: 200},
		{list: pusherText{body: empty}, channel: pusherText{body: free}, status: 200, cut: true},
		{list: pusherText{body: empty}, channel: pusherText{body: free}, status: 200, mediaType: "text/html"},
		{list: pusherText{body: empty}, channel: pusherText{body: free}, status: 404},
		{list: pusherText{body: empty}, channel: pusherText{body: free}, status: 503},
	}
	for _, body := range []string{"", "{}", "[]", "null", "ok", `{"occupied":null}`, `{"ok":true}`, `{"channels":{`, `{"channels":["x"]}`, "<html></html>"} {
		tests = append(tests,
			answered{list: pusherText{body: body}, channel: pusherText{body: free}, status: 200},
			answered{list: pusherText{body: empty}, channel: pusherText{body: body}, status: 200})
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			q := newQuietServer(t, elsewhere)
			ada := q.person("Ada")
			channel := q.subscribeAndJoin(ada, title)
			q.wait(10 * time.Second)
			q.newCalls()
			q.gate.answer(func(r *http.Request) *http.Response {
				switch {
				case r.Method != http.MethodGet:
					return nil
				case strings.HasSuffix(r.URL.Path, "/channels"):
					return test.list.of(r, test.status, test.mediaType, test.cut)
				}
				return test.channel.of(r, test.status, test.mediaType, test.cut)
			})
			q.wait(5 * time.Minute)
			q.gate.answer(nil)
			q.publish(ada, "compilers", "")
			want := []string{"compilers"}
			if test.ends {
				want = []string{"end"}
			}
			if got := titles(t, sentTo(q.newCalls(), channel)); !slices.Equal(got, want) {
				t.Errorf("HTTP %d, list %q, channel %q, cut %t: got %q, want %q", test.status, test.list.body, test.channel.body, test.cut, got, want)
			}
		})
	}
}

// The body of an upgraded connection is never read, because it has no end.
func TestAnUpgradeIsNoAnswer(t *testing.T) {
	t.Parallel()
	body, writer := io.Pipe()
	t.Cleanup(func() { _ = writer.Close() })
	b := over(t, ourPusher(), carrier(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusSwitchingProtocols, Header: http.Header{}, Body: body, Request: r}, nil
	}))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := b.Send(ctx, []*ent.Event{row(1, 2, response("approved"))})
	var failed *pusherapi.CallError
	if !errors.As(err, &failed) || failed.Fault != pusherapi.FaultForeign || ctx.Err() != nil {
		t.Errorf("got %v", fmt.Sprint(err))
	}
}
