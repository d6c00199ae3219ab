package realtime_test

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
	"lorebridge/ent/storedsubscription"
)

const acted = `subscription { viewerActed { question } }`

func TestAPersonsOtherDevicesAreSentTheirOwnActions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada, bob, eve := q.person("Ada"), q.person("Bob"), q.person("Eve")
		phone := q.session(bob)
		channel := q.subscribeAndJoin(phone, acted)
		away := q.subscribeAndJoin(phone, `subscription { viewerActed { status } }`)
		others := []string{q.subscribeAndJoin(ada, acted), q.subscribeAndJoin(eve, acted)}
		q.leave(away, time.Now())

		asked := q.ask(bob, ada, "Why?")
		q.receives(channel, "Why?")
		answered := q.ask(ada, bob, "How?")
		q.respond(bob, answered, "APPROVED")
		q.respond(ada, asked, "DENIED")
		q.publish(bob, "compilers", "")
		q.wait(time.Second)
		calls := q.newCalls()
		if got := titles(t, sentTo(calls, channel)); !slices.Equal(got, []string{"How?"}) {
			t.Errorf("Bob's phone got %v", got)
		}
		if got := titles(t, sentTo(calls, others[0])); !slices.Equal(got, []string{"How?", "Why?"}) {
			t.Errorf("Ada got %v, want her questions and answers", got)
		}
		if got := titles(t, sentTo(calls, others[1])); len(got) > 0 {
			t.Errorf("Eve got %v", got)
		}
		q.join(phone, away, "")
		q.receives(away, "DENIED", "APPROVED") // the states at the time of delivery
	})
}

// All who wait for an item are sent its end in several batches. If one batch is late, the others are not.
func TestAPersonsOtherDevicesAreSentEachDenialOfADeletedItem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const waiting = 45
		q := newQuietServer(t)
		bob := q.person("Bob")
		channel := q.subscribeAndJoin(q.session(bob), acted)
		item := q.publish(bob, "compilers", "")
		people := q.people(waiting)
		var want []string
		must(t, q.events.WithTx(q.system(), func(ctx context.Context, tx *ent.Client) error {
			for i, p := range people {
				want = append(want, fmt.Sprintf("%02d?", i))
				if err := tx.KnowledgeRequest.Create().SetRequesterID(p.id).SetKnowledgeID(number(t, item)).SetQuestion(want[i]).Exec(ctx); err != nil {
					return err
				}
			}
			return nil
		}))
		q.receives(channel)
		var rejected atomic.Bool
		q.gate.on(func(_ *http.Request, events []sent) (int, error) {
			for _, e := range events {
				if strings.HasSuffix(e.Channel, fmt.Sprint("-user-", people[0].id)) && rejected.CompareAndSwap(false, true) {
					return http.StatusServiceUnavailable, nil
				}
			}
			return 0, nil
		})
		q.execute(bob, `mutation ($id: ID!) { deleteKnowledge(input: {id: $id}) { deletedId } }`, map[string]any{"id": item}).into(&struct{}{})
		q.wait(time.Minute)
		if got := q.received(channel); !slices.Equal(got, want) || !rejected.Load() {
			t.Errorf("got %v, want each once and in order", got)
		}
		q.open(channel, storedsubscription.StateLive)
	})
}

func TestEventsWithoutAnActorAreSentToTheirRecipientsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuietServer(t)
		ada, bob := q.person("Ada"), q.person("Bob")
		q.gate.on(func(*http.Request, []sent) (int, error) { return http.StatusServiceUnavailable, nil })
		mine, his := q.subscribeAndJoin(ada, acted), q.subscribeAndJoin(bob, `subscription { knowledgeRequestReceived { question } }`)
		q.ask(ada, bob, "Why?")
		q.restart("UPDATE events SET actor_id = NULL")
		q.gate.on(nil)
		q.join(ada, mine, "")
		q.join(bob, his, "")
		q.wait(time.Minute)
		calls := q.newCalls()
		if got := titles(t, sentTo(calls, his)); !slices.Equal(got, []string{"Why?"}) {
			t.Errorf("the recipient got %v", got)
		}
		if got := titles(t, sentTo(calls, mine)); len(got) > 0 {
			t.Errorf("the actor got %v", got)
		}
	})
}
