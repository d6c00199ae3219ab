package realtime_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/event"
)

func TestPoint19NothingIsSentIfAnEventHasNoValueForTheViewer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada, bob := q.person("Ada"), q.person("Bob")
		published := q.subscribeAndJoin(bob, title)
		received := q.subscribeAndJoin(bob, `subscription { knowledgeRequestReceived { question } }`)
		noticed := q.subscribeAndJoin(bob, `subscription { notificationReceived { kind request { question } } }`)
		q.newCalls()

		// The item and the request are deleted when their events are delivered.
		q.held(func(ctx context.Context, tx *ent.Client) error {
			item, err := tx.Knowledge.Create().SetTitle("compilers").SetOwnerID(ada.id).Save(ctx)
			if err != nil {
				return err
			}
			return tx.Knowledge.DeleteOne(item).Exec(ctx)
		})
		var gone int
		q.held(func(ctx context.Context, tx *ent.Client) error {
			request, err := tx.KnowledgeRequest.Create().SetRequesterID(ada.id).SetOwnerID(bob.id).SetQuestion("Why?").Save(ctx)
			gone = request.ID
			return err
		})
		q.removeRequest(gone)
		q.wait(time.Second)
		calls := q.newCalls()
		for what, channel := range map[string]string{"publication": published, "request": received} {
			if events := sentTo(calls, channel); len(events) != 0 {
				t.Errorf("of a deleted %s: got %v", what, events)
			}
		}
		if got := titles(t, sentTo(calls, noticed)); !slices.Contains(got, "KNOWLEDGE_REQUEST") || !slices.Contains(got, "<nil>") {
			t.Errorf("of a notification whose request was deleted: got %v", got)
		}
		// The subscriptions go on, and nothing counts as missed.
		q.publish(ada, "parsers", "")
		if got := titles(t, sentTo(q.newCalls(), published)); !slices.Equal(got, []string{"parsers"}) {
			t.Errorf("then: got %v", got)
		}
		if row := q.row(received); row.State != "LIVE" || row.LastError != nil {
			t.Errorf("its row: %v", row)
		}
	})
}

// held makes a change outside of a request. Its events are delivered a moment later, because no answer releases them.
func (q *quietServer) held(change func(ctx context.Context, tx *ent.Client) error) {
	q.t.Helper()
	ctx, cancel := context.WithCancel(auth.AsSystem(context.Background()))
	q.t.Cleanup(cancel)
	must(q.t, q.events.WithTx(ctx, change))
}

// removeRequest deletes a request with SQL, because nobody can do that over GraphQL.
func (q *quietServer) removeRequest(id int) {
	q.t.Helper()
	db, err := sql.Open("sqlite3", "file:"+q.path+"?_foreign_keys=1&_busy_timeout=5000")
	must(q.t, err)
	_, err = db.ExecContext(q.t.Context(), "DELETE FROM knowledge_requests WHERE id = ?", id)
	must(q.t, err)
	must(q.t, db.Close())
}

// faulty is an executor in which a stored operation fails if its document contains one of these words.
type faulty struct {
	graphql.GraphExecutor
	faults map[string]func(ctx context.Context) *graphql.Response
}

func (f faulty) DispatchOperation(ctx context.Context, oc *graphql.OperationContext) (graphql.ResponseHandler, context.Context) {
	for word, fault := range f.faults {
		if strings.Contains(oc.RawQuery, word) {
			return func(ctx context.Context) *graphql.Response { return fault(ctx) }, ctx
		}
	}
	return f.GraphExecutor.DispatchOperation(ctx, oc)
}

func TestPoint20AnErrorForOneSubscriberStopsNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, func(p *quietOptions) {
			p.executor = func(next graphql.GraphExecutor) graphql.GraphExecutor {
				return faulty{next, map[string]func(context.Context) *graphql.Response{
					"panics": func(context.Context) *graphql.Response { panic("in a stored operation") },
					"hangs": func(ctx context.Context) *graphql.Response {
						<-ctx.Done()
						return nil // as gqlgen does after a panic
					},
					"errs": func(ctx context.Context) *graphql.Response {
						return next.DispatchError(ctx, graphqlErrors(errors.New("disk on fire")))
					},
					"nothing": func(context.Context) *graphql.Response { return nil },
				}}
			}
		})
		ada, bob := q.person("Ada"), q.person("Bob")
		channels := make(map[string]string)
		for _, word := range []string{"sound", "panics", "hangs", "errs", "nothing"} {
			channels[word] = q.subscribeAndJoin(bob, `subscription { knowledgePublished { `+word+`: title } }`)
		}
		q.newCalls()
		q.publish(ada, "compilers", "")
		q.wait(time.Minute)
		calls := q.newCalls()
		for word, want := range map[string]struct{ sent, lastError string }{
			"sound":   {"compilers", ""},
			"panics":  {"INTERNAL", "internal error"},
			"hangs":   {"TIMEOUT", "took too long"},
			"errs":    {"INTERNAL", "internal error"},
			"nothing": {"", ""},
		} {
			got := strings.Join(titles(t, sentTo(calls, channels[word])), " ")
			row := q.row(channels[word])
			lastError := ""
			if row.LastError != nil {
				lastError = *row.LastError
			}
			if got != want.sent || !strings.Contains(lastError, want.lastError) || (lastError == "") != (want.lastError == "") || row.State != "LIVE" {
				t.Errorf("%s: got %s, last error %q, %s", word, got, lastError, row.State)
			}
		}
		if failed := q.subscriptions.Stats().Failed; failed != 3 {
			t.Errorf("%d failed", failed)
		}
	})
}

// An error in one field of a result does not remove the other fields.
func TestPoint20AnErrorBesideDataIsSentWithIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, func(p *quietOptions) {
			p.executor = func(next graphql.GraphExecutor) graphql.GraphExecutor {
				return faulty{next, map[string]func(context.Context) *graphql.Response{"title": func(ctx context.Context) *graphql.Response {
					response := next.DispatchError(ctx, graphqlErrors(errors.New("disk on fire")))
					response.Data = json.RawMessage(`{"knowledgePublished":null}`)
					return response
				}}}
			}
		})
		bob := q.person("Bob")
		channel := q.subscribeAndJoin(bob, title)
		q.newCalls()
		q.publish(bob, "compilers", "")
		events := sentTo(q.newCalls(), channel)
		if len(events) != 1 || !strings.HasPrefix(events[0].Data, `{"result":{"data":{"knowledgePublished":null},"errors":[{"message":"internal error","extensions":{"code":"INTERNAL"}}],"extensions":{"subscription":{"seq":`) {
			t.Errorf("got %v", events)
		}
	})
}

func TestPoint21AViewerThatMayNoLongerSeeItIsSentTheEnd(t *testing.T) {
	t.Parallel()
	ended := []sent{{Name: "update", Data: `{"more":false}`}}
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, func(p *quietOptions) { p.sessions = time.Hour })
		ada, bob := q.person("Ada"), q.person("Bob")
		bob2 := q.session(bob)
		request := q.ask(ada, bob, "Why?")
		changed := q.subscribeAndJoin(ada, `subscription { knowledgeRequestChanged(id: "`+request+`") { status } }`)
		received, receivedToo := q.subscribeAndJoin(bob, `subscription { knowledgeRequestReceived { question } }`), q.subscribeAndJoin(bob2, `subscription { knowledgeRequestReceived { question } }`)
		q.newCalls()

		// The request is deleted when its answer is delivered.
		q.held(func(ctx context.Context, tx *ent.Client) error {
			return tx.KnowledgeRequest.UpdateOneID(number(t, request)).SetStatus("DENIED").Exec(ctx)
		})
		q.removeRequest(number(t, request))
		q.wait(time.Second)
		events := sentTo(q.newCalls(), changed)
		for i := range events {
			events[i].Channel = ""
		}
		same(t, "of a request that is gone", events, ended)
		if row := q.row(changed); row.State != "CLOSED" || row.ClosedReason == nil || !strings.Contains(*row.ClosedReason, "revoked") {
			t.Errorf("its row: %v", row)
		}

		// One of Bob's sessions ends.
		q.sessions.EndSession(bob.session, auth.SignedOut)
		q.ask(ada, bob, "Why not?")
		calls := q.newCalls()
		if got := titles(t, sentTo(calls, received)); !slices.Equal(got, []string{"end"}) {
			t.Errorf("the session that ended: got %v", got)
		}
		if got := titles(t, sentTo(calls, receivedToo)); !slices.Equal(got, []string{"Why not?"}) {
			t.Errorf("the other session: got %v", got)
		}
		// The other session expires, before the sweep reads it.
		q.wait(time.Hour - 40*time.Second)
		q.newCalls()
		q.wait(time.Minute)
		if got := titles(t, sentTo(q.newCalls(), receivedToo)); !slices.Equal(got, []string{"end"}) {
			t.Errorf("the session that ran out: got %v", got)
		}
	})
}

func TestPoint25AnEventThatIsPublishedTwiceIsSentOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada, bob := q.person("Ada"), q.person("Bob")
		early, never := q.subscribeAndJoin(bob, title), q.subscribe(bob, title)
		q.newCalls()
		q.publish(ada, "compilers", "")
		q.publish(ada, "parsers", "")
		late := q.subscribeAndJoin(bob, title)
		rows, err := q.client.Event.Query().Order(ent.Asc(event.FieldID)).All(q.system())
		must(t, err)
		// The same event is published twice, as after a crash before its progress was stored.
		done := 0
		for _, e := range rows {
			q.deliver(e, nil, func() { done++ })
			synctest.Wait()
		}
		calls := q.newCalls()
		for channel, want := range map[string][]string{early: {"compilers", "parsers"}, late: nil, never: nil} {
			if got := titles(t, sentTo(calls, channel)); !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		}
		if done != len(rows) {
			t.Errorf("%d of %d were done", done, len(rows))
		}
	})
}

func TestPoint25ARestartSendsWhatWasNotSentAndNothingTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada, bob := q.person("Ada"), q.person("Bob")
		channel := q.subscribeAndJoin(bob, title)
		q.newCalls()
		q.publish(ada, "compilers", "")
		q.wait(3 * time.Minute) // longer than the time after which the event counts as received
		q.gate.on(func(*http.Request, []sent) (int, error) { return http.StatusServiceUnavailable, nil })
		q.publish(ada, "parsers", "")
		q.publish(ada, "linkers", "")
		q.wait(time.Second)
		q.stop()
		q.gate.on(nil)
		q.start()
		q.wait(time.Second)
		q.join(bob, channel, "")
		if got := titles(t, sentTo(q.newCalls(), channel)); !slices.Equal(got, []string{"compilers", "parsers", "linkers"}) {
			t.Errorf("got %v", got)
		}
		if parked, err := q.events.ListParked(t.Context()); err != nil || len(parked) != 0 {
			t.Errorf("%v are to be published again: %v", parked, err)
		}
	})
}

func TestPoint26AnEventThatWasRolledBackIsNotSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada, bob := q.person("Ada"), q.person("Bob")
		channel := q.subscribeAndJoin(bob, title)
		q.newCalls()
		sorry := errors.New("on second thoughts")
		if err := q.events.WithTx(auth.NewContext(t.Context(), ada.viewer()), func(ctx context.Context, tx *ent.Client) error {
			if err := tx.Knowledge.Create().SetTitle("compilers").SetOwnerID(ada.id).Exec(ctx); err != nil {
				return err
			}
			return sorry
		}); !errors.Is(err, sorry) {
			t.Fatal(err)
		}
		q.wait(time.Minute)
		if events := sentTo(q.newCalls(), channel); len(events) != 0 {
			t.Errorf("got %v", events)
		}
	})
}

// A delivery waits for the answer to its mutation, but not for ever. An event whose mutation has no answer yet also
// waits behind one that has.
func TestResultsWaitForTheAnswerToTheMutationButNotForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada, bob := q.person("Ada"), q.person("Bob")
		channel := q.subscribeAndJoin(bob, title)
		item := q.publish(ada, "compilers", "")
		q.newCalls()
		publish := func(id int, answered <-chan struct{}) {
			item := number(t, item)
			q.deliver(&ent.Event{ID: id, Kind: event.KindKnowledgePublished, KnowledgeID: &item, CreatedAt: time.Now()},
				answered, func() {})
		}
		seqs := func() (all []int) {
			for _, e := range sentTo(q.newCalls(), channel) {
				all = append(all, read(t, e).Result.Extensions.Subscription.Seq)
			}
			return all
		}
		const first = 1 << 50
		answered, later := make(chan struct{}), make(chan struct{})
		publish(first, answered)
		publish(first+1, later)
		publish(first+2, nil)
		q.wait(99 * time.Millisecond)
		if got := seqs(); len(got) > 0 {
			t.Errorf("before the answer: got %v", got)
		}
		close(answered)
		if got := seqs(); !slices.Equal(got, []int{first}) {
			t.Errorf("the first one is answered: got %v", got)
		}
		q.wait(2 * time.Millisecond)
		if got := seqs(); !slices.Equal(got, []int{first + 1, first + 2}) {
			t.Errorf("after 100 ms: got %v", got)
		}
	})
}

// The same over real HTTP, with many mutations at a time.
func TestNoExecutionBeginsBeforeTheMutationIsAnswered(t *testing.T) {
	t.Parallel()
	clock := &answerClock{written: make(map[string]time.Time), begun: make(map[string]time.Time)}
	s := startServer(t, func(p *options) {
		p.executor = func(e graphql.GraphExecutor) graphql.GraphExecutor { return timed{e, clock} }
	})
	front := *s.front.Load()
	var noted http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		front.ServeHTTP(&noting{ResponseWriter: w, clock: clock, body: string(body)}, r)
	})
	s.front.Store(&noted)
	ada := s.person("Ada")
	l := s.listen(ada, s.subscribe(ada, title))
	const rounds, authors = 50, 4
	var group sync.WaitGroup
	for i := range authors {
		author := s.person(fmt.Sprint("Author", i))
		group.Go(func() {
			for n := range rounds {
				s.publish(author, fmt.Sprintf("title %d of %d.", n, i))
			}
		})
	}
	group.Wait()
	for range rounds * authors {
		l.receive("title")
	}
	clock.mu.Lock()
	defer clock.mu.Unlock()
	for title, begun := range clock.begun {
		written, ok := clock.written[title]
		if !ok || begun.Before(written) {
			t.Errorf("%s ran %v before its mutation was answered", title, written.Sub(begun))
		}
	}
	if len(clock.begun) != rounds*authors {
		t.Errorf("%d executions", len(clock.begun))
	}
}

// answerClock records, by title, when the answer to a mutation was written, and when the execution for its event began.
type answerClock struct {
	mu             sync.Mutex
	written, begun map[string]time.Time
}

// noting records when the answer was written, if the request has a title.
type noting struct {
	http.ResponseWriter
	clock *answerClock
	body  string
}

func (n *noting) Unwrap() http.ResponseWriter { return n.ResponseWriter }

func (n *noting) Write(answer []byte) (int, error) {
	written, err := n.ResponseWriter.Write(answer)
	n.clock.mu.Lock()
	defer n.clock.mu.Unlock()
	if _, after, found := strings.Cut(n.body, `"title":"`); found {
		name, _, _ := strings.Cut(after, `"`)
		n.clock.written[name] = time.Now()
	}
	return written, err
}

// timed records when executions begin.
type timed struct {
	graphql.GraphExecutor
	clock *answerClock
}

func (e timed) DispatchOperation(ctx context.Context, oc *graphql.OperationContext) (graphql.ResponseHandler, context.Context) {
	begun := time.Now()
	responses, ctx := e.GraphExecutor.DispatchOperation(ctx, oc)
	return func(ctx context.Context) *graphql.Response {
		response := responses(ctx)
		var data struct{ KnowledgePublished struct{ Title string } }
		if response != nil && json.Unmarshal(response.Data, &data) == nil {
			e.clock.mu.Lock()
			defer e.clock.mu.Unlock()
			e.clock.begun[data.KnowledgePublished.Title] = begun
		}
		return response
	}, ctx
}

func graphqlErrors(err error) gqlerror.List { return gqlerror.List{gqlerror.Wrap(err)} }

func number(t *testing.T, id string) int {
	t.Helper()
	n, err := strconv.Atoi(id)
	must(t, err)
	return n
}
