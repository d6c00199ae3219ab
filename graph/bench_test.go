package graph_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"lorebridge/ent"
)

// listOfRequests is what an inbox asks for.
const listOfRequests = `{"query":"query Received($first: Int!) { knowledgeRequests(box: RECEIVED, first: $first) { ` +
	`edges { cursor node { id question status createdAt requester { id name } owner { id name } } } ` +
	`pageInfo { hasNextPage endCursor } } }","variables":{"first":20}}`

// BenchmarkListOfRequests reads a page of requests that many people sent, without a socket.
func BenchmarkListOfRequests(b *testing.B) {
	h := build(b, func(p *plan) { p.Graph.RequestsPerMinute = 1 << 30 })
	owner := h.inbox(50)
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		request := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/graphql", strings.NewReader(listOfRequests))
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", "Bearer "+owner.token)
		response := httptest.NewRecorder()
		h.handler.ServeHTTP(response, request)
		if n := strings.Count(response.Body.String(), `"requester":{`); n != 20 {
			b.Fatalf("%d requests in %s", n, response.Body)
		}
	}
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

// inbox returns somebody who has been asked by as many people.
func (h *harness) inbox(people int) (owner person) {
	h.t.Helper()
	owner = h.person("Owner")
	for i := range people {
		asker := h.person(fmt.Sprint("Asker", i))
		h.as(asker, func(ctx context.Context, tx *ent.Client) error {
			return tx.KnowledgeRequest.Create().SetRequesterID(asker.id).SetOwnerID(owner.id).SetQuestion("How?").Exec(ctx)
		})
	}
	return owner
}

// cpuTime is what this process has used so far, in user and kernel mode: the machine may be busy with other things.
func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var used syscall.Rusage
	must(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkOperationOverASocket sends a query over an open WebSocket. Its client's share is in the figures.
func BenchmarkOperationOverASocket(b *testing.B) {
	h := build(b, func(p *plan) { p.Graph.RequestsPerMinute = 1 << 30 })
	socket := h.socket(h.person("Ada"))
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		socket.subscribe("1", `{ me { name } }`)
		socket.want("next", "1")
		socket.want("complete", "1")
	}
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}
