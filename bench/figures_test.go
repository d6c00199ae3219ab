package main

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestPercentilesAreOfTheNearestRank(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(100-i)*time.Millisecond)
	}
	for _, tt := range []struct {
		durations []time.Duration
		p         int
		want      float64 // ms
	}{
		{hundred, 50, 50},
		{hundred, 99, 99},
		{hundred, 100, 100},
		{hundred[:1], 1, 100},
		{[]time.Duration{3 * ms, 1 * ms, 2 * ms}, 50, 2},
		{[]time.Duration{3 * ms, 1 * ms, 2 * ms}, 99, 3},
		{[]time.Duration{-time.Microsecond}, 50, -0.001},
		{nil, 50, math.NaN()},
	} {
		if got := percentile(slices.Clone(tt.durations), tt.p); !same(got, tt.want) {
			t.Errorf("p%d of %d durations: got %v, want %v", tt.p, len(tt.durations), got, tt.want)
		}
	}
}

func TestMediansSpreadsAndRatios(t *testing.T) {
	nan := math.NaN()
	for _, tt := range []struct {
		name      string
		got, want float64
	}{
		{"the middle", median([]float64{3, 1, 2}), 2},
		{"between two", median([]float64{4, 1, 2, 3}), 2.5},
		{"of nothing", median(nil), nan},
		{"of what is not known", median([]float64{1, nan, 2}), nan},
		{"spread", spread([]float64{90, 100, 120}), 30},
		{"spread of one", spread([]float64{90}), nan},
		// This is the middle ratio, not the ratio of the middle numbers, which would be 5 ÷ 2.
		{"ratios within each round", ratio([]float64{1, 2, 4}, []float64{2, 8, 5}), 2},
		{"ratio to zero", ratio([]float64{0}, []float64{2}), nan},
		{"ratio of what is below zero", ratio([]float64{1}, []float64{-2}), nan},
		{"ratio of nothing", ratio(nil, nil), nan},
	} {
		if !same(tt.got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}

func TestAMeasurementIsSummarizedByItsFigures(t *testing.T) {
	m := measurement{
		elapsed:    2 * time.Second,
		cpu:        cpuTime{Duration: 4 * time.Millisecond, known: true},
		latencies:  []time.Duration{2 * ms, 1 * ms, 3 * ms, 4 * ms},
		deliveries: []delivery{{sinceSent: 5 * ms, sinceAnswered: -1 * ms}},
	}
	f := m.figures()
	if f[rate] != 2 || f[serverCPU] != 1000 || f[answer50] != 2 || f[answer99] != 4 || f[sent50] != 5 || f[answered99] != -1 {
		t.Errorf("got %v", f)
	}
	if !math.IsNaN(f[benchCPU]) {
		t.Errorf("%v µs of a process that is not known", f[benchCPU])
	}
}

func same(a, b float64) bool { return math.Abs(a-b) < 1e-9 || (math.IsNaN(a) && math.IsNaN(b)) }
