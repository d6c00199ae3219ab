package realtime_test

import (
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lorebridge/ent"
	"lorebridge/ent/event"
)

// BenchmarkFanOut measures one event for 10,000 subscriptions with one selection. It is executed once, sent to the
// embedded server in calls of 100, and recorded for each subscription. There are no sockets, so that writes to them are
// not measured.
func BenchmarkFanOut(b *testing.B) {
	for _, titles := range []int{1, 45} { // each has 190 bytes
		b.Run(fmt.Sprintf("%dBytes", titles*200), func(b *testing.B) {
			benchmarkDelivery(b, 10_000, func(int) string { return manyTitles(0, titles) })
		})
	}
}

// BenchmarkDistinct measures one event for 1,000 subscriptions with different selections.
func BenchmarkDistinct(b *testing.B) {
	benchmarkDelivery(b, 1_000, func(i int) string { return manyTitles(i, 1) })
}

// manyTitles returns a document that selects the title n times.
func manyTitles(i, n int) string {
	var fields strings.Builder
	for field := range n {
		fmt.Fprintf(&fields, " t%d_%d: title", i, field)
	}
	return `subscription { knowledgePublished {` + fields.String() + ` } }`
}

func benchmarkDelivery(b *testing.B, subscribers int, document func(i int) string) {
	b.Helper()
	q := newQuietServer(b, func(p *quietOptions) { p.direct = true })
	people := q.people(20)
	var group sync.WaitGroup
	for i, p := range people {
		group.Go(func() {
			for n := i; n < subscribers; n += len(people) {
				q.join(p, q.subscribe(p, document(n)), "GRAPHQL_RUBY")
			}
		})
	}
	group.Wait()
	item := 0
	for i := range 2 {
		q.publish(people[i], strings.Repeat("y", 190), "")
	}
	item = q.client.Knowledge.Query().FirstIDX(q.system())
	seq := 1 << 50
	deliver := func() {
		done := make(chan struct{})
		seq++
		q.deliver(&ent.Event{ID: seq, Kind: event.KindKnowledgePublished, KnowledgeID: &item, CreatedAt: time.Now()},
			nil, func() { close(done) })
		<-done
	}
	for updates := uint64(0); q.subscriptions.Stats().Updates-updates < uint64(subscribers); deliver() { // until all are live
		updates = q.subscriptions.Stats().Updates
		deliver()
	}
	before, spent := q.subscriptions.Stats(), cpuTime()
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		deliver()
		n++
	}
	spent = cpuTime() - spent
	after := q.subscriptions.Stats()
	if got := after.Updates - before.Updates; got != uint64(n*subscribers) {
		b.Errorf("%d updates for %d events", got, n)
	}
	b.ReportMetric(float64(spent.Nanoseconds())/float64(n*subscribers), "cpu-ns/subscriber")
	b.ReportMetric(float64(after.Executions-before.Executions)/float64(n), "executions/event")
}

// cpuTime returns the CPU time that this process has used.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // cannot fail with these arguments
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
