package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of the flags. They keep memory and time bounded: a measurement ends after maxDuration or maxOperations,
// whichever comes first, and its samples are dropped once its figures are known.
const (
	maxClients    = 1000
	maxRecipients = 1000
	maxRounds     = 100
	minDuration   = 100 * time.Millisecond
	maxDuration   = 5 * time.Minute
	maxOperations = 1 << 20
)

const (
	pusherEmbedded = "embedded"
	pusherSecond   = "second-process"
)

const usage = `Usage: go run ./bench [flags]
       go run ./bench bridge [flags]    GraphQL subscriptions over Pusher: see bridge -help
       go run ./bench ceiling [flags]   how close the server is to a program by hand: see ceiling -help

Measures a server over the wire and prints a table for docs/performance.md; progress goes to stderr.
It exits with 1 if an event was lost, repeated, foreign or out of order.

Flags:
`

// options are the flags, validated.
type options struct {
	clients    []int // ascending as given
	works      []work
	duration   time.Duration // of one measurement
	rounds     int
	recipients int
	bin        string   // empty: build the server
	compare    string   // empty: measure one server
	pusher     string   // pusherEmbedded or pusherSecond
	url        *url.URL // nil: start the server
	pid        int      // of the server at url; 0: no CPU figures
}

// parseOptions returns flag.ErrHelp if help was asked for, or an error that names the wrong flag.
func parseOptions(args []string, stderr io.Writer) (options, error) {
	o := options{clients: []int{1, 8, 32, 64}, works: []work{workCreate, workList}}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	flags.Func("clients", "`numbers` of clients at a time, separated by commas (default 1,8,32,64)", func(s string) (err error) {
		o.clients, err = parseClients(s)
		return err
	})
	flags.Func("work", "what clients do, separated by commas: create, list or mix, which is nine lists to a create (default create,list)",
		func(s string) (err error) {
			o.works, err = parseWorks(s)
			return err
		})
	flags.DurationVar(&o.duration, "duration", 3*time.Second, "how long clients send in one measurement")
	flags.IntVar(&o.rounds, "rounds", 3, "how often each measurement is repeated; figures are medians")
	flags.IntVar(&o.recipients, "recipients", 32, "people who are asked, each with a WebSocket")
	flags.StringVar(&o.bin, "bin", "", "`path` of the server to measure (default: build it)")
	flags.StringVar(&o.compare, "compare", "", "`path` of a second server, measured in turns with the first")
	flags.StringVar(&o.pusher, "pusher", pusherEmbedded, "embedded, or second-process: pusherserver/cmd/pusherserver beside the server")
	flags.Func("url", "`URL` of a server that runs already. It keeps the accounts and requests of the run, and must have been\n"+
		"started with SIGN_UPS_PER_ADDRESS and REQUESTS_PER_MINUTE raised", func(s string) (err error) {
		o.url, err = parseURL(s)
		return err
	})
	flags.IntVar(&o.pid, "pid", 0, "process `id` of the server at -url, for its CPU time")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q: see -help", flags.Arg(0))
	}
	return o, o.validate()
}

func (o options) validate() error {
	switch {
	case o.duration < minDuration || o.duration > maxDuration:
		return fmt.Errorf("-duration must be from %v to %v", minDuration, maxDuration)
	case o.rounds < 1 || o.rounds > maxRounds:
		return fmt.Errorf("-rounds must be from 1 to %d", maxRounds)
	case o.recipients < 1 || o.recipients > maxRecipients:
		return fmt.Errorf("-recipients must be from 1 to %d", maxRecipients)
	case o.pusher != pusherEmbedded && o.pusher != pusherSecond:
		return fmt.Errorf("-pusher must be %s or %s", pusherEmbedded, pusherSecond)
	case o.url != nil && (o.bin != "" || o.compare != "" || o.pusher != pusherEmbedded):
		return errors.New("-url measures a server that runs already: -bin, -compare and -pusher do not go with it")
	case o.pid < 0 || (o.pid > 0 && o.url == nil):
		return errors.New("-pid must be the process id of the server at -url")
	}
	return nil
}

// servers returns how many servers are measured.
func (o options) servers() int {
	if o.compare != "" {
		return 2
	}
	return 1
}

// measurements returns how many measurements the run has.
func (o options) measurements() int {
	return o.rounds * len(o.works) * len(o.clients) * o.servers()
}

// limit returns the time limit of the run, including building and every wait.
func (o options) limit() time.Duration {
	return 10*time.Minute + time.Duration(o.measurements())*(o.duration+answerTimeout+deliveryTimeout)
}

func parseClients(s string) ([]int, error) {
	var clients []int
	for part := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || n < 1 || n > maxClients {
			return nil, fmt.Errorf("each must be a number from 1 to %d", maxClients)
		}
		clients = append(clients, n)
	}
	return clients, nil
}

func parseWorks(s string) ([]work, error) {
	var works []work
	for part := range strings.SplitSeq(s, ",") {
		w := work(strings.TrimSpace(part))
		if !slices.Contains([]work{workCreate, workList, workMix}, w) {
			return nil, errors.New("each must be create, list or mix")
		}
		works = append(works, w)
	}
	return works, nil
}

func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return nil, errors.New("it must be scheme://host:port, such as http://127.0.0.1:8080")
	}
	return u, nil
}
