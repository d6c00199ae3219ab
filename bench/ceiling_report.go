package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
)

// These are our aims beside the ceiling, and beside the old server.
var (
	aimedRates = []struct {
		clients int
		share   float64 // of the ceiling's rate
	}{{1, 0.80}, {8, 0.70}, {32, 0.60}, {64, 0.60}}
	aimedGains = []int{8, 32, 64} // clients
)

const (
	aimedCPU      = 1.8 // of the ceiling's, at busyClients
	aimedDelivery = 1.5 // of the ceiling's, at busyPace
	aimedGain     = 1.6 // of the old server's rate
	busyClients   = 32
	busyPace      = 200

	// The ceiling is valid only if the rate of the server of commit 45bcc50 is this share of it, at busyClients.
	leastOldRate, mostOldRate = 0.33, 0.45
	mostCeilingCPU            = 0.42 // of the old server's
)

// ceilingResults are the figures of a run of ceilingCommand.
type ceilingResults struct {
	options   ceilingOptions
	names     []string // of the programs
	build     []string
	rounds    map[ceilingCell][]figures // by round
	sync      float64                   // µs of an fsync
	others    []float64                 // cores that other programs used
	mutations int
	faults    faults
}

// ceilingCell is a place in the table.
type ceilingCell struct {
	name string
	pressure
}

// check counts the events of a measurement and their faults.
func (r *ceilingResults) check(m measurement) {
	r.mutations += m.mutations
	r.faults.add(m.faults)
}

func (r *ceilingResults) add(i int, p pressure, f figures, others float64) {
	c := ceilingCell{r.names[i], p}
	r.rounds[c] = append(r.rounds[c], f)
	r.others = append(r.others, others)
}

// of returns one figure of every round.
func (r *ceilingResults) of(name string, p pressure, f figure) []float64 {
	var numbers []float64
	for _, round := range r.rounds[ceilingCell{name, p}] {
		numbers = append(numbers, round[f])
	}
	return numbers
}

// share returns the median over the rounds of one program's figure divided by another's, or NaN if one of them was
// not measured.
func (r *ceilingResults) share(name, ofName string, p pressure, f figure) float64 {
	numbers, ofNumbers := r.of(name, p, f), r.of(ofName, p, f)
	if len(numbers) != len(ofNumbers) {
		return math.NaN()
	}
	return ratio(ofNumbers, numbers)
}

// print writes the report in Markdown, in the form of docs/performance.md.
func (r *ceilingResults) print(out io.Writer, args []string) {
	fmt.Fprintf(out, "```sh\n%s\n```\n\n", commandLine(slices.Concat([]string{ceilingCommand}, args)))
	for i, name := range r.names {
		fmt.Fprintf(out, "- %s: %s, GOMAXPROCS %d\n", name, r.build[i], runtime.GOMAXPROCS(0))
	}
	fmt.Fprintf(out, "- %s of %v for each measurement, after one that does not count, and %s\n",
		count(r.options.rounds, "round"), r.options.duration, count(r.options.recipients, "recipient"))
	if others := slices.DeleteFunc(slices.Clone(r.others), math.IsNaN); len(others) > 0 {
		fmt.Fprintf(out, "- other programs kept %s (median) and at most %s of the machine's %d cores busy: the closer to none, the better\n",
			format(median(others)), format(slices.Max(others)), runtime.NumCPU())
	}
	fmt.Fprintf(out, "- an fsync of this disk takes %s µs: the faster, the more a client alone waits for all the rest\n", format(r.sync))
	if r.faults.err() != nil {
		fmt.Fprintf(out, "- **%v**\n\n", r.faults.err())
	} else {
		fmt.Fprintf(out, "- all %d events arrived once and in order\n\n", r.mutations)
	}
	r.printTable(out)
	fmt.Fprint(out, "\n")
	r.printAims(out)
}

// printTable writes medians, and the medians of the ratios of each round.
func (r *ceilingResults) printTable(out io.Writer) {
	pairs := [][2]string{{nameServer, nameCeiling}}
	if slices.Contains(r.names, nameOld) {
		pairs = append(pairs, [2]string{nameServer, nameOld}, [2]string{nameOld, nameCeiling})
	}
	head := append([]string{"load", "figure"}, r.names...)
	for _, pair := range pairs {
		head = append(head, pair[0]+" ÷ "+pair[1])
	}
	printRow(out, head)
	printRow(out, append([]string{"---", "---"}, slices.Repeat([]string{"---:"}, len(head)-2)...))
	for _, p := range r.options.pressures() {
		shown := []figure{rate, serverCPU}
		if p.perSecond > 0 {
			shown = []figure{sent50, serverCPU}
		}
		for _, f := range shown {
			row := []string{p.String(), f.String()}
			for _, name := range r.names {
				row = append(row, format(median(r.of(name, p, f))))
			}
			for _, pair := range pairs {
				row = append(row, formatRatio(r.share(pair[0], pair[1], p, f)))
			}
			printRow(out, row)
		}
	}
}

// printAims writes for each aim whether this run reached it.
func (r *ceilingResults) printAims(out io.Writer) {
	aim := func(what string, value, least, most float64) {
		if math.IsNaN(value) {
			return // it was not measured
		}
		verdict := "FAIL"
		if value >= least && value <= most {
			verdict = "PASS"
		}
		bounds := formatRatio(least) + " to " + formatRatio(most)
		switch {
		case least == 0:
			bounds = "at most " + formatRatio(most)
		case math.IsInf(most, 1):
			bounds = "at least " + formatRatio(least)
		}
		fmt.Fprintf(out, "- %s: %s is %s; the aim is %s\n", verdict, what, formatRatio(value), bounds)
	}
	busy := pressure{clients: busyClients}
	aim("the ceiling is one: old ÷ ceiling, "+busy.String()+", per second,",
		r.share(nameOld, nameCeiling, busy, rate), leastOldRate, mostOldRate)
	aim("the ceiling is one: ceiling ÷ old, "+busy.String()+", CPU,", r.share(nameCeiling, nameOld, busy, serverCPU), 0, mostCeilingCPU)
	for _, a := range aimedRates {
		p := pressure{clients: a.clients}
		aim("server ÷ ceiling, "+p.String()+", per second,", r.share(nameServer, nameCeiling, p, rate), a.share, math.Inf(1))
	}
	aim("server ÷ ceiling, "+busy.String()+", CPU,", r.share(nameServer, nameCeiling, busy, serverCPU), 0, aimedCPU)
	pace := pressure{perSecond: busyPace}
	aim("server ÷ ceiling, "+pace.String()+", delivery p50,", r.share(nameServer, nameCeiling, pace, sent50), 0, aimedDelivery)
	for _, clients := range aimedGains {
		p := pressure{clients: clients}
		aim("server ÷ old, "+p.String()+", per second,", r.share(nameServer, nameOld, p, rate), aimedGain, math.Inf(1))
	}
}
