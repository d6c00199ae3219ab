package realtime_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"

	"lorebridge/auth"
)

// ends are the ways in which a session can end. Those by SQL come from past the server, which nobody calls.
var ends = map[string]struct {
	end func(h *house, p person)
	all bool // of the person's sessions
}{
	"signed out": {end: func(h *house, p person) {
		if a := h.post(p, `mutation { signOut { signedOut } }`, nil); !strings.Contains(a.body, `"signedOut":true`) {
			h.t.Errorf("signing out is answered %s", a.body)
		}
	}},
	"signed out by another process": {end: func(h *house, p person) {
		h.sql(false, "UPDATE sessions SET ended_at = ? WHERE id = ?", time.Now().UTC(), p.session)
	}},
	"expired by itself": {end: func(h *house, p person) {
		h.sql(false, "UPDATE sessions SET expires_at = ? WHERE id = ?", time.Now().UTC().Add(200*time.Millisecond), p.session)
	}},
	"expired in the past": {end: func(h *house, p person) {
		h.sql(false, "UPDATE sessions SET expires_at = '2020-01-01 00:00:00' WHERE id = ?", p.session)
	}},
	"expired and removed": {end: func(h *house, p person) {
		h.sql(false, "UPDATE sessions SET expires_at = '2020-01-01 00:00:00' WHERE id = ?", p.session)
		must(h.t, h.accounts.RemoveEnded(h.t.Context()))
	}},
	"deleted": {end: func(h *house, p person) { h.sql(false, "DELETE FROM sessions WHERE id = ?", p.session) }},
	"deleted with its person": {all: true, end: func(h *house, p person) {
		h.sql(true, "DELETE FROM users WHERE id = ?", p.id)
	}},
	"left behind by its person": {all: true, end: func(h *house, p person) {
		h.sql(false, "DELETE FROM users WHERE id = ?", p.id)
	}},
}

// announced is a listener that is called when everything has ended that was open for a session.
type announced chan int

func (announced) OpenSessions() []int { return nil }

func (a announced) EndSession(id int, _ auth.EndReason) { a <- id }

// await waits for the end of sessions.
func (a announced) await(t *testing.T, sessions ...int) {
	t.Helper()
	late := time.After(patience)
	for len(sessions) > 0 {
		select {
		case id := <-a:
			sessions = slices.DeleteFunc(sessions, func(other int) bool { return other == id })
		case <-late:
			t.Fatalf("in vain waited for the end of %v", sessions)
		}
	}
}

// sql runs a statement past the server, as SQLite's shell does: with foreign keys only if asked.
func (h *house) sql(foreignKeys bool, statement string, args ...any) {
	h.t.Helper()
	db, err := sql.Open("sqlite3", fmt.Sprintf("file:%s?_busy_timeout=5000&_fk=%t", h.path, foreignKeys))
	must(h.t, err)
	_, err = db.ExecContext(h.t.Context(), statement, args...)
	must(h.t, err)
	must(h.t, db.Close())
}

// door is something that is open for a session: ended fails the test unless that ends as it should, and open unless
// it goes on.
type door struct{ ended, open func() }

// opens has everything that can be open for a session.
var opens = map[string]func(h *house, p person) door{
	"the person's channel":       func(h *house, p person) door { return h.personsChannel(p, h.plan.pusher.Embedded()) },
	"a subscription over Pusher": func(h *house, p person) door { return h.pusherSubscription(p, h.plan.pusher.Embedded()) },
	"a WebSocket":                func(h *house, p person) door { return h.webSocket(p, "") },
	"a subscription over WebSocket": func(h *house, p person) door {
		return h.webSocket(p, "subscription { knowledgePublished { title } }")
	},
	"an event stream": (*house).eventStream,
	"a request that is read": func(h *house, p person) door {
		return h.slowBody(p, "/graphql", "application/json", `{"query":"{ __typename me { id } }"}`)
	},
	"a channel that is asked for": func(h *house, p person) door {
		return h.slowBody(p, "/pusher/auth", form, "socket_id=1.2&channel_name=private-user-"+fmt.Sprint(p.id))
	},
}

// doors opens everything for a session.
func (h *house) doors(p person) map[string]door {
	all := make(map[string]door)
	for name, open := range opens {
		all[name] = open(h, p)
	}
	return all
}

// silent fails the test unless the socket is connected and nothing waits on it.
func (b *browser) silent() {
	b.t.Helper()
	b.write("pusher:ping", map[string]string{})
	if m := b.next(); m.Event != "pusher:pong" {
		b.t.Errorf("got %+v, want nothing", m)
	}
}

func (h *house) personsChannel(p person, embedded bool) door {
	l := h.listen(p, "private-user-"+fmt.Sprint(p.id))
	return door{
		open: func() { l.silent() },
		ended: func() {
			if !embedded { // nothing can close it
				return
			}
			if code := l.closed(); code != 4009 {
				h.t.Errorf("closed with %d, want 4009", code)
			}
		},
	}
}

func (h *house) pusherSubscription(p person, embedded bool) door {
	l := h.listen(p, h.subscribe(p, title))
	return door{
		open: func() { l.tells("later") },
		ended: func() {
			for u := l.update(); u.More; u = l.update() {
				h.t.Errorf("got %s, want the end", u.Raw)
			}
			if !embedded {
				l.silent()
			} else if code := l.closed(); code != 4009 {
				h.t.Errorf("closed with %d, want 4009", code)
			}
		},
	}
}

func (h *house) webSocket(p person, subscription string) door {
	ctx := h.t.Context()
	conn, _, err := websocket.Dial(ctx, h.url+"/graphql", &websocket.DialOptions{
		Subprotocols: []string{"graphql-transport-ws"}, HTTPHeader: http.Header{"Authorization": {"Bearer " + p.token}},
	})
	must(h.t, err)
	h.t.Cleanup(func() { _ = conn.CloseNow() })
	send := func(text string) { _ = conn.Write(ctx, websocket.MessageText, []byte(text)) } // that it is closed shows when reading
	read := func() (string, error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		_, text, err := conn.Read(ctx)
		return string(text), err
	}
	send(`{"type":"connection_init"}`)
	if text, err := read(); err != nil || !strings.Contains(text, "connection_ack") {
		h.t.Fatalf("got %s, %v", text, err)
	}
	if subscription != "" {
		send(fmt.Sprintf(`{"type":"subscribe","id":"s","payload":{"query":%q}}`, subscription))
	}
	send(`{"type":"subscribe","id":"q","payload":{"query":"{ me { id } }"}}`)
	for text := ""; !strings.Contains(text, `"complete"`); {
		if text, err = read(); err != nil {
			h.t.Fatal(err)
		}
	}
	return door{
		open: func() {
			if subscription == "" {
				send(`{"type":"subscribe","id":"r","payload":{"query":"{ me { id } }"}}`)
			}
			if text, err := read(); err != nil || !strings.Contains(text, "later") && !strings.Contains(text, fmt.Sprint(p.id)) {
				h.t.Errorf("got %s, %v, want to be answered", text, err)
			}
		},
		ended: func() {
			text, err := read()
			if code := websocket.CloseStatus(err); code != 4401 {
				h.t.Errorf("got %s, %v, want to be closed with 4401", text, err)
			}
		},
	}
}

func (h *house) eventStream(p person) door {
	ctx, cancel := context.WithTimeout(h.t.Context(), 2*patience)
	h.t.Cleanup(cancel)
	body := strings.NewReader(`{"query":"subscription { knowledgePublished { title } }"}`)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+"/graphql", body)
	must(h.t, err)
	r.Header = http.Header{"Authorization": {"Bearer " + p.token}, "Content-Type": {"application/json"}, "Accept": {"text/event-stream"}}
	response, err := h.http.Do(r)
	must(h.t, err)
	h.t.Cleanup(func() { _ = response.Body.Close() })
	lines := bufio.NewReader(response.Body)
	until := func(word string) (text string) {
		for !strings.Contains(text, word) {
			line, err := lines.ReadString('\n')
			if text += line; err != nil {
				h.t.Errorf("got %q, %v, want %s", text, err, word)
				return text
			}
		}
		return text
	}
	until(":")
	return door{
		open: func() { until("later") },
		ended: func() {
			if text := until("event: complete"); !strings.Contains(text, `"code":"UNAUTHENTICATED"`) || strings.Contains(text, "later") {
				h.t.Errorf("got %s", text)
			}
			if rest, err := io.ReadAll(lines); err != nil || strings.Contains(string(rest), "next") {
				h.t.Errorf("got %s after the end, %v", rest, err)
			}
		},
	}
}

// slowBody sends a request whose body comes when it is looked at.
func (h *house) slowBody(p person, path, contentType, body string) door {
	reader, writer := io.Pipe()
	h.t.Cleanup(func() { _ = writer.Close() }) // where it is not looked at, the server would wait for it
	r, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.url+path, reader)
	must(h.t, err)
	r.Header = http.Header{"Authorization": {"Bearer " + p.token}, "Content-Type": {contentType}, "Expect": {"100-continue"}}
	answered := make(chan answer, 1)
	go func() {
		defer close(answered)
		response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: patience}}).Do(r)
		if err != nil {
			return
		}
		text, err := io.ReadAll(response.Body)
		if err = errors.Join(err, response.Body.Close()); err == nil {
			answered <- answer{t: h.t, status: response.StatusCode, body: string(text)}
		}
	}()
	// The first byte is only asked for when the server reads the body: by then it knows who asks.
	_, err = io.WriteString(writer, body[:1])
	must(h.t, err)
	rest := func() answer {
		if _, err := io.WriteString(writer, body[1:]); err != nil {
			h.t.Error(err)
		}
		must(h.t, writer.Close())
		return <-answered
	}
	return door{
		open: func() {
			if a := rest(); strings.Contains(a.body, "UNAUTHENTICATED") || a.status == http.StatusUnauthorized || a.status == 0 {
				h.t.Errorf("answered %d %s", a.status, a.body)
			}
		},
		ended: func() {
			a := rest()
			refused := strings.Contains(a.body, "UNAUTHENTICATED") || a.status == http.StatusUnauthorized || a.status == http.StatusForbidden
			if !refused || strings.Contains(a.body, `"data"`) {
				h.t.Errorf("answered %d %s", a.status, a.body)
			}
		},
	}
}

// However a session ends: nothing is delivered and nothing answered any more, wherever something was open for it.
// Another session of the same person goes on.
func TestEveryEndOfASessionReachesWhateverIsOpen(t *testing.T) {
	t.Parallel()
	for name, test := range ends {
		for where, elsewhere := range map[string]bool{"embedded": false, "elsewhere": true} {
			t.Run(name+", "+where, func(t *testing.T) {
				t.Parallel()
				over := make(announced, 10)
				h := build(t, func(p *plan) {
					p.elsewhere, p.sessionSweep, p.listener = elsewhere, 50*time.Millisecond, over
				})
				grace, ada := h.person("Grace"), h.person("Ada")
				other := h.session(ada, time.Hour)
				closing, staying := h.doors(ada), h.doors(other)
				test.end(h, ada)
				ended := []int{ada.session}
				if test.all {
					ended = append(ended, other.session)
				}
				over.await(t, ended...)
				h.publish(grace, "later")
				for what, door := range closing {
					t.Log(what)
					door.ended()
				}
				for what, door := range staying {
					t.Log("another session's", what)
					if test.all {
						door.ended()
					} else {
						door.open()
					}
				}
			})
		}
	}
}

// Whatever is open is found by the sweep, also if nothing else is open for its session.
func TestWhateverIsOpenAloneIsFound(t *testing.T) {
	t.Parallel()
	for where, elsewhere := range map[string]bool{"embedded": false, "elsewhere": true} {
		over := make(announced, 10)
		h := build(t, func(p *plan) { p.elsewhere, p.sessionSweep, p.listener = elsewhere, 50*time.Millisecond, over })
		for name, open := range opens {
			if elsewhere && name == "the person's channel" {
				continue // nothing can close it
			}
			t.Log(where, name)
			p := h.person(strings.NewReplacer(" ", "", "'", "").Replace(name))
			door := open(h, p)
			h.sql(false, "DELETE FROM sessions WHERE id = ?", p.session)
			over.await(t, p.session)
			door.ended()
		}
	}
}

// An operation that takes long is stopped when its session ends, on every transport, and says so.
func TestAnOperationThatTakesLongEndsWithItsSession(t *testing.T) {
	t.Parallel()
	for name, test := range ends {
		if name == "expired by itself" { // as the others by SQL
			continue
		}
		for _, accept := range []string{"application/json", "text/event-stream"} {
			t.Run(name+", "+accept, func(t *testing.T) {
				t.Parallel()
				begun := make(chan struct{}, 1)
				h := build(t, func(p *plan) {
					p.sessionSweep = 50 * time.Millisecond
					p.realtime = func(ctx context.Context) error {
						begun <- struct{}{}
						<-ctx.Done()
						return nil // as if it had not noticed
					}
				})
				ada := h.person("Ada")
				answered := make(chan answer, 1)
				go func() {
					answered <- h.send(ada, http.MethodPost, "/graphql", `{"query":"{ realtime { key } me { id } }"}`,
						"Content-Type", "application/json", "Accept", accept)
				}()
				<-begun
				test.end(h, ada)
				a := <-answered
				if !strings.Contains(a.body, `"code":"UNAUTHENTICATED"`) || strings.Contains(a.body, `"id":"`) {
					t.Errorf("answered %s", a.body)
				}
			})
		}
	}
}

// A socket is of one person. A new session of the same person joins with it, and it is closed with either; another
// person's is refused.
func TestASocketIsOfSeveralSessionsOfOnePerson(t *testing.T) {
	t.Parallel()
	for where, elsewhere := range map[string]bool{"embedded": false, "elsewhere": true} {
		for _, which := range []string{"the first", "the second"} {
			t.Run(where+", "+which+" ends", func(t *testing.T) {
				t.Parallel()
				h := build(t, func(p *plan) { p.elsewhere, p.sessionSweep = elsewhere, 50*time.Millisecond })
				ada, grace := h.person("Ada"), h.person("Grace")
				second := h.session(ada, time.Hour)
				l := h.listen(ada, "private-user-"+fmt.Sprint(ada.id))
				h.join(second, &listener{browser: l.browser, channel: h.subscribe(second, title)})
				a := h.authorize(grace, l.socketID, "private-user-"+fmt.Sprint(grace.id))
				if refused := a.status == http.StatusForbidden && strings.Contains(a.body, "another person"); refused == elsewhere {
					t.Errorf("another person's session is answered %d %s", a.status, a.body)
				}
				ending := map[string]person{"the first": ada, "the second": second}[which]
				h.post(ending, `mutation { signOut { signedOut } }`, nil)
				if elsewhere {
					return // nothing closes it
				}
				if code := l.closed(); code != ws.StatusCode(4200) {
					t.Errorf("closed with %d, want 4200, after which clients come back", code)
				}
				staying := map[string]person{"the first": second, "the second": ada}[which]
				h.listen(staying, "private-user-"+fmt.Sprint(ada.id))
			})
		}
	}
}
