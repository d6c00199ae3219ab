package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// bridgeCommand is the first argument that measures GraphQL subscriptions over Pusher.
const bridgeCommand = "bridge"

// Bounds of the flags of bridgeCommand. Each socket takes a file descriptor here and one in the server.
const (
	maxSubscriptions     = 100_000
	maxSubscriberSockets = 18_000
	maxEvents            = 1000
	maxPerSecond         = 1000
	distinctPerSocket    = 100
)

const bridgeUsage = `Usage: go run ./bench bridge [flags]

Measures GraphQL subscriptions over Pusher: what one event costs for many subscriptions with one selection, and
whom it holds up to deliver one to many with a selection each. It prints tables for docs/performance.md, and for each
of our promises PASS or FAIL; progress goes to stderr.
It exits with 1 if an event was lost, repeated, foreign or out of order; never because figures are bad.

Flags:
`

// bridgeOptions are the flags of bridgeCommand, validated.
type bridgeOptions struct {
	same     []int // numbers of subscriptions with one selection, ascending; empty: without that part
	distinct int   // subscriptions with a selection each; 0: without that part
	sockets  int   // of the last number of same; 0: one for each subscription
	people   int
	events   int
	rounds   int
	rate     int // mutations of other clients per second
	bin      string
	profile  string // prefix of the files; empty: no profiles
}

// parseBridgeOptions returns flag.ErrHelp if help was asked for, or an error that names the wrong flag.
func parseBridgeOptions(args []string, stderr io.Writer) (bridgeOptions, error) {
	o := bridgeOptions{same: []int{100, 10_000}}
	flags := flag.NewFlagSet("bench bridge", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, bridgeUsage)
		flags.PrintDefaults()
	}
	flags.Func("same", "`numbers` of subscriptions with one selection, each more than the one before, separated by commas;\n"+
		"what a further subscription costs is the difference to the first. 0 leaves this part out (default 100,10000)",
		func(s string) (err error) {
			o.same, err = parseSame(s)
			return err
		})
	flags.IntVar(&o.sockets, "sockets", 0, "sockets for all subscriptions with one selection (default: one for each)")
	flags.IntVar(&o.events, "events", 20, "events for each number of subscriptions with one selection")
	flags.IntVar(&o.distinct, "distinct", 10_000, "subscriptions with a selection each, "+strconv.Itoa(distinctPerSocket)+" to a socket. 0 leaves this part out")
	flags.IntVar(&o.rounds, "rounds", 5, "events for the subscriptions with a selection each, with idle time before each")
	flags.IntVar(&o.rate, "rate", 50, "mutations a second that others send, idle and while an event is delivered")
	flags.IntVar(&o.people, "people", 100, "people who subscribe")
	flags.StringVar(&o.bin, "bin", "", "`path` of the server to measure (default: build it)")
	flags.StringVar(&o.profile, "profile", "", "write CPU profiles of the server while it delivers, to `FILE`-same.pprof and FILE-distinct.pprof")
	if err := flags.Parse(args); err != nil {
		return bridgeOptions{}, err
	}
	if flags.NArg() > 0 {
		return bridgeOptions{}, fmt.Errorf("unexpected argument %q: see bridge -help", flags.Arg(0))
	}
	return o, o.validate()
}

func (o bridgeOptions) validate() error {
	switch {
	case len(o.same) == 0 && o.distinct == 0:
		return errors.New("-same and -distinct are both 0: there is nothing to measure")
	case o.distinct < 0 || o.distinct > maxSubscriptions:
		return fmt.Errorf("-distinct must be from 0 to %d", maxSubscriptions)
	case len(o.same) > 0 && o.subscriberSockets() > maxSubscriberSockets:
		return fmt.Errorf("-sockets must be at most %d: each needs a file descriptor on both sides", maxSubscriberSockets)
	case o.sockets < 0 || len(o.same) > 0 && (o.subscriberSockets() > o.most() || o.subscriberSockets()*maxPerSocket < o.most()):
		return fmt.Errorf("-sockets must be at most as many as subscriptions, and one for each %d of them", maxPerSocket)
	case o.events < 1 || o.events > maxEvents:
		return fmt.Errorf("-events must be from 1 to %d", maxEvents)
	case o.rounds < 1 || o.rounds > maxRounds:
		return fmt.Errorf("-rounds must be from 1 to %d", maxRounds)
	case o.rate < 1 || o.rate > maxPerSecond:
		return fmt.Errorf("-rate must be from 1 to %d", maxPerSecond)
	case o.people < 1 || o.people > maxRecipients:
		return fmt.Errorf("-people must be from 1 to %d", maxRecipients)
	case o.profile != "" && o.bin != "":
		return errors.New("-profile builds the server with a profiler in it: -bin does not go with it")
	}
	return nil
}

// most returns the greatest number of subscriptions with one selection.
func (o bridgeOptions) most() int { return maxOf(o.same) }

// subscriberSockets returns the number of sockets of the subscriptions with one selection.
func (o bridgeOptions) subscriberSockets() int {
	if o.sockets == 0 {
		return o.most()
	}
	return o.sockets
}

// limit returns the time limit of the run, including building and every wait.
func (o bridgeOptions) limit() time.Duration {
	events := len(o.same)*(o.events+1) + o.rounds + 1
	return 15*time.Minute + time.Duration(events)*spreadTimeout
}

func parseSame(s string) ([]int, error) {
	if s == "0" {
		return nil, nil
	}
	var numbers []int
	for part := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || n <= maxOf(numbers) || n > maxSubscriptions {
			return nil, fmt.Errorf("each must be a number from 1 to %d, and more than the one before", maxSubscriptions)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}
