package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"time"
)

// ceilingCommand is the first argument for comparing the server with the ceiling.
const ceilingCommand = "ceiling"

// pacedClients is the number of clients that send at a steady pace, in turns.
const pacedClients = 4

const ceilingUsage = `Usage: go run ./bench ceiling [flags]

Measures how close createKnowledgeRequest comes to bench/ceiling, the smallest program that does the same work by hand,
and with -old how the server compares with that of another commit. All run at once on copies of one database, and are
measured in turns. It prints one table for docs/performance.md, and for each of our aims PASS or FAIL; progress goes to
stderr. It exits with 1 if an event was lost, repeated, foreign or out of order; never because figures are bad.

Flags:
`

// ceilingOptions are the flags of ceilingCommand, validated.
type ceilingOptions struct {
	clients    []int // of the closed loops; ascending as given
	paces      []int // mutations a second of the open loops
	duration   time.Duration
	rounds     int
	recipients int
	bin        string // empty: build the server
	old        string // empty: without the old server
}

// parseCeilingOptions returns flag.ErrHelp if help was asked for, or an error that names the wrong flag.
func parseCeilingOptions(args []string, stderr io.Writer) (ceilingOptions, error) {
	o := ceilingOptions{clients: []int{1, 8, 32, 64}, paces: []int{50, 200}}
	flags := flag.NewFlagSet("bench ceiling", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, ceilingUsage)
		flags.PrintDefaults()
	}
	numbers := func(into *[]int) func(string) error {
		return func(s string) (err error) {
			if *into = nil; s != "0" {
				*into, err = parseClients(s)
			}
			return err
		}
	}
	flags.Func("clients", "`numbers` of clients at a time, separated by commas, each of which sends when its last mutation is answered.\n"+
		"0 leaves this part out (default 1,8,32,64)", numbers(&o.clients))
	flags.Func("paces", "`numbers` of mutations a second, separated by commas, that are sent however long answers take.\n"+
		"0 leaves this part out (default 50,200)", numbers(&o.paces))
	flags.DurationVar(&o.duration, "duration", 3*time.Second, "how long clients send in one measurement")
	flags.IntVar(&o.rounds, "rounds", 5, "how often each measurement is repeated; figures are medians")
	flags.IntVar(&o.recipients, "recipients", maxRecipients, "people who are asked, each with a WebSocket to each program")
	flags.StringVar(&o.bin, "bin", "", "`path` of the server to measure (default: build it)")
	flags.StringVar(&o.old, "old", "", "`path` of the server of an older commit. Its database must be one that the server can migrate")
	if err := flags.Parse(args); err != nil {
		return ceilingOptions{}, err
	}
	if flags.NArg() > 0 {
		return ceilingOptions{}, fmt.Errorf("unexpected argument %q: see ceiling -help", flags.Arg(0))
	}
	return o, o.validate()
}

func (o ceilingOptions) validate() error {
	switch {
	case len(o.clients)+len(o.paces) == 0:
		return errors.New("-clients and -paces are both 0: there is nothing to measure")
	case o.duration < minDuration || o.duration > maxDuration:
		return fmt.Errorf("-duration must be from %v to %v", minDuration, maxDuration)
	case o.rounds < 1 || o.rounds > maxRounds:
		return fmt.Errorf("-rounds must be from 1 to %d", maxRounds)
	case o.recipients < 1 || o.recipients > maxRecipients:
		return fmt.Errorf("-recipients must be from 1 to %d", maxRecipients)
	}
	return nil
}

// pressure is the load of one measurement: a number of clients in a closed loop, or a number of mutations per second
// in an open one.
type pressure struct{ clients, perSecond int }

// String returns the first column of the table.
func (p pressure) String() string {
	if p.perSecond > 0 {
		return strconv.Itoa(p.perSecond) + " a second"
	}
	return count(p.clients, "client")
}

func (p pressure) load(d time.Duration) load {
	clients := p.clients
	if p.perSecond > 0 {
		clients = pacedClients
	}
	return load{work: workCreate, clients: clients, perSecond: p.perSecond, duration: d, limit: maxOperations}
}

// pressures returns the loads of a round, in order.
func (o ceilingOptions) pressures() []pressure {
	var all []pressure
	for _, n := range o.clients {
		all = append(all, pressure{clients: n})
	}
	for _, n := range o.paces {
		all = append(all, pressure{perSecond: n})
	}
	return all
}

// requesters returns the number of people who send.
func (o ceilingOptions) requesters() int { return max(pacedClients, maxOf(o.clients)) }

// limit returns the time limit of the run, including building and every wait.
func (o ceilingOptions) limit() time.Duration {
	measurements := 3 * (o.rounds + 1) * len(o.pressures())
	return 20*time.Minute + time.Duration(measurements)*(o.duration+answerTimeout+deliveryTimeout)
}
