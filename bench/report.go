package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// results holds the figures of a run, by server, work, number of clients and round.
type results struct {
	options   options
	servers   []server
	rounds    map[cell][]figures
	mutations int
	faults    faults
}

// cell is a place in the results.
type cell struct {
	server  int
	work    work
	clients int
}

func newResults(o options, servers []server) *results {
	return &results{options: o, servers: servers, rounds: make(map[cell][]figures)}
}

// check counts the events of a measurement and their faults.
func (r *results) check(m measurement) {
	r.mutations += m.mutations
	r.faults.add(m.faults)
}

func (r *results) add(server int, w work, clients int, f figures) {
	c := cell{server, w, clients}
	r.rounds[c] = append(r.rounds[c], f)
}

// of returns one figure of every round.
func (r *results) of(server int, w work, clients int, f figure) []float64 {
	var numbers []float64
	for _, round := range r.rounds[cell{server, w, clients}] {
		numbers = append(numbers, round[f])
	}
	return numbers
}

// print writes the report in Markdown, in the form of docs/performance.md.
func (r *results) print(out io.Writer, args []string) {
	fmt.Fprintf(out, "```sh\n%s\n```\n\n", commandLine(args))
	for _, s := range r.servers {
		if r.options.url != nil {
			fmt.Fprintf(out, "- %s: a server that was running already\n", s.name)
			continue
		}
		fmt.Fprintf(out, "- %s: %s, GOMAXPROCS %d, Pusher %s\n", s.name, s.build, runtime.GOMAXPROCS(0), r.options.pusher)
	}
	fmt.Fprintf(out, "- %s with %s and %d recipients\n",
		count(r.options.rounds, "round"), count(r.options.measurements()/r.options.rounds, "measurement")+" of "+r.options.duration.String(),
		r.options.recipients)
	fmt.Fprintf(out, "- bench itself took %s µs of CPU an operation, on the same cores\n", format(r.ownCPU()))
	if r.faults.err() != nil {
		fmt.Fprintf(out, "- **%v**\n", r.faults.err())
	} else {
		fmt.Fprintf(out, "- all %d events arrived once and in order\n", r.mutations)
	}
	for _, w := range r.options.works {
		fmt.Fprintf(out, "\n### %s\n\n", w.title())
		if len(r.servers) > 1 {
			r.printComparison(out, w)
		} else {
			r.printTable(out, w)
		}
	}
}

// ownCPU returns the median over all measurements.
func (r *results) ownCPU() float64 {
	var numbers []float64
	for _, rounds := range r.rounds {
		for _, f := range rounds {
			numbers = append(numbers, f[benchCPU])
		}
	}
	return median(numbers)
}

func (r *results) printTable(out io.Writer, w work) {
	head := []string{"clients", w.unit() + "/s", "÷ first row", "spread", "server CPU µs", "answer p50 / p99 ms"}
	if w.delivers() {
		head = append(head, "sent → event p50 / p99 ms", "answer → event p50 / p99 ms")
	}
	printRow(out, head)
	printRow(out, slices.Repeat([]string{"---:"}, len(head)))
	for _, clients := range r.options.clients {
		values := func(f figure) []float64 { return r.of(0, w, clients, f) }
		pair := func(f, g figure) string { return format(median(values(f))) + " / " + format(median(values(g))) }
		row := []string{
			strconv.Itoa(clients), format(median(values(rate))),
			formatRatio(ratio(r.of(0, w, r.options.clients[0], rate), values(rate))),
			formatPercent(spread(values(rate))),
			format(median(values(serverCPU))), pair(answer50, answer99),
		}
		if w.delivers() {
			row = append(row, pair(sent50, sent99), pair(answered50, answered99))
		}
		printRow(out, row)
	}
}

func (r *results) printComparison(out io.Writer, w work) {
	printRow(out, []string{"clients", "figure", "A", "B", "B ÷ A", "spread of A", "spread of B"})
	printRow(out, []string{"---:", "---", "---:", "---:", "---:", "---:", "---:"})
	for _, clients := range r.options.clients {
		for f := range benchCPU {
			if !w.delivers() && f >= sent50 {
				break
			}
			a, b := r.of(0, w, clients, f), r.of(1, w, clients, f)
			printRow(out, []string{
				strconv.Itoa(clients), f.String(), format(median(a)), format(median(b)), formatRatio(ratio(a, b)),
				formatPercent(spread(a)), formatPercent(spread(b)),
			})
		}
	}
}

func printRow(out io.Writer, cells []string) {
	fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | "))
}

// format writes a number with its significant digits.
func format(x float64) string {
	switch size := math.Abs(x); {
	case math.IsNaN(x):
		return "–"
	case size >= 100:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case size >= 10:
		return strconv.FormatFloat(x, 'f', 1, 64)
	default:
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
}

func formatRatio(x float64) string {
	if math.IsNaN(x) {
		return "–"
	}
	return strconv.FormatFloat(x, 'f', 2, 64)
}

func formatPercent(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return "–"
	}
	return strconv.FormatFloat(x, 'f', 0, 64) + " %"
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// commandLine returns the command for a POSIX shell that repeats the run.
func commandLine(args []string) string {
	arguments := []string{"go run ./bench"}
	for _, a := range args {
		if a == "" || strings.Trim(a, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+.,:/@%") != "" {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		arguments = append(arguments, a)
	}
	return strings.Join(arguments, " ")
}
