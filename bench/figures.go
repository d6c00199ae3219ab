package main

import (
	"math"
	"slices"
	"time"
)

// figure is one of the numbers that summarize a measurement.
type figure int

const (
	rate        figure = iota // operations a second
	serverCPU                 // µs of the server's process, per operation
	answer50                  // ms from sending to the answer, median
	answer99                  // ms, 99th percentile
	sent50                    // ms from sending to the event
	sent99                    // ms
	answered50                // ms from the answer to the event; negative if the event was faster
	answered99                // ms
	benchCPU                  // µs of this program, per operation
	figureCount               // not a figure
)

// String returns the figure's name and unit, for the first column of a comparison.
func (f figure) String() string {
	return [figureCount]string{
		"per second", "server CPU µs", "answer p50 ms", "answer p99 ms", "sent → event p50 ms", "sent → event p99 ms",
		"answer → event p50 ms", "answer → event p99 ms", "bench CPU µs",
	}[f]
}

// figures are the numbers of one measurement. NaN means unknown.
type figures [figureCount]float64

// figures returns the numbers that summarize the measurement.
func (m measurement) figures() figures {
	sinceSent := make([]time.Duration, len(m.deliveries))
	sinceAnswered := make([]time.Duration, len(m.deliveries))
	for i, d := range m.deliveries {
		sinceSent[i], sinceAnswered[i] = d.sinceSent, d.sinceAnswered
	}
	count := float64(len(m.latencies))
	return figures{
		rate:       count / m.elapsed.Seconds(),
		serverCPU:  m.cpu.microseconds() / count,
		answer50:   percentile(m.latencies, 50),
		answer99:   percentile(m.latencies, 99),
		sent50:     percentile(sinceSent, 50),
		sent99:     percentile(sinceSent, 99),
		answered50: percentile(sinceAnswered, 50),
		answered99: percentile(sinceAnswered, 99),
		benchCPU:   m.ownCPU.microseconds() / count,
	}
}

func (c cpuTime) microseconds() float64 {
	if !c.known {
		return math.NaN()
	}
	return float64(c.Duration) / float64(time.Microsecond)
}

// percentile returns the smallest of durations that p percent of them do not exceed, in ms; NaN if there is none. It
// sorts them.
func percentile(durations []time.Duration, p int) float64 {
	if len(durations) == 0 {
		return math.NaN()
	}
	slices.Sort(durations)
	rank := (len(durations)*p + 99) / 100
	return float64(durations[max(rank, 1)-1]) / float64(time.Millisecond)
}

// median returns the median; for an even count the mean of the two in the middle. It is NaN if there is none, or one
// is NaN.
func median(numbers []float64) float64 {
	if len(numbers) == 0 || slices.ContainsFunc(numbers, math.IsNaN) {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(numbers))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// spread returns the difference between the greatest and the smallest number, in percent of their median. It is NaN
// if there is only one.
func spread(numbers []float64) float64 {
	if len(numbers) < 2 {
		return math.NaN()
	}
	return 100 * (slices.Max(numbers) - slices.Min(numbers)) / math.Abs(median(numbers))
}

// ratio returns the median of the ratios b[i]/a[i], where i is the round. It is NaN if a number is not above zero.
func ratio(a, b []float64) float64 {
	ratios := make([]float64, 0, len(a))
	for i, before := range a {
		after := b[i]
		if before <= 0 || after <= 0 {
			return math.NaN()
		}
		ratios = append(ratios, after/before)
	}
	return median(ratios)
}
