package main

import (
	"bytes"
	goformat "go/format"
	"math"
	"strings"
	"testing"
	"time"
)

func TestTheReportOfBridgeShowsWhetherEachPromiseWasKept(t *testing.T) {
	twenty, more := int64(20), int64(21)
	r := &bridgeResults{options: bridgeOptions{events: 20, people: 3, distinct: 5, rate: 50}, build: "go1.26"}
	took := []time.Duration{4 * ms}
	e := enrolment{
		registering: stage{count: 100, elapsed: time.Second, cpu: cpuTime{Duration: 50 * ms, known: true}},
		joining:     stage{count: 100, elapsed: 2 * time.Second},
	}
	r.addFanOut(&fanOut{subscriptions: 100, events: 20, received: 2000, cpu: 1000, executions: &twenty, answers: took, firsts: took, lasts: took}, e, 100)
	r.addFanOut(&fanOut{subscriptions: 1100, events: 20, received: 22000, cpu: 31_000, others: 0.5, executions: &more, answers: took, firsts: took, lasts: took, pings: 7}, e, 1100)
	for _, busy := range []time.Duration{9 * ms, 5 * ms, 4 * ms} {
		r.distinct = append(r.distinct, &distinct{
			publication: publication{item: item{answered: ms}, updates: []update{{at: 3 * ms}, {at: 9 * ms}}},
			idle:        []time.Duration{2 * ms}, beside: []time.Duration{4 * ms}, busy: []time.Duration{busy}, cpu: math.NaN(), executions: &twenty,
		})
	}
	var out strings.Builder
	r.print(&out, []string{"-events", "20"})
	for _, want := range []string{
		"go run ./bench bridge -events 20\n",
		"- other programs kept 0.00 to 0.50 of the machine's ",
		"- all 24000 updates arrived once and in order\n",
		"| 100 | 1.00 | 1.00 | 0.00 | – | ",
		"| 1100 | 1.05 | 31.0 | 0.00 | 30.0 | ",
		"With 1100 subscriptions the server also sent 7 pings",
		"| 100 | one selection | 1100 | 100 | 500 | 50.0 | – |\n",
		"| 1 | 20 | 0.00 | – | ",
		"- FAIL: executions of one event for one selection is 1.05, at most 1\n",
		"- PASS: server CPU of one event for a further subscription is 30.0 µs, at most 40 µs\n",
		"- FAIL: the same, as hoped for is 30.0 µs, at most 20 µs\n",
		"- PASS: the mutation's answer was there before the first update, by 2.00 ms or more\n",
		"- FAIL: p99 of others' mutations meanwhile ÷ idle, by the medians of the rounds, is 2.50, at most 2\n",
		"- for comparison: meanwhile ÷ beside a busy process it is 1.25, and that ÷ idle 2.00\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("missing %q in:\n%s", want, out.String())
		}
	}
}

func TestWhatIsNotKnownIsNeitherPassedNorFailed(t *testing.T) {
	r := &bridgeResults{fanOuts: []*fanOut{{subscriptions: 1, cpu: math.NaN()}, {subscriptions: 2, cpu: math.NaN()}}}
	r.faults.lost = 1
	var out strings.Builder
	r.print(&out, nil)
	for _, want := range []string{"- not known: executions", "- not known: server CPU", "- **the server broke its promise: 1 events were lost"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("missing %q in:\n%s", want, out.String())
		}
	}
}

func TestTheProfilerIsGo(t *testing.T) {
	formatted, err := goformat.Source(profilerSource)
	if err != nil || !bytes.Equal(formatted, profilerSource) {
		t.Errorf("it is not formatted, or: %v", err)
	}
}
