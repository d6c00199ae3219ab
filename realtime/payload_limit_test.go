package realtime_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"lorebridge/bridge"
)

// PUSHER_PAYLOAD_LIMIT holds for all data: people's events, results, and what is sent instead of them, encrypted or
// not.
func TestNothingThatIsSentIsLargerThanThePayloadLimit(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{2 << 10, 4000, 10_240, 100_000} {
		for _, encrypts := range []bool{false, true} {
			for _, oversize := range []bridge.Oversize{bridge.OversizeError, bridge.OversizeFetch, bridge.OversizeTerminate} {
				synctest.Test(t, func(t *testing.T) {
					q := newQuietServer(t, func(p *quietOptions) {
						p.subscriptions.PayloadLimit, p.subscriptions.Oversize = limit, oversize
						if encrypts {
							p.pusher.MasterKey = masterKey
						}
					})
					ada, bob := q.person("Ada"), q.person("Bob")
					for _, protocol := range []string{"both", "graphql-ruby", "lighthouse-echo"} {
						channel := q.subscribe(bob, `subscription { knowledgeRequestReceived { question requester { name } } }`, "X-Subscription-Protocol", protocol)
						q.join(bob, channel, "")
					}
					q.newCalls()
					var mu sync.Mutex
					sizes := map[string]int{}
					q.gate.on(func(_ *http.Request, events []sent) (int, error) {
						mu.Lock()
						defer mu.Unlock()
						for _, e := range events {
							sizes[e.Name] = max(sizes[e.Name], len(e.Data))
						}
						return 0, nil
					})
					texts := []string{"why?", strings.Repeat("w", 1500), strings.Repeat("é", 2000), strings.Repeat("\U0001F600", 2000), strings.Repeat(`"`, 2000)}
					for n := 1880; n <= 1960; n += 20 { // pusher-http-go has a limit of its own, in KiB: 4096 for a limit of 4000
						texts = append(texts, strings.Repeat("é", n))
					}
					for _, text := range texts {
						q.ask(ada, bob, text)
					}
					synctest.Wait()
					mu.Lock()
					defer mu.Unlock()
					if len(sizes) < 3 {
						t.Errorf("limit %d: only %v was sent", limit, sizes)
					}
					for name, size := range sizes {
						if size > limit {
							t.Errorf("limit %d, encrypted %t, %s: %s has %d bytes", limit, encrypts, oversize, name, size)
						}
					}
				})
			}
		}
	}
}
