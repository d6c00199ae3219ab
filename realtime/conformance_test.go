package realtime_test

import (
	"strconv"
	"testing"

	"lorebridge/bridge"
	"lorebridge/bridge/bridgetest"
	"lorebridge/outbox"
	"lorebridge/realtime"
)

func TestOurLogAndOurTablePassTheConformanceSuite(t *testing.T) {
	t.Parallel()
	bridgetest.Run(t, func(t *testing.T) bridgetest.Fixture {
		t.Helper()
		q := newQuietServer(t)
		ada, bob := q.person("Ada"), q.person("Bob")
		user := func(p person) bridgetest.User {
			return bridgetest.User{
				ID: strconv.Itoa(p.id), Session: strconv.Itoa(p.session), OtherSession: strconv.Itoa(q.session(p).session),
			}
		}
		users := [2]bridgetest.User{user(ada), user(bob)}
		number := 0
		return bridgetest.Fixture{
			Log: realtime.NewLog(q.events), Store: realtime.NewStore(q.client, q.events), Users: users,
			Topics: [2]bridge.Topic{
				bridge.Topic(outbox.PublishedKnowledge().String()), bridge.Topic(outbox.RequestsTo(bob.id).String()),
			},
			Append: func(t testing.TB, topic int) *bridge.Event {
				t.Helper()
				number++
				if topic == 0 {
					q.publish(ada, "title "+strconv.Itoa(number), "")
				} else {
					q.ask(ada, bob, "question "+strconv.Itoa(number))
				}
				row, err := q.client.Event.Query().Order(newest).First(q.system())
				must(t, err)
				e, _ := bridgeEvent(row, nil)
				return e
			},
		}
	})
}
