package bridge_test

import (
	"testing"

	"lorebridge/bridge"
	"lorebridge/bridge/bridgetest"
)

func TestMemoryPassesTheConformanceSuite(t *testing.T) {
	t.Parallel()
	bridgetest.Run(t, func(*testing.T) bridgetest.Fixture {
		log := bridge.NewMemoryLog(100)
		topics := [2]bridge.Topic{"numbers", "letters"}
		return bridgetest.Fixture{
			Log: log, Store: bridge.NewMemoryStore(), Topics: topics,
			Users:  [2]bridgetest.User{{ID: "1", Session: "11", OtherSession: "12"}, {ID: "2", Session: "21", OtherSession: "22"}},
			Append: func(_ testing.TB, topic int) *bridge.Event { return log.Append(topic, topics[topic]) },
		}
	})
}
