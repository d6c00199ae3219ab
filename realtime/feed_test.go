package realtime_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"lorebridge/auth"
	"lorebridge/bridge"
	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/outbox"
	"lorebridge/realtime"
)

// stream is a stream of events, as a resolver reads it.
type stream struct {
	bridge.Feed
	cancel context.CancelFunc
}

func (q *quietServer) stream(p person, topic outbox.Topic) (stream, error) {
	ctx, cancel := context.WithCancel(auth.NewContext(context.Background(), p.viewer()))
	q.t.Cleanup(cancel)
	feed, err := q.subscriptions.Subscribe(ctx, bridge.Interest{Topic: bridge.Topic(topic.String())})
	return stream{feed, cancel}, err
}

// rest returns the events that wait in the stream, and whether it has ended.
func (s stream) rest() (ids []int, closed bool) {
	synctest.Wait()
	for {
		select {
		case e, open := <-s.Events:
			if !open {
				return ids, true
			}
			ids = append(ids, realtime.EventOf(e).ID)
		default:
			return ids, false
		}
	}
}

// publishes passes events of published knowledge to the streams.
func (q *quietServer) publishes(from, to int) {
	for id := from; id <= to; id++ {
		q.emit(&ent.Event{ID: id, Kind: event.KindKnowledgePublished, CreatedAt: time.Now()})
	}
}

func TestAStreamGetsEventsInOrderAndOneThatIsTooSlowIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada, bob := q.person("Ada"), q.person("Bob")
		slow, err := q.stream(ada, outbox.PublishedKnowledge())
		must(t, err)
		quick, err := q.stream(bob, outbox.PublishedKnowledge())
		must(t, err)
		other, err := q.stream(bob, outbox.RequestsTo(bob.id))
		must(t, err)
		if !slow.Fresh || slow.Event != nil {
			t.Errorf("a stream begins with %+v", slow)
		}
		var want, got []int
		for id := 1; id <= 70; id++ {
			want = append(want, id)
			q.publishes(id, id)
			ids, closed := quick.rest()
			if got = append(got, ids...); closed {
				t.Fatalf("the quick one was cut off: %v", quick.Err())
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("the quick one got %v", got)
		}
		if ids, closed := slow.rest(); !slices.Equal(ids, want[:64]) || !closed || !errors.Is(slow.Err(), bridge.ErrGap) {
			t.Errorf("the slow one got %v, closed: %t, %v", ids, closed, slow.Err())
		}
		if ids, closed := other.rest(); len(ids) > 0 || closed {
			t.Errorf("a stream of another topic got %v, closed: %t", ids, closed)
		}
		q.publishes(71, 71)
		if ids, _ := quick.rest(); !slices.Equal(ids, []int{71}) {
			t.Errorf("then the quick one got %v", ids)
		}
		quick.cancel()
		if ids, closed := quick.rest(); len(ids) > 0 || !closed || quick.Err() != nil {
			t.Errorf("at its end the quick one got %v, closed: %t, %v", ids, closed, quick.Err())
		}
		q.publishes(72, 72) // to nobody
	})
}

func TestAStreamThatEndsGivesItsPlaceBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t, func(p *quietOptions) { p.subscriptions.PerPerson = 2 })
		ada := q.person("Ada")
		var limited *bridge.LimitError
		for range 3 { // a place that is not given back is missing in the second round
			var streams []stream
			for range 2 {
				s, err := q.stream(ada, outbox.PublishedKnowledge())
				must(t, err)
				streams = append(streams, s)
			}
			if _, err := q.stream(ada, outbox.PublishedKnowledge()); !errors.As(err, &limited) {
				t.Errorf("beyond the limit: %v", err)
			}
			q.publishes(1, 100)
			for _, s := range streams { // a stream that was cut off holds its place until it has ended
				s.cancel()
			}
			synctest.Wait()
		}
		if _, err := q.subscriptions.Subscribe(t.Context(), bridge.Interest{Topic: bridge.Topic(outbox.PublishedKnowledge().String())}); !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("nobody: %v", err)
		}
		ended, cancel := context.WithCancel(auth.NewContext(t.Context(), ada.viewer()))
		cancel()
		if _, err := q.subscriptions.Subscribe(ended, bridge.Interest{Topic: bridge.Topic(outbox.PublishedKnowledge().String())}); !errors.Is(err, context.Canceled) {
			t.Errorf("after its end: %v", err)
		}
		synctest.Wait()
		for range 2 {
			_, err := q.stream(ada, outbox.PublishedKnowledge())
			must(t, err)
		}
	})
}

// A stream does not emit an event that was committed before it began, even if the event is published later.
func TestAStreamDoesNotEmitEventsFromBeforeItBegan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada, bob := q.person("Ada"), q.person("Bob")
		q.publish(ada, "compilers", "")
		before, err := q.client.Event.Query().Only(q.system())
		must(t, err)
		s, err := q.stream(bob, outbox.PublishedKnowledge())
		must(t, err)
		q.emit(before)
		q.publish(ada, "parsers", "")
		after, err := q.client.Event.Query().Order(newest).First(q.system())
		must(t, err)
		if ids, _ := s.rest(); !slices.Equal(ids, []int{after.ID}) {
			t.Errorf("got %v, want %d alone, not %d", ids, after.ID, before.ID)
		}
	})
}

// The change happens while the resolver runs, between the first value and the row. It must not be lost.
func TestPoint10AnEventDuringRegistrationIsSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada, bob := q.person("Ada"), q.person("Bob")
		request := q.ask(ada, bob, "Why?")
		// The request is answered after the first value is read, and before the subscription is stored.
		intercept(t, q, func() { q.respond(bob, request, "APPROVED") })
		a := q.execute(ada, `subscription { knowledgeRequestChanged(id: "`+request+`") { status } }`, nil)
		if string(a.Data) != `{"knowledgeRequestChanged":{"status":"PENDING"}}` || a.channel() == "" {
			t.Fatalf("got %s", a.body)
		}
		q.wait(time.Second)
		q.join(ada, a.channel(), "GRAPHQL_RUBY")
		if got := titles(t, sentTo(q.newCalls(), a.channel())); !slices.Equal(got, []string{"APPROVED", "end"}) {
			t.Errorf("got %v", got)
		}
	})
}

// intercept calls fn once: after the resolver of the next subscription has run, and before its row is written.
func intercept(t *testing.T, q *quietServer, fn func()) {
	t.Helper()
	once := sync.OnceFunc(fn)
	executor, ok := q.api.Executor.(interface {
		AroundResponses(middleware graphql.ResponseMiddleware)
	})
	if !ok {
		t.Fatalf("the executor is a %T", q.api.Executor)
	}
	executor.AroundResponses(func(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
		response := next(ctx)
		if graphql.GetOperationContext(ctx).Operation.Operation == ast.Subscription {
			once()
		}
		return response
	})
}
