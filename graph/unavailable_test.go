package graph_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/session"
	"lorebridge/rule"
)

// outage makes what it names fail as the database does when its disk is full.
type outage struct{ sessions, items, writes atomic.Bool }

var errOutage = &rule.UnavailableError{RetryAfter: 1500 * time.Millisecond, Reason: "the disk is full", Err: errors.New("/secret/path: full")}

func (o *outage) of(client *ent.Client) {
	client.Intercept(ent.InterceptFunc(func(next ent.Querier) ent.Querier {
		return ent.QuerierFunc(func(ctx context.Context, q ent.Query) (ent.Value, error) {
			_, ofSession := q.(*ent.SessionQuery)
			_, item := q.(*ent.KnowledgeQuery)
			if ofSession && o.sessions.Load() || item && o.items.Load() {
				return nil, errOutage
			}
			return next.Query(ctx, q)
		})
	}))
	client.Use(func(next ent.Mutator) ent.Mutator {
		return ent.MutateFunc(func(ctx context.Context, m ent.Mutation) (ent.Value, error) {
			_, nobody := auth.FromContext(ctx) // who writes the progress of the log's readers
			if o.writes.Load() && (nobody == nil || m.Type() == ent.TypeStoredSubscription) {
				return nil, errOutage
			}
			return next.Mutate(ctx, m)
		})
	})
}

// forgetSessions has each session looked up again, as any change of one does.
func (h *harness) forgetSessions() {
	h.t.Helper()
	must(h.t, h.client.Session.Update().Where(session.ID(0)).ClearEndedAt().Exec(auth.AsSystem(h.t.Context())))
}

// unavailable fails the test unless the answer has the time of the next try, and no detail of the cause.
func (a answer) unavailable(status int, data string) {
	a.t.Helper()
	if a.status != status || string(a.Data) != data || a.header.Get("Retry-After") != "2" || strings.Contains(a.body, "secret") {
		a.t.Errorf("got %d, Retry-After %q, %s; want %d and the data %q", a.status, a.header.Get("Retry-After"), a.body, status, data)
	}
	for _, e := range a.Errors {
		if e.Extensions.Code != "UNAVAILABLE" || e.Extensions.RetryAfter != 2 || e.Message != "the database cannot serve just now: try again in 2 seconds" {
			a.t.Errorf("the error is %+v", e)
		}
	}
	if len(a.Errors) == 0 {
		a.t.Errorf("there is no error in %s", a.body)
	}
}

// An answer with data is 200, and its errors name the fields that failed. An answer without data is 503 in each media
// type.
func TestADatabaseThatPassesIsUnavailable(t *testing.T) {
	t.Parallel()
	var down outage
	s := build(t, func(p *plan) { p.client = down.of }).set()
	const create = `mutation { createKnowledge(input: {title: "x", content: "y"}) { knowledge { id } } }`
	before := s.rows()
	for _, accept := range []string{"application/json", "application/graphql-response+json"} {
		ask := func(query string) answer {
			return s.post(s.owner, `{"query":"`+strings.ReplaceAll(query, `"`, `\"`)+`"}`, "Accept", accept)
		}
		down.items.Store(true)
		ask(`{ me { name } knowledge { totalCount } }`).unavailable(http.StatusOK, `{"me":{"name":"Owner"},"knowledge":null}`)
		ask(`{ knowledge { totalCount edges { cursor } pageInfo { hasNextPage } } }`).unavailable(http.StatusOK, `{"knowledge":null}`)
		down.items.Store(false)

		down.writes.Store(true)
		ask(create).unavailable(http.StatusOK, `{"createKnowledge":null}`)
		ask(`mutation { markNotificationsRead(input: {upTo: "99999999999"}) { marked unreadCount } }`).unavailable(http.StatusOK, `{"markNotificationsRead":null}`)
		ask(`subscription { knowledgePublished { id } }`).unavailable(http.StatusServiceUnavailable, ``)
		down.writes.Store(false)

		down.sessions.Store(true)
		s.forgetSessions()
		for _, operation := range []string{`{ me { name } }`, create, `{ __typename }`, `subscription { knowledgePublished { id } }`} {
			ask(operation).unavailable(http.StatusServiceUnavailable, ``)
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/graphql?query="+url.QueryEscape(`{ me { name } }`), nil)
		must(t, err)
		request.Header.Set("Authorization", "Bearer "+s.owner.token)
		request.Header.Set("Accept", accept)
		s.send(request).unavailable(http.StatusServiceUnavailable, ``)
		down.sessions.Store(false)
	}
	if after := s.rows(); after != before {
		t.Errorf("what was unavailable changed the tables from\n%s\nto\n%s", before, after)
	}
	s.ask(s.owner, create).into(&struct{}{})
}

// Streams have messages of their own for it. A WebSocket whose viewer is unknown is closed with a code after which its
// client connects again.
func TestADatabaseThatPassesIsUnavailableOnStreams(t *testing.T) {
	t.Parallel()
	var down outage
	s := build(t, func(p *plan) { p.client = down.of }).set()
	socket := s.socket(s.owner)
	down.items.Store(true)
	socket.send(`{"type":"subscribe","id":"1","payload":{"query":"{ me { name } knowledge { totalCount } }"}}`)
	if got := socket.next(); got.Type != "next" || got.code(t) != "UNAVAILABLE" || !strings.Contains(string(got.Payload), `"retryAfter":2`) {
		t.Errorf("a query on a WebSocket gets %s %s", got.Type, got.Payload)
	}
	stream := s.events(s.owner, `{ me { name } knowledge { totalCount } }`)
	if got, err := stream.read(); err != nil || got.code(t) != "UNAVAILABLE" {
		t.Errorf("a query by events gets %s %s, %v", got.Type, got.Payload, err)
	}
	down.items.Store(false)

	down.sessions.Store(true)
	s.forgetSessions()
	stream = s.events(s.owner, `{ me { name } }`)
	if got, err := stream.read(); err != nil || got.code(t) != "UNAVAILABLE" {
		t.Errorf("a stream of who knows whom gets %s %s, %v", got.Type, got.Payload, err)
	}
	inPayload := s.dial()
	inPayload.send(`{"type":"connection_init","payload":{"Authorization":"Bearer ` + s.owner.token + `"}}`)
	inHeader := s.dial("Authorization", "Bearer "+s.owner.token)
	inHeader.send(`{"type":"connection_init"}`)
	for where, unknown := range map[string]*wire{"its payload": inPayload, "its header": inHeader} {
		for {
			frame, err := unknown.read()
			if err == nil && frame.Type == "connection_ack" {
				t.Errorf("a WebSocket with a token in %s is acknowledged", where)
			}
			if err != nil {
				if code := websocket.CloseStatus(err); code != websocket.StatusTryAgainLater {
					t.Errorf("a WebSocket with a token in %s is closed with %d: %v", where, code, err)
				}
				break
			}
		}
	}
}
