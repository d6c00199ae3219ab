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

// ends are the ways in which a session can end. If one is SQL, the server is not notified.
var ends = map[string]struct {
	end func(s *server, p person)
	all bool // whether all sessions of the person end
}{
	"signed out": {end: func(s *server, p person) {
		if a := s.execute(p, `mutation { signOut { signedOut } }`, nil); !strings.Contains(a.body, `"signedOut":true`) {
			s.t.Errorf("signing out is answered %s", a.body)
		}
	}},
	"signed out by another process": {end: func(s *server, p person) {
		s.sql(false, "UPDATE sessions SET ended_at = ? WHERE id = ?", time.Now().UTC(), p.session)
	}},
	"expired by itself": {end: func(s *server, p person) {
		s.sql(false, "UPDATE sessions SET expires_at = ? WHERE id = ?", time.Now().UTC().Add(200*time.Millisecond), p.session)
	}},
	"expired in the past": {end: func(s *server, p person) {
		s.sql(false, "UPDATE sessions SET expires_at = '2020-01-01 00:00:00' WHERE id = ?", p.session)
	}},
	"expired and removed": {end: func(s *server, p person) {
		s.sql(false, "UPDATE sessions SET expires_at = '2020-01-01 00:00:00' WHERE id = ?", p.session)
		must(s.t, s.accounts.RemoveEnded(s.t.Context()))
	}},
	"deleted": {end: func(s *server, p person) { s.sql(false, "DELETE FROM sessions WHERE id = ?", p.session) }},
	"deleted with its person": {all: true, end: func(s *server, p person) {
		s.sql(true, "DELETE FROM users WHERE id = ?", p.id)
	}},
	"left behind by its person": {all: true, end: func(s *server, p person) {
		s.sql(false, "DELETE FROM users WHERE id = ?", p.id)
	}},
}

// announced is a listener of ended sessions. It is called last, when all connections of the session have ended.
type announced chan int

func (announced) OpenSessions() []int { return nil }

func (a announced) EndSession(id int, _ auth.EndReason) { a <- id }

// await waits until these sessions have ended.
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

// sql runs a statement beside the server, as SQLite's shell does. Foreign keys are enforced only on request.
func (s *server) sql(foreignKeys bool, statement string, args ...any) {
	s.t.Helper()
	db, err := sql.Open("sqlite3", fmt.Sprintf("file:%s?_busy_timeout=5000&_fk=%t", s.path, foreignKeys))
	must(s.t, err)
	_, err = db.ExecContext(s.t.Context(), statement, args...)
	must(s.t, err)
	must(s.t, db.Close())
}

// connection is something that is open for a session. ended fails the test unless it ends as it should, and open fails
// the test unless it goes on.
type connection struct{ ended, open func() }

// opens are functions that each open one kind of connection for a session.
var opens = map[string]func(s *server, p person) connection{
	"the person's channel":       func(s *server, p person) connection { return s.personsChannel(p, s.options.pusher.Embedded()) },
	"a subscription over Pusher": func(s *server, p person) connection { return s.pusherSubscription(p, s.options.pusher.Embedded()) },
	"a WebSocket":                func(s *server, p person) connection { return s.webSocket(p, "") },
	"a subscription over WebSocket": func(s *server, p person) connection {
		return s.webSocket(p, "subscription { knowledgePublished { title } }")
	},
	"an event stream": (*server).eventStream,
	"a request that is read": func(s *server, p person) connection {
		return s.slowBody(p, "/graphql", "application/json", `{"query":"{ __typename me { id } }"}`)
	},
	"a channel that is asked for": func(s *server, p person) connection {
		return s.slowBody(p, "/pusher/auth", form, "socket_id=1.2&channel_name=private-user-"+fmt.Sprint(p.id))
	},
}

// connections opens each kind of connection for a session.
func (s *server) connections(p person) map[string]connection {
	all := make(map[string]connection)
	for name, open := range opens {
		all[name] = open(s, p)
	}
	return all
}

// silent fails the test unless the socket is connected and has no message to read.
func (b *browser) silent() {
	b.t.Helper()
	b.write("pusher:ping", map[string]string{})
	if m := b.next(); m.Event != "pusher:pong" {
		b.t.Errorf("got %+v, want nothing", m)
	}
}

func (s *server) personsChannel(p person, embedded bool) connection {
	l := s.listen(p, "private-user-"+fmt.Sprint(p.id))
	return connection{
		open: func() { l.silent() },
		ended: func() {
			if !embedded { // a remote Pusher has no call for that
				return
			}
			if code := l.closed(); code != 4009 {
				s.t.Errorf("closed with %d, want 4009", code)
			}
		},
	}
}

func (s *server) pusherSubscription(p person, embedded bool) connection {
	l := s.listen(p, s.subscribe(p, title))
	return connection{
		open: func() { l.receives("later") },
		ended: func() {
			for u := l.update(); u.More; u = l.update() {
				s.t.Errorf("got %s, want the end", u.Raw)
			}
			if !embedded {
				l.silent()
			} else if code := l.closed(); code != 4009 {
				s.t.Errorf("closed with %d, want 4009", code)
			}
		},
	}
}

func (s *server) webSocket(p person, subscription string) connection {
	ctx := s.t.Context()
	conn, _, err := websocket.Dial(ctx, s.url+"/graphql", &websocket.DialOptions{
		Subprotocols: []string{"graphql-transport-ws"}, HTTPHeader: http.Header{"Authorization": {"Bearer " + p.token}},
	})
	must(s.t, err)
	s.t.Cleanup(func() { _ = conn.CloseNow() })
	send := func(text string) { _ = conn.Write(ctx, websocket.MessageText, []byte(text)) } // if the socket is closed, reading fails
	read := func() (string, error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		_, text, err := conn.Read(ctx)
		return string(text), err
	}
	send(`{"type":"connection_init"}`)
	if text, err := read(); err != nil || !strings.Contains(text, "connection_ack") {
		s.t.Fatalf("got %s, %v", text, err)
	}
	if subscription != "" {
		send(fmt.Sprintf(`{"type":"subscribe","id":"s","payload":{"query":%q}}`, subscription))
	}
	send(`{"type":"subscribe","id":"q","payload":{"query":"{ me { id } }"}}`)
	for text := ""; !strings.Contains(text, `"complete"`); {
		if text, err = read(); err != nil {
			s.t.Fatal(err)
		}
	}
	return connection{
		open: func() {
			if subscription == "" {
				send(`{"type":"subscribe","id":"r","payload":{"query":"{ me { id } }"}}`)
			}
			if text, err := read(); err != nil || !strings.Contains(text, "later") && !strings.Contains(text, fmt.Sprint(p.id)) {
				s.t.Errorf("got %s, %v, want to be answered", text, err)
			}
		},
		ended: func() {
			text, err := read()
			if code := websocket.CloseStatus(err); code != 4401 {
				s.t.Errorf("got %s, %v, want to be closed with 4401", text, err)
			}
		},
	}
}

func (s *server) eventStream(p person) connection {
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*patience)
	s.t.Cleanup(cancel)
	body := strings.NewReader(`{"query":"subscription { knowledgePublished { title } }"}`)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/graphql", body)
	must(s.t, err)
	r.Header = http.Header{"Authorization": {"Bearer " + p.token}, "Content-Type": {"application/json"}, "Accept": {"text/event-stream"}}
	response, err := s.http.Do(r)
	must(s.t, err)
	s.t.Cleanup(func() { _ = response.Body.Close() })
	lines := bufio.NewReader(response.Body)
	until := func(word string) (text string) {
		for !strings.Contains(text, word) {
			line, err := lines.ReadString('\n')
			if text += line; err != nil {
				s.t.Errorf("got %q, %v, want %s", text, err, word)
				return text
			}
		}
		return text
	}
	until(":")
	return connection{
		open: func() { until("later") },
		ended: func() {
			if text := until("event: complete"); !strings.Contains(text, `"code":"UNAUTHENTICATED"`) || strings.Contains(text, "later") {
				s.t.Errorf("got %s", text)
			}
			if rest, err := io.ReadAll(lines); err != nil || strings.Contains(string(rest), "next") {
				s.t.Errorf("got %s after the end, %v", rest, err)
			}
		},
	}
}

// slowBody sends a request whose body is written later.
func (s *server) slowBody(p person, path, contentType, body string) connection {
	reader, writer := io.Pipe()
	s.t.Cleanup(func() { _ = writer.Close() }) // without this the server would wait for the rest
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+path, reader)
	must(s.t, err)
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
			answered <- answer{t: s.t, status: response.StatusCode, body: string(text)}
		}
	}()
	// The write of the first byte returns when the server reads the body. By then the server has read the session.
	_, err = io.WriteString(writer, body[:1])
	must(s.t, err)
	rest := func() answer {
		if _, err := io.WriteString(writer, body[1:]); err != nil {
			s.t.Error(err)
		}
		must(s.t, writer.Close())
		return <-answered
	}
	return connection{
		open: func() {
			if a := rest(); strings.Contains(a.body, "UNAUTHENTICATED") || a.status == http.StatusUnauthorized || a.status == 0 {
				s.t.Errorf("answered %d %s", a.status, a.body)
			}
		},
		ended: func() {
			a := rest()
			rejected := strings.Contains(a.body, "UNAUTHENTICATED") || a.status == http.StatusUnauthorized || a.status == http.StatusForbidden
			if !rejected || strings.Contains(a.body, `"data"`) {
				s.t.Errorf("answered %d %s", a.status, a.body)
			}
		},
	}
}

// After the end of a session, no connection of it is sent a delivery or an answer. Another session of the same person
// goes on.
func TestEveryEndOfASessionReachesEachOpenConnection(t *testing.T) {
	t.Parallel()
	for name, test := range ends {
		for where, elsewhere := range map[string]bool{"embedded": false, "elsewhere": true} {
			t.Run(name+", "+where, func(t *testing.T) {
				t.Parallel()
				over := make(announced, 10)
				s := startServer(t, func(p *options) {
					p.elsewhere, p.sessionSweep, p.listener = elsewhere, 50*time.Millisecond, over
				})
				grace, ada := s.person("Grace"), s.person("Ada")
				other := s.session(ada, time.Hour)
				closing, staying := s.connections(ada), s.connections(other)
				test.end(s, ada)
				ended := []int{ada.session}
				if test.all {
					ended = append(ended, other.session)
				}
				over.await(t, ended...)
				s.publish(grace, "later")
				for what, connection := range closing {
					t.Log(what)
					connection.ended()
				}
				for what, connection := range staying {
					t.Log("another session's", what)
					if test.all {
						connection.ended()
					} else {
						connection.open()
					}
				}
			})
		}
	}
}

// The sweep finds a connection of each kind, even if it is the only one of its session.
func TestTheSweepFindsEachKindOfOpenConnection(t *testing.T) {
	t.Parallel()
	for where, elsewhere := range map[string]bool{"embedded": false, "elsewhere": true} {
		over := make(announced, 10)
		s := startServer(t, func(p *options) { p.elsewhere, p.sessionSweep, p.listener = elsewhere, 50*time.Millisecond, over })
		for name, open := range opens {
			if elsewhere && name == "the person's channel" {
				continue // a remote Pusher has no call for that
			}
			t.Log(where, name)
			p := s.person(strings.NewReplacer(" ", "", "'", "").Replace(name))
			connection := open(s, p)
			s.sql(false, "DELETE FROM sessions WHERE id = ?", p.session)
			over.await(t, p.session)
			connection.ended()
		}
	}
}

// On every transport a long operation is stopped when its session ends, and its answer has the reason.
func TestAnOperationThatTakesLongEndsWithItsSession(t *testing.T) {
	t.Parallel()
	for name, test := range ends {
		if name == "expired by itself" { // the other SQL is the same to the server
			continue
		}
		for _, accept := range []string{"application/json", "text/event-stream"} {
			t.Run(name+", "+accept, func(t *testing.T) {
				t.Parallel()
				begun := make(chan struct{}, 1)
				s := startServer(t, func(p *options) {
					p.sessionSweep = 50 * time.Millisecond
					p.realtime = func(ctx context.Context) error {
						begun <- struct{}{}
						<-ctx.Done()
						return nil // the resolver ignores the end of its context
					}
				})
				ada := s.person("Ada")
				answered := make(chan answer, 1)
				go func() {
					answered <- s.send(ada, http.MethodPost, "/graphql", `{"query":"{ realtime { key } me { id } }"}`,
						"Content-Type", "application/json", "Accept", accept)
				}()
				<-begun
				test.end(s, ada)
				a := <-answered
				if !strings.Contains(a.body, `"code":"UNAUTHENTICATED"`) || strings.Contains(a.body, `"id":"`) {
					t.Errorf("answered %s", a.body)
				}
			})
		}
	}
}

// A socket belongs to one person. A new session of the same person can authorize with it, and then it closes with the
// end of either session. A session of another person is rejected.
func TestASocketIsOfSeveralSessionsOfOnePerson(t *testing.T) {
	t.Parallel()
	for where, elsewhere := range map[string]bool{"embedded": false, "elsewhere": true} {
		for _, which := range []string{"the first", "the second"} {
			t.Run(where+", "+which+" ends", func(t *testing.T) {
				t.Parallel()
				s := startServer(t, func(p *options) { p.elsewhere, p.sessionSweep = elsewhere, 50*time.Millisecond })
				ada, grace := s.person("Ada"), s.person("Grace")
				second := s.session(ada, time.Hour)
				l := s.listen(ada, "private-user-"+fmt.Sprint(ada.id))
				s.join(second, &listener{browser: l.browser, channel: s.subscribe(second, title)})
				a := s.authorize(grace, l.socketID, "private-user-"+fmt.Sprint(grace.id))
				if rejected := a.status == http.StatusForbidden && strings.Contains(a.body, "another person"); rejected == elsewhere {
					t.Errorf("another person's session is answered %d %s", a.status, a.body)
				}
				ending := map[string]person{"the first": ada, "the second": second}[which]
				s.execute(ending, `mutation { signOut { signedOut } }`, nil)
				if elsewhere {
					return // a remote Pusher has no call that closes it
				}
				if code := l.closed(); code != ws.StatusCode(4200) {
					t.Errorf("closed with %d, want 4200, after which clients come back", code)
				}
				staying := map[string]person{"the first": second, "the second": ada}[which]
				s.listen(staying, "private-user-"+fmt.Sprint(ada.id))
			})
		}
	}
}
