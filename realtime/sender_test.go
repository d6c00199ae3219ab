package realtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"lorebridge/ent"
	"lorebridge/outbox"
	"lorebridge/pusherapi"
	"lorebridge/pusherserver"
	"lorebridge/realtime"
)

func TestEventsHaveTheFormOfTheContract(t *testing.T) {
	t.Parallel()
	b, w := embedded(t, ourPusher(), sockets(t, nil))
	verdicts, err := b.Send(t.Context(), []*ent.Event{
		row(25769803777, 2, question(`<b>"Roots" & more?</b> 🍵`)),
		row(25769803778, 3, `{"type":"knowledge-response","requestId":12884901889,"status":"approved","responseContent":"Here & <there>."}`),
		row(25769803779, 4, `{"type":"knowledge-response","requestId":12884901890,"status":"denied"}`),
	})
	must(t, err)
	if diff := cmp.Diff([]error{nil, nil, nil}, verdicts); diff != "" {
		t.Error(diff)
	}
	want := []call{{
		path: "/apps/lorebridge/batch_events", status: 200,
		events: []sent{
			{Channel: "private-user-2", Name: "knowledge-request", Data: `{"type":"knowledge-request","requestId":12884901889,` +
				`"question":"<b>\"Roots\" & more?</b> 🍵","requesterName":"Ada","createdAt":"2026-11-23T10:00:00.000Z","eventId":"25769803777"}`},
			{Channel: "private-user-3", Name: "knowledge-response", Data: `{"type":"knowledge-response","requestId":12884901889,` +
				`"status":"approved","responseContent":"Here & <there>.","eventId":"25769803778"}`},
			{Channel: "private-user-4", Name: "knowledge-response", Data: `{"type":"knowledge-response","requestId":12884901890,` +
				`"status":"denied","eventId":"25769803779"}`},
		},
	}}
	if diff := cmp.Diff(want, w.take(), cmp.AllowUnexported(call{})); diff != "" {
		t.Errorf("on the wire (-want +got):\n%s", diff)
	}
}

func TestABrowserHoldsTheEvent(t *testing.T) {
	t.Parallel()
	server := sockets(t, nil)
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	for name, b := range map[string]side{
		"in the same process": func() side { b, _ := embedded(t, ourPusher(), server); return b }(),
		"over the network":    to(t, web.URL),
	} {
		ada := browse(t, web.URL)
		status, granted := authorize(t, b, 7, "socket_id="+ada.socketID+"&channel_name=private-user-7")
		if status != http.StatusOK {
			t.Fatalf("%s: authorizing is answered %d %s", name, status, granted)
		}
		if m := ada.join("private-user-7", granted); m.Event != "pusher_internal:subscription_succeeded" {
			t.Fatalf("%s: joining is answered %+v", name, m)
		}
		verdicts, err := b.Send(t.Context(), []*ent.Event{row(1, 7, question("For Ada?")), row(2, 8, question("For Bob?"))})
		if err != nil || errors.Join(verdicts...) != nil {
			t.Fatalf("%s: %v, %v", name, verdicts, err)
		}
		want := message{"knowledge-request", "private-user-7", strings.TrimSuffix(question("For Ada?"), "}") + `,"eventId":"1"}`}
		if m := ada.next(); m != want {
			t.Errorf("%s: got %+v, want %+v", name, m, want)
		}
	}
}

func TestTextsThatAreTooLargeForPusherAreLeftOut(t *testing.T) {
	t.Parallel()
	b, w := embedded(t, ourPusher(), sockets(t, nil))
	// send sends an event with a text of n bytes. It returns the size of its data, and whether it has the text.
	send := func(n int, payload func(string) string, key string) (int, bool) {
		t.Helper()
		verdicts, err := b.Send(t.Context(), []*ent.Event{row(25769803777, 2, payload(strings.Repeat("a", n)))})
		must(t, errors.Join(append(verdicts, err)...))
		data := w.take()[0].events[0].Data
		var keys map[string]any
		must(t, json.Unmarshal([]byte(data), &keys))
		_, has := keys[key]
		return len(data), has
	}
	response := func(text string) string {
		return fmt.Sprintf(`{"type":"knowledge-response","requestId":12884901889,"status":"approved","responseContent":%q}`, text)
	}
	for key, payload := range map[string]func(string) string{"question": question, "responseContent": response} {
		empty, _ := send(1, payload, key)
		full := pusherapi.DefaultPayloadLimit - empty + 1 // the longest text that fits, in bytes
		if size, has := send(full, payload, key); size != 10_240 || !has {
			t.Errorf("%s of %d bytes: %d bytes, there: %t", key, full, size, has)
		}
		if size, has := send(full+1, payload, key); size > 300 || has {
			t.Errorf("%s of %d bytes: %d bytes, there: %t", key, full+1, size, has)
		}
		if size, has := send(64<<10, payload, key); size > 300 || has {
			t.Errorf("%s of 64 KiB: %d bytes, there: %t", key, size, has)
		}
	}
}

// Encryption makes an event larger. At the limit the size is compared with the result of pusher-http-go.
func TestEncryptedTextsFitUpToTheLastByte(t *testing.T) {
	t.Parallel()
	c := ourPusher()
	c.MasterKey = masterKey
	b, w := embedded(t, c, sockets(t, nil))
	size := func(text string) (int, string) {
		t.Helper()
		verdicts, err := b.Send(t.Context(), []*ent.Event{row(25769803777, 2, question(text))})
		must(t, errors.Join(append(verdicts, err)...))
		sent := w.take()[0].events[0]
		return len(sent.Data), sent.Channel
	}
	bare, channel := size("")
	if channel != "private-encrypted-user-2" {
		t.Errorf("the channel is %s", channel)
	}
	last := 0 // the longest text that is sent
	for n := 7350; n < 7550; n++ {
		got, _ := size(strings.Repeat("a", n))
		switch {
		case got > 10_240:
			t.Fatalf("%d bytes of text make %d on the wire", n, got)
		case got > 2*bare && last != 0 && last != n-1:
			t.Fatalf("a text of %d bytes fits, one of %d does not", n, last+1)
		case got > 2*bare:
			last = n
		}
	}
	// Base64 grows in steps of four bytes, so the size can be up to three bytes below the limit.
	got, _ := size(strings.Repeat("a", last))
	if last == 0 || got <= 10_240-4 {
		t.Errorf("the longest text that is sent has %d bytes and makes %d of 10240", last, got)
	}
}

func TestABadEventCostsOnlyItself(t *testing.T) {
	t.Parallel()
	server := sockets(t, func(c *pusherserver.Config) { c.MaxEventDataBytes = 300 })
	b, w := embedded(t, ourPusher(), server)
	rejected := func(reason string) error { return &outbox.RefusedError{Reason: reason} }
	same := cmp.Comparer(func(a, b error) bool { return fmt.Sprintf("%T %v", a, a) == fmt.Sprintf("%T %v", b, b) })

	nobodys := row(4, 0, question("?"))
	nobodys.RecipientID = nil
	verdicts, err := b.Send(t.Context(), []*ent.Event{
		row(1, 2, question("small")), row(2, 3, `{"type":"`+strings.Repeat("x", 201)+`","requestId":1}`), row(3, 4, `{"type":`), nobodys, row(5, 5, question("small too")),
	})
	must(t, err)
	want := []error{
		nil, rejected(`HTTP 400: batch[0]: name has 201 characters, at most 200 are allowed`),
		rejected("read the payload of event 3: unexpected end of JSON input"), rejected("event 4 is for nobody"), nil,
	}
	for i, e := range []error{verdicts[1], want[1]} { // the text of the server may change
		var r *outbox.RefusedError
		if !errors.As(e, &r) || !strings.HasPrefix(r.Reason, "HTTP 400: ") {
			t.Errorf("%d: %v", i, e)
		}
	}
	verdicts[1], want[1] = nil, nil
	if diff := cmp.Diff(want, verdicts, same); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	var paths []string
	for _, c := range w.take() {
		paths = append(paths, fmt.Sprintf("%s of %d: %d", c.path, len(c.events), c.status))
	}
	if diff := cmp.Diff([]string{
		"/apps/lorebridge/batch_events of 3: 400",
		"/apps/lorebridge/events of 1: 200", "/apps/lorebridge/events of 1: 400", "/apps/lorebridge/events of 1: 200",
	}, paths); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}

	// A single event is not sent twice, and 400 is as final as 413.
	for payload, status := range map[string]string{
		`{"type":"` + strings.Repeat("x", 190) + `","requestId":123456789012,"status":"` + strings.Repeat("x", 100) + `"}`: "HTTP 413: ",
		`{"type":"` + strings.Repeat("x", 201) + `","requestId":1}`:                                                        "HTTP 400: ",
		`{"type":"pusher:secret","requestId":1}`:                                                                           "HTTP 400: ",
	} {
		verdicts, err := b.Send(t.Context(), []*ent.Event{row(1, 2, payload)})
		var r *outbox.RefusedError
		if err != nil || len(verdicts) != 1 || !errors.As(verdicts[0], &r) || !strings.HasPrefix(r.Reason, status) {
			t.Errorf("%.40s: %v, %v", payload, verdicts, err)
		}
		if calls := w.take(); len(calls) != 1 {
			t.Errorf("%.40s: %d calls", payload, len(calls))
		}
	}

	// If no event of a batch can be sent, there is no call.
	verdicts, err = b.Send(t.Context(), []*ent.Event{row(1, 2, `[]`), nobodys})
	if err != nil || verdicts[0] == nil || verdicts[1] == nil || len(w.take()) != 0 {
		t.Errorf("got %v, %v", verdicts, err)
	}
}

// clean fails the test if the text of an error holds a secret, a signature, or a part of one.
func clean(t *testing.T, name string, err error) {
	t.Helper()
	for _, hidden := range []string{secret, key, "auth_signature", "auth_key", "auth_timestamp", "body_md5"} {
		if err != nil && strings.Contains(err.Error(), hidden) {
			t.Errorf("%s: the error holds %q: %v", name, hidden, err)
		}
	}
}

func TestTheAnswerOfPusherDecidesTheOutcomeOfAnEvent(t *testing.T) {
	t.Parallel()
	wrong := func(change func(*pusherserver.App)) *httptest.Server {
		web := httptest.NewServer(sockets(t, func(c *pusherserver.Config) { change(&c.Apps[0]) }))
		t.Cleanup(web.Close)
		return web
	}
	gone := answering(t, http.StatusOK, "{}")
	gone.Close()
	elsewhere := answering(t, http.StatusOK, "Welcome. Please sign in.")
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "cannot read "+r.URL.String())
	}))
	t.Cleanup(echo.Close)
	const later, unauthorized, taken, never = "later", "unauthorized", "taken", "never"
	for name, test := range map[string]struct {
		server *httptest.Server
		want   string
	}{
		"200":                            {answering(t, http.StatusOK, "{}"), taken},
		"200 and garbage":                {answering(t, http.StatusOK, "<html>auth_signature"), later},
		"200 and a list":                 {answering(t, http.StatusOK, "[]"), later},
		"200 with an error":              {answering(t, http.StatusOK, `{"error":"oh","code":4009}`), later},
		"200 with a 401 in it":           {answering(t, http.StatusOK, `{"error":"bad auth_signature","code":401}`), unauthorized},
		"200 with a 413 in it":           {answering(t, http.StatusOK, `{"error":"too large","code":413}`), never},
		"200 with channels":              {answering(t, http.StatusOK, `{"channels":{}}`), taken},
		"202 and nothing":                {answering(t, http.StatusAccepted, ""), later},
		"another secret":                 {wrong(func(a *pusherserver.App) { a.Secret = "another" }), unauthorized},
		"another key":                    {wrong(func(a *pusherserver.App) { a.Key = "another" }), unauthorized},
		"another app":                    {wrong(func(a *pusherserver.App) { a.ID = "another" }), unauthorized},
		"401":                            {answering(t, http.StatusUnauthorized, "Invalid signature: you should have sent "+secret), unauthorized},
		"403":                            {answering(t, http.StatusForbidden, "over quota"), later},
		"400":                            {answering(t, http.StatusBadRequest, "bad channel"), never},
		"400 that quotes the request":    {echo, later},
		"400 of a megabyte":              {answering(t, http.StatusBadRequest, "channel "+strings.Repeat("é", 1<<20)), never},
		"400 of broken UTF-8":            {answering(t, http.StatusBadRequest, "bad \xff\x00 channel", "Content-Type", "text/plain"), never},
		"413":                            {answering(t, http.StatusRequestEntityTooLarge, "the data of this event is too large"), never},
		"404":                            {answering(t, http.StatusNotFound, "no"), later},
		"405":                            {answering(t, http.StatusMethodNotAllowed, "no"), later},
		"429":                            {answering(t, http.StatusTooManyRequests, "slow down"), later},
		"500":                            {answering(t, http.StatusInternalServerError, "auth_signature"), later},
		"503":                            {answering(t, http.StatusServiceUnavailable, ""), later},
		"301 to a page":                  {answering(t, http.StatusMovedPermanently, "", "Location", elsewhere.URL), later},
		"302 to a page":                  {answering(t, http.StatusFound, "", "Location", elsewhere.URL), later},
		"307 to a page":                  {answering(t, http.StatusTemporaryRedirect, "", "Location", elsewhere.URL), later},
		"302 without where to":           {answering(t, http.StatusFound, ""), later},
		"nobody there":                   {gone, later},
		"a body shorter than its length": {answering(t, http.StatusInternalServerError, "x", "Content-Length", "9"), later},
		"a 400 shorter than its length":  {answering(t, http.StatusBadRequest, "x", "Content-Length", "9"), later},
		"a 200 shorter than its length":  {answering(t, http.StatusOK, "x", "Content-Length", "9"), later},
		"a status that nobody defined":   {answering(t, 299, "{}"), taken},
	} {
		b := to(t, test.server.URL)
		for n := 1; n <= 2; n++ { // alone and in a batch
			batch := []*ent.Event{row(1, 2, question("a")), row(2, 3, question("b"))}[:n]
			verdicts, err := b.Send(t.Context(), batch)
			clean(t, name, errors.Join(append(verdicts, err)...))
			got := later
			var rejected *outbox.RefusedError
			switch {
			case errors.Is(err, pusherapi.ErrUnauthorized):
				got = unauthorized
			case err == nil && len(verdicts) == n && errors.Join(verdicts...) == nil:
				got = taken
			case err == nil && len(verdicts) == n && errors.As(verdicts[0], &rejected) && errors.As(verdicts[n-1], &rejected):
				got = never
				if len(rejected.Reason) > 300 || strings.ToValidUTF8(rejected.Reason, "") != rejected.Reason {
					t.Errorf("%s: the reason is %q", name, rejected.Reason)
				}
			case err == nil && errors.As(verdicts[0], new(*pusherapi.CallError)) && (n == 1 || errors.Is(verdicts[1], outbox.ErrUntried)):
				// the result is later, and the other event was not tried
			case err == nil:
				t.Errorf("%s: %d events get %v", name, n, verdicts)
			}
			if got != test.want {
				t.Errorf("%s: %d events get %s (%v, %v), want %s", name, n, got, verdicts, err, test.want)
			}
		}
	}
}

// carrier is an http.RoundTripper to Pusher as a function.
type carrier func(*http.Request) (*http.Response, error)

func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) { return c(r) }

func TestAPusherThatHangsIsLeftAfterItsTime(t *testing.T) {
	t.Parallel()
	silent := carrier(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	// The status arrives, but the body does not.
	halting := func(status int) carrier {
		return func(r *http.Request) (*http.Response, error) {
			reader, writer := io.Pipe()
			context.AfterFunc(r.Context(), func() { writer.CloseWithError(r.Context().Err()) })
			return &http.Response{StatusCode: status, Body: reader, Header: http.Header{}, Request: r}, nil
		}
	}
	for name, pusher := range map[string]carrier{
		"before it answers":   silent,
		"in the midst of 500": halting(http.StatusInternalServerError),
		"in the midst of 400": halting(http.StatusBadRequest),
		"in the midst of 200": halting(http.StatusOK),
	} {
		synctest.Test(t, func(t *testing.T) {
			b := over(t, ourPusher(), pusher)
			_, err := b.Send(t.Context(), []*ent.Event{row(1, 2, question("a"))}) // the clock of the bubble advances
			clean(t, name, err)
			if err == nil || errors.Is(err, pusherapi.ErrUnauthorized) {
				t.Errorf("hanging %s: %v", name, err)
			}
			// A call also ends as soon as the caller's context ends.
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := b.Send(ctx, []*ent.Event{row(1, 2, question("a"))})
				done <- err
			}()
			synctest.Wait()
			cancel()
			synctest.Wait()
			select {
			case err := <-done:
				if err == nil {
					t.Errorf("giving up %s: %v", name, err)
				}
			default:
				t.Errorf("%s: the call waits after its context ended", name)
			}
		})
	}
}

func TestHostedPusherIsCalledOverTLS(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*realtime.Config)
		want   string
	}{
		"a cluster":            {func(c *realtime.Config) { c.Cluster = "eu" }, "https://api-eu.pusher.com"},
		"another server":       {func(c *realtime.Config) { c.Host = "pusher.internal:6001" }, "https://pusher.internal:6001"},
		"without TLS":          {func(c *realtime.Config) { c.Host, c.Scheme = "pusher.internal:6001", "http" }, "http://pusher.internal:6001"},
		"a cluster, as always": {func(c *realtime.Config) { c.Cluster, c.Scheme = "mt1", "http" }, "https://api-mt1.pusher.com"},
	} {
		c := ourPusher()
		test.change(&c)
		called := ""
		b := newSide(t, c, carrier(func(r *http.Request) (*http.Response, error) {
			called = r.URL.Scheme + "://" + r.URL.Host
			return nil, errors.New("not in a test")
		}), always, nil, discard)
		if _, err := b.Send(t.Context(), []*ent.Event{row(1, 2, question("a"))}); err == nil || !strings.Contains(err.Error(), "(not in a test)") {
			t.Errorf("%s: %v", name, err)
		}
		if called != test.want {
			t.Errorf("%s: called %s, want %s", name, called, test.want)
		}
	}
}
