package main

import (
	"math"
	"strings"
	"testing"
)

func TestTheReportIsATableOfMedians(t *testing.T) {
	o := options{clients: []int{1, 8}, works: []work{workCreate, workList}, rounds: 3, recipients: 4, duration: 1e9, pusher: pusherEmbedded}
	r := newResults(o, []server{{name: "server", build: "go1.26, commit 1234567"}})
	r.mutations = 12
	for _, perSecond := range []float64{90, 100, 120} {
		f := figures{
			rate: perSecond, serverCPU: 512.4, answer50: 1.234, answer99: 12.34, sent50: 2, sent99: 3,
			answered50: -0.5, answered99: 4, benchCPU: 50,
		}
		for _, w := range o.works {
			r.add(0, w, 1, f)
			f[rate] *= 2
			f[serverCPU] = math.NaN()
			r.add(0, w, 8, f)
		}
	}
	got := printed(r, "-rounds", "3", "it's")
	for _, want := range []string{
		"go run ./bench -rounds 3 'it'\\''s'\n",
		"- server: go1.26, commit 1234567, GOMAXPROCS ",
		"- 3 rounds with 4 measurements of 1s and 4 recipients\n",
		"- bench itself took 50.0 µs of CPU",
		"- all 12 events arrived once and in order\n",
		"| clients | mutations/s | ",
		"| 1 | 100 | 1.00 | 30 % | 512 | 1.23 / 12.3 | 2.00 / 3.00 | -0.50 / 4.00 |\n",
		"| 8 | 200 | 2.00 | 30 % | – | 1.23 / 12.3 | ",
		"| clients | lists/s | ÷ first row | spread | server CPU µs | answer p50 / p99 ms |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("missing %q in:\n%s", want, got)
		}
	}
}

func TestAComparisonShowsRatios(t *testing.T) {
	o := options{clients: []int{8}, works: []work{workCreate}, rounds: 1, compare: "b", pusher: pusherEmbedded}
	r := newResults(o, []server{{name: "A", build: "a"}, {name: "B", build: "b"}})
	r.add(0, workCreate, 8, figures{rate: 100, serverCPU: 500})
	r.add(1, workCreate, 8, figures{rate: 150, serverCPU: 400})
	r.faults.lost = 2
	got := printed(r)
	for _, want := range []string{
		"| 8 | per second | 100 | 150 | 1.50 | – | – |\n",
		"| 8 | server CPU µs | 500 | 400 | 0.80 | – | – |\n",
		"- **the server broke its promise: 2 events were lost, ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("missing %q in:\n%s", want, got)
		}
	}
}

func printed(r *results, args ...string) string {
	var out strings.Builder
	r.print(&out, args)
	return out.String()
}
