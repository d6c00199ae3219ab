package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
	"unicode"

	"lorebridge/database"
	"lorebridge/outbox"
)

// EventsUsage describes the command "lorebridge events" to an operator.
const EventsUsage = `lorebridge events                     lists the recipients whose events wait, and the events that are never sent
lorebridge events retry RECIPIENT|all   tries the events that wait now
lorebridge events skip ID --why REASON  settles an event that waits without sending it; it stays in the recipient's notifications
`

// RunEvents runs the command "lorebridge events" with the arguments after these words, and writes its result to out. It
// calls the server that runs on the database, and opens the database itself if no server runs.
func RunEvents(ctx context.Context, c database.Config, args []string, out io.Writer) error {
	do, err := parseEvents(args)
	if err != nil {
		return fmt.Errorf("%w\n\n%s", err, EventsUsage)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*commandTimeout)
	defer cancel()
	remote := newRemote(SocketPath(c.Path()))
	defer remote.client.CloseIdleConnections()
	if err := do(ctx, remote, out); !isUnanswered(err) {
		return err
	}
	if _, err := os.Stat(c.Path()); err != nil { // database.Open would create one
		return fmt.Errorf("there is no database: %w (DATABASE_URL says which)", err)
	}
	client, err := database.Open(ctx, c)
	if errors.Is(err, database.ErrInUse) {
		return fmt.Errorf("a server runs on %s, but does not answer at %s: look into its log", c.Path(), SocketPath(c.Path()))
	}
	if err != nil {
		return err
	}
	log, err := outbox.New(ctx, outbox.Config{Client: client, Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = do(ctx, stopped{log}, out)
	}
	return errors.Join(err, client.Close())
}

// parseEvents returns the command that the arguments ask for.
func parseEvents(args []string) (do func(ctx context.Context, events Events, out io.Writer) error, err error) {
	switch {
	case len(args) == 0:
		return list, nil
	case args[0] == "retry" && len(args) == 2:
		return parseRetry(args[1])
	case args[0] == "skip" && len(args) > 1:
		return parseSkip(args[1], args[2:])
	}
	return nil, fmt.Errorf("unknown arguments %q", strings.Join(args, " "))
}

func parseRetry(recipient string) (func(ctx context.Context, events Events, out io.Writer) error, error) {
	if recipient == "all" {
		return func(ctx context.Context, events Events, out io.Writer) error {
			n, err := events.RetryAll(ctx)
			if err == nil {
				fmt.Fprintf(out, "people and subscriptions that are tried now: %d\n", n)
			}
			return err
		}, nil
	}
	if _, person := outbox.PersonOf(recipient); !person {
		if _, err := outbox.ParseTopic(recipient); err != nil {
			return nil, fmt.Errorf("the recipient is %q: it must be a person's id or a topic in quotes, as the list shows it, or all", recipient)
		}
	}
	return func(ctx context.Context, events Events, out io.Writer) error {
		err := events.Retry(ctx, recipient)
		if err == nil {
			fmt.Fprintf(out, "recipient %s is tried now\n", recipient)
		}
		return err
	}, nil
}

func parseSkip(event string, args []string) (func(ctx context.Context, events Events, out io.Writer) error, error) {
	id, err := strconv.Atoi(event)
	if err != nil || id < 1 {
		return nil, fmt.Errorf("the event is %q: it must be an id, as the list shows it", event)
	}
	flags := flag.NewFlagSet("skip", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	why := flags.String("why", "", "")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if strings.TrimSpace(*why) == "" || flags.NArg() > 0 {
		return nil, errors.New("give the reason in one word or in quotes: --why REASON")
	}
	return func(ctx context.Context, events Events, out io.Writer) error {
		err := events.Skip(ctx, id, strings.TrimSpace(*why))
		if err == nil {
			fmt.Fprintf(out, "event %d is skipped\n", id)
		}
		return err
	}, nil
}

// list writes a table of the events that wait or are never sent.
func list(ctx context.Context, events Events, out io.Writer) error {
	all, err := events.List(ctx)
	if err != nil {
		return err
	}
	count := make(map[string]int)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(all) > 0 {
		fmt.Fprintln(table, "STATE\tREADER\tRECIPIENT\tEVENT\tFOR\tATTEMPTS\tNEXT\tLAST ANSWER")
	}
	for i := range all {
		p := &all[i]
		count[p.State]++
		next := "-"
		if p.Until != nil {
			next = p.Until.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%v\t%d\t%s\t%s\n", p.State, p.Reader, printable(p.Recipient), p.EventID,
			time.Since(p.Since).Truncate(time.Second), p.Attempts, next, cmp.Or(strings.Join(words(p.Error, p.Why), "; skipped: "), "-"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%d waiting, %d refused, %d skipped\n", count["WAITING"], count["REFUSED"], count["SKIPPED"])
	return err
}

// words returns the last answer and the reason of a skip, if there are any.
func words(answer, why string) (all []string) {
	if answer = printable(answer); answer != "" || why != "" {
		all = append(all, answer)
	}
	if why != "" {
		all = append(all, printable(why))
	}
	return all
}

// printable returns a text without characters that break the table or control a terminal. Any server may have given the
// answer.
func printable(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }), " ")
}

// remote implements Events over the socket of a running server.
type remote struct{ client *http.Client }

func newRemote(socket string) remote {
	return remote{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}}
}

// isUnanswered reports whether err means that no server listens on a socket.
func isUnanswered(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EINVAL)
}

// List implements Events.
func (r remote) List(ctx context.Context) (all []outbox.Parked, err error) {
	err = r.do(ctx, http.MethodGet, "/events", nil, &all)
	return all, err
}

// Retry implements Events.
func (r remote) Retry(ctx context.Context, recipient string) error {
	return r.do(ctx, http.MethodPost, "/events/retry/"+url.PathEscape(recipient), nil, new(int))
}

// RetryAll implements Events.
func (r remote) RetryAll(ctx context.Context) (n int, err error) {
	err = r.do(ctx, http.MethodPost, "/events/retry", nil, &n)
	return n, err
}

// Skip implements Events.
func (r remote) Skip(ctx context.Context, eventID int, why string) error {
	return r.do(ctx, http.MethodPost, "/events/skip/"+strconv.Itoa(eventID), url.Values{"why": {why}}, new(int))
}

func (r remote) do(ctx context.Context, method, path string, form url.Values, into any) (err error) {
	//nolint:gosec // every path goes to the socket
	request, err := http.NewRequestWithContext(ctx, method, "http://lorebridge"+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := r.client.Do(request) //nolint:gosec // as above
	if err != nil {
		return fmt.Errorf("call the server: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
		return errors.Join(errors.New(strings.TrimSpace(string(text))), err)
	}
	return json.NewDecoder(response.Body).Decode(into)
}

// stopped implements Events on a database on which no server runs. The next server tries all events when it starts.
type stopped struct{ log *outbox.Log }

// List implements Events.
func (s stopped) List(ctx context.Context) ([]outbox.Parked, error) { return s.log.ListParked(ctx) }

// Retry implements Events.
func (s stopped) Retry(context.Context, string) error { return errStopped }

// RetryAll implements Events.
func (s stopped) RetryAll(context.Context) (int, error) { return 0, errStopped }

// Skip implements Events.
func (s stopped) Skip(ctx context.Context, eventID int, why string) error {
	return s.log.SkipParked(ctx, eventID, why)
}

// errStopped is the error of a command that only a running server can carry out.
var errStopped = errors.New("no server runs on this database: start it, and it tries at once the events that wait")
