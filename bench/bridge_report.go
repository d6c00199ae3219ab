package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strconv"
	"time"
)

// These are our promises about GraphQL subscriptions over Pusher.
const (
	promisedExecutions = 1.0  // executions of one event for all subscriptions with one selection
	promisedCPU        = 40.0 // µs of the server for one event and one more subscription
	hopedCPU           = 20.0
	promisedSlowdown   = 2.0 // of other clients' mutations, p99
)

// bridgeResults are the figures of a run of bridgeCommand.
type bridgeResults struct {
	options    bridgeOptions
	build      string
	enrolments []enrolled
	fanOuts    []*fanOut
	distinct   []*distinct // by round
	updates    int
	faults     faults
}

// enrolled is an enrolment with its title in the report.
type enrolled struct {
	enrolment

	what    string
	sockets int
}

func (r *bridgeResults) addFanOut(m *fanOut, e enrolment, sockets int) {
	r.fanOuts = append(r.fanOuts, m)
	r.enrolments = append(r.enrolments, enrolled{what: "one selection", enrolment: e, sockets: sockets})
	r.check(m.received, m.faults)
}

// check counts updates and their faults.
func (r *bridgeResults) check(updates int, f faults) {
	r.updates += updates
	r.faults.add(f)
}

// print writes the report in Markdown, in the form of docs/performance.md.
func (r *bridgeResults) print(out io.Writer, args []string) {
	fmt.Fprintf(out, "```sh\n%s\n```\n\n", commandLine(slices.Concat([]string{bridgeCommand}, args)))
	fmt.Fprintf(out, "- server: %s, GOMAXPROCS %d, Pusher embedded\n", r.build, runtime.GOMAXPROCS(0))
	fmt.Fprintf(out, "- %d people subscribe, %d at a time\n", r.options.people, enrolling)
	if last := len(r.fanOuts) - 1; last >= 0 {
		fmt.Fprintf(out, "- bench itself took %s µs of CPU an update, on the same cores\n", format(r.fanOuts[last].ownCPU))
	}
	if others := r.others(); len(others) > 0 {
		fmt.Fprintf(out, "- other programs kept %s to %s of the machine's %d cores busy: the closer to none, the more the latencies mean\n",
			format(slices.Min(others)), format(slices.Max(others)), runtime.NumCPU())
	}
	if r.faults.err() != nil {
		fmt.Fprintf(out, "- **%v**\n", r.faults.err())
	} else {
		fmt.Fprintf(out, "- all %d updates arrived once and in order\n", r.updates)
	}
	if len(r.fanOuts) > 0 {
		fmt.Fprint(out, "\n### One selection\n\n")
		r.printFanOuts(out)
	}
	if len(r.distinct) > 0 {
		fmt.Fprint(out, "\n### A selection each\n\n")
		r.printDistinct(out)
	}
	fmt.Fprint(out, "\n### Registering and joining\n\n")
	r.printEnrolments(out)
	fmt.Fprint(out, "\n### Promises\n\n")
	r.printPromises(out)
}

// others returns how many cores other programs used in each measurement.
func (r *bridgeResults) others() []float64 {
	var cores []float64
	for _, m := range r.fanOuts {
		cores = append(cores, m.others)
	}
	for _, d := range r.distinct {
		cores = append(cores, d.others)
	}
	return slices.DeleteFunc(cores, math.IsNaN)
}

func (r *bridgeResults) printFanOuts(out io.Writer) {
	fmt.Fprintf(out, "%s for each row, one after another, each awaited by all. CPU is the server's, without what it takes when idle; of that, "+
		"some is for writing down what became of it.\n\n", count(r.options.events, "event"))
	head := []string{
		"subscriptions", "executions an event", "CPU ms an event", "of that later", "CPU µs a further subscription",
		"cores", "answer p50 / max ms", "sent → first p50 / max ms", "sent → last p50 / max ms",
	}
	printRow(out, head)
	printRow(out, slices.Repeat([]string{"---:"}, len(head)))
	pair := func(durations []time.Duration) string {
		return format(percentile(durations, 50)) + " / " + format(percentile(durations, 100))
	}
	for i, m := range r.fanOuts {
		printRow(out, []string{
			strconv.Itoa(m.subscriptions), format(m.executionsEach()), format(m.cpu / 1000), format(m.afterwards / 1000),
			format(r.marginal(i)), format(m.busy), pair(m.answers), pair(m.firsts), pair(m.lasts),
		})
	}
	for _, m := range r.fanOuts {
		if m.pings > 0 {
			fmt.Fprintf(out, "\nWith %d subscriptions the server also sent %s meanwhile.\n", m.subscriptions, count(int(m.pings), "ping"))
		}
	}
}

// executionsEach returns the executions per event, or NaN if the server does not report them.
func (m *fanOut) executionsEach() float64 {
	if m.executions == nil {
		return math.NaN()
	}
	return float64(*m.executions) / float64(m.events)
}

// marginal returns the CPU time of an event per subscription beyond the first row, in µs. It is NaN for the first
// row.
func (r *bridgeResults) marginal(row int) float64 {
	first, m := r.fanOuts[0], r.fanOuts[row]
	if row == 0 {
		return math.NaN()
	}
	return (m.cpu - first.cpu) / float64(m.subscriptions-first.subscriptions)
}

func (r *bridgeResults) printDistinct(out io.Writer) {
	fmt.Fprintf(out, "One event for %d subscriptions in each round. Meanwhile %d clients send %d `createKnowledgeRequest` a second, whose "+
		"answers are given as p50 / p99, and as long before that while nothing is delivered: beside a process that takes half of the "+
		"cores, as a delivery may, and then idle. Later is the time in which the server writes down what became of it.\n\n", r.options.distinct, neighborClients, r.options.rate)
	head := []string{
		"round", "executions", "delivered in s", "CPU µs a subscription", "cores", "answer before the first update ms",
		"others idle ms", "others beside a busy process ms", "others meanwhile ms", "others later ms",
	}
	printRow(out, head)
	printRow(out, slices.Repeat([]string{"---:"}, len(head)))
	pair := func(durations []time.Duration) string {
		return format(percentile(durations, 50)) + " / " + format(percentile(durations, 99))
	}
	for i, d := range r.distinct {
		executions := "–"
		if d.executions != nil {
			executions = strconv.FormatInt(*d.executions, 10)
		}
		printRow(out, []string{
			strconv.Itoa(i + 1), executions, format(d.took.Seconds()), format(d.cpu), format(d.cores), format(milliseconds(d.ahead())),
			pair(d.idle), pair(d.beside), pair(d.busy), pair(d.afterwards),
		})
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (r *bridgeResults) printEnrolments(out io.Writer) {
	head := []string{"subscriptions", "with", "sockets then", "registered/s", "CPU µs each", "joined/s", "CPU µs each"}
	printRow(out, head)
	printRow(out, []string{"---:", "---", "---:", "---:", "---:", "---:", "---:"})
	for _, e := range r.enrolments {
		printRow(out, []string{
			strconv.Itoa(e.registering.count), e.what, strconv.Itoa(e.sockets),
			format(e.registering.perSecond()), format(e.registering.each()), format(e.joining.perSecond()), format(e.joining.each()),
		})
	}
}

// printPromises writes for each promise whether this run kept it.
func (r *bridgeResults) printPromises(out io.Writer) {
	promise := func(name string, value, limit float64, unit string) {
		verdict := "FAIL"
		switch {
		case math.IsNaN(value):
			verdict = "not known"
		case value <= limit:
			verdict = "PASS"
		}
		fmt.Fprintf(out, "- %s: %s is %s%s, at most %s%s\n", verdict, name, format(value), unit, strconv.FormatFloat(limit, 'g', -1, 64), unit)
	}
	if last := len(r.fanOuts) - 1; last >= 0 {
		promise("executions of one event for one selection", r.fanOuts[last].executionsEach(), promisedExecutions, "")
		if last > 0 {
			promise("server CPU of one event for a further subscription", r.marginal(last), promisedCPU, " µs")
			promise("the same, as hoped for", r.marginal(last), hopedCPU, " µs")
		}
	}
	if len(r.distinct) == 0 {
		return
	}
	early := slices.MinFunc(r.distinct, func(a, b *distinct) int { return int(a.ahead() - b.ahead()) }).ahead()
	verdict := "PASS"
	if early < 0 {
		verdict = "FAIL"
	}
	fmt.Fprintf(out, "- %s: the mutation's answer was there before the first update, by %s ms or more\n", verdict, format(milliseconds(early)))
	idle := func(d *distinct) []time.Duration { return d.idle }
	beside := func(d *distinct) []time.Duration { return d.beside }
	busy := func(d *distinct) []time.Duration { return d.busy }
	promise("p99 of others' mutations meanwhile ÷ idle, by the medians of the rounds,", slowdown(r.distinct, idle, busy), promisedSlowdown, "")
	fmt.Fprintf(out, "- for comparison: meanwhile ÷ beside a busy process it is %s, and that ÷ idle %s\n",
		formatRatio(slowdown(r.distinct, beside, busy)), formatRatio(slowdown(r.distinct, idle, beside)))
}
