package bridge_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/subscriber"
)

const acted = `subscription { viewerActed { question } }`

func TestAPersonsOtherDevicesAreToldWhatTheyDo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t)
		ada, bob, eve := q.person("Ada"), q.person("Bob"), q.person("Eve")
		phone := q.session(bob)
		channel := q.attend(phone, acted)
		away := q.attend(phone, `subscription { viewerActed { status } }`)
		others := []string{q.attend(ada, acted), q.attend(eve, acted)}
		q.leave(away, time.Now())

		asked := q.ask(bob, ada, "Why?")
		q.gets(channel, "Why?")
		answered := q.ask(ada, bob, "How?")
		q.respond(bob, answered, "APPROVED")
		q.respond(ada, asked, "DENIED")
		q.publish(bob, "compilers", "")
		q.wait(time.Second)
		calls := q.taken()
		if got := titles(t, mail(calls, channel)); !slices.Equal(got, []string{"How?"}) {
			t.Errorf("Bob's phone got %v", got)
		}
		if got := titles(t, mail(calls, others[0])); !slices.Equal(got, []string{"How?", "Why?"}) {
			t.Errorf("Ada got %v, want what she asked and answered", got)
		}
		if got := titles(t, mail(calls, others[1])); len(got) > 0 {
			t.Errorf("Eve got %v", got)
		}
		q.join(phone, away, "")
		q.gets(away, "DENIED", "APPROVED") // as they are by now
	})
}

// Those who wait for an item hear of its end in several batches, and one of these comes late.
func TestAPersonsOtherDevicesAreToldOfEachDenialOfADeletedItem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const waiting = 45
		q := newQuiet(t)
		bob := q.person("Bob")
		channel := q.attend(q.session(bob), acted)
		item := q.publish(bob, "compilers", "")
		people := q.people(waiting)
		var want []string
		must(t, q.relay.WithTx(q.system(), func(ctx context.Context, tx *ent.Client) error {
			for i, p := range people {
				want = append(want, fmt.Sprintf("%02d?", i))
				if err := tx.KnowledgeRequest.Create().SetRequesterID(p.id).SetKnowledgeID(number(t, item)).SetQuestion(want[i]).Exec(ctx); err != nil {
					return err
				}
			}
			return nil
		}))
		q.gets(channel)
		var refused atomic.Bool
		q.gate.on(func(_ *http.Request, events []sent) (int, error) {
			for _, e := range events {
				if strings.HasSuffix(e.Channel, fmt.Sprint("-user-", people[0].id)) && refused.CompareAndSwap(false, true) {
					return http.StatusServiceUnavailable, nil
				}
			}
			return 0, nil
		})
		q.post(bob, `mutation ($id: ID!) { deleteKnowledge(input: {id: $id}) { deletedId } }`, map[string]any{"id": item}).into(&struct{}{})
		q.wait(time.Minute)
		got := q.got(channel)
		if slices.IsSorted(got) || !refused.Load() {
			t.Errorf("nothing came late: %v", got)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want each once", got)
		}
		q.open(channel, subscriber.StateLive)
	})
}

// What a person does concerns several people, and what is to be sent to one of them can overtake what is for another.
func TestPoint25AnActThatOthersOvertookIsToldAllTheSame(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		do   func(q *quiet, ada person, channel string, publish func(acts ...int))
		want []string
	}{
		"live": {func(_ *quiet, _ person, _ string, publish func(...int)) {
			publish(2, 3, 1)
		}, []string{"2", "3", "1"}},
		"before it had joined again": {func(q *quiet, ada person, channel string, publish func(...int)) {
			publish(3)
			q.wait(10 * time.Second)
			q.leave(channel, time.Now())
			publish(2, 1)
			q.join(ada, channel, "")
		}, []string{"3", "1", "2", "3"}},
		"after it had joined again": {func(q *quiet, ada person, channel string, publish func(...int)) {
			publish(3)
			q.wait(10 * time.Second)
			q.leave(channel, time.Now())
			q.join(ada, channel, "")
			publish(2, 1)
		}, []string{"3", "2", "1"}},
		"read from the table already": {func(q *quiet, ada person, channel string, publish func(...int)) {
			q.leave(channel, time.Now())
			publish(3)
			q.join(ada, channel, "")
			publish(2, 1)
		}, []string{"1", "2", "3"}},
		"sent in vain": {func(q *quiet, ada person, channel string, publish func(...int)) {
			publish(3)
			q.wait(time.Minute)
			publish(1)
			q.wait(30 * time.Second)
			q.leave(channel, time.Now().Add(-45*time.Second))
			q.join(ada, channel, "")
			publish(2)
		}, []string{"3", "1", "1", "2", "3"}},
		"given up": {func(q *quiet, _ person, _ string, publish func(...int)) {
			publish(3)
			q.gate.on(func(*http.Request, []sent) (int, error) { return http.StatusServiceUnavailable, nil })
			publish(2)
			q.wait(125 * time.Second)
			q.gate.on(nil)
			q.wait(2 * time.Minute)
			publish(1)
		}, []string{"3", "2", "3", "1"}},
		"published after a restart": {func(q *quiet, ada person, channel string, publish func(...int)) {
			publish(3)
			q.wait(3 * time.Minute)
			q.restart()
			publish(1, 2)
			q.join(ada, channel, "")
		}, []string{"3", "1", "2", "3"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newQuiet(t)
				ada := q.person("Ada")
				var requests []int
				for i, p := range q.people(4) {
					requests = append(requests, number(t, q.ask(ada, p, fmt.Sprint(i+1))))
				}
				channel := q.attend(ada, acted)
				q.wait(5 * time.Second)
				q.taken()
				// Rows that the relay knows nothing of: the test publishes them.
				var rows []*ent.Event
				act := func() {
					i := len(rows)
					rows = append(rows, q.client.Event.Create().SetKind(event.KindKnowledgeRequest).SetPayload([]byte("{}")).SetRelayedAt(time.Now().UTC()).
						SetRecipientID(ada.id+i+1).SetActorID(ada.id).SetRequestID(requests[i]).SaveX(q.system()))
				}
				for range 3 {
					act()
				}
				publish := func(acts ...int) {
					for _, act := range acts {
						q.subscriptions.Publish(rows[act-1], nil, func() {})
						synctest.Wait()
					}
				}
				test.do(q, ada, channel, publish)
				q.wait(time.Second)
				act()
				publish(4)
				q.gets(channel, append(test.want, "4")...)
				q.open(channel, subscriber.StateLive)
			})
		})
	}
}

func TestEventsFromBeforeThereWereActorsAreToldToTheirRecipientsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t)
		ada, bob := q.person("Ada"), q.person("Bob")
		q.gate.on(func(*http.Request, []sent) (int, error) { return http.StatusServiceUnavailable, nil })
		mine, his := q.attend(ada, acted), q.attend(bob, `subscription { knowledgeRequestReceived { question } }`)
		q.ask(ada, bob, "Why?")
		q.restart("UPDATE events SET actor_id = NULL")
		q.gate.on(nil)
		q.join(ada, mine, "")
		q.join(bob, his, "")
		q.wait(time.Minute)
		calls := q.taken()
		if got := titles(t, mail(calls, his)); !slices.Equal(got, []string{"Why?"}) {
			t.Errorf("the recipient got %v", got)
		}
		if got := titles(t, mail(calls, mine)); len(got) > 0 {
			t.Errorf("the actor got %v", got)
		}
	})
}
