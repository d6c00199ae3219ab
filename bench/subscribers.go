package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// enrolling is the number of clients that register and join subscriptions at a time.
	enrolling = 16
	// enrolledAtOnce is about how many subscriptions are registered before they join, because the server closes those
	// that do not join within a minute.
	enrolledAtOnce = 1000
	// maxPerSocket is the greatest number of channels that the server lets one socket join.
	maxPerSocket = 1000
	// spreadTimeout is the time for an event to reach all subscriptions before it counts as lost.
	spreadTimeout = 2 * time.Minute
)

// update is a result that arrived over Pusher.
type update struct {
	subscription int   // number of the subscription
	item         int64 // id of the published item
	seq          int64 // extensions.subscription.seq
	at           time.Duration
}

// subscribers are the GraphQL subscriptions to knowledgePublished on one server. Each has a channel of its own, and
// they belong to several people. They are numbered from 0. during reads their sockets.
type subscribers struct {
	*target
	people    []account
	author    account // publishes the items
	api       *connection
	where     place    // from the first person; all connect there
	own       bool     // whether each subscription has a selection of its own
	channels  []string // by number of the subscription
	listening []*socket
	updates   receiver[update]
	group     *errgroup.Group // the group of during
}

// newSubscribers signs the people up. grow adds their subscriptions.
func newSubscribers(ctx context.Context, t *target, people int, own bool) (*subscribers, error) {
	subs := &subscribers{target: t, people: make([]account, people), own: own}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(signingUp)
	for i := range subs.people {
		group.Go(func() (err error) {
			subs.people[i], err = t.signUp(groupCtx, fmt.Sprintf("Listener %d", i))
			return err
		})
	}
	group.Go(func() (err error) {
		subs.author, err = t.signUp(groupCtx, "Author")
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	api, err := dial(ctx, t.url)
	if err != nil {
		return nil, err
	}
	subs.api = api
	subs.where, err = api.whereTo(subs.people[0])
	return subs, err
}

// during runs work while the sockets that work adds are read. It disconnects them when work has ended.
func (subs *subscribers) during(ctx context.Context, work func(context.Context) error) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	group, groupCtx := errgroup.WithContext(ctx)
	subs.group = group
	group.Go(func() error {
		defer end() // ends the goroutines that read the sockets
		return work(groupCtx)
	})
	err := group.Wait()
	for _, s := range subs.listening {
		if s != nil {
			s.close()
		}
	}
	return err
}

// stage is the cost of something that many clients did together.
type stage struct {
	count   int
	elapsed time.Duration
	cpu     cpuTime
}

// perSecond returns how often it was done in a second.
func (s stage) perSecond() float64 { return float64(s.count) / s.elapsed.Seconds() }

// each returns the server's CPU time for one, in µs.
func (s stage) each() float64 { return s.cpu.microseconds() / float64(s.count) }

// timed adds the cost of work, which does something many times, to s.
func (subs *subscribers) timed(s *stage, many int, work func() error) error {
	cpu, began := readCPU(subs.pid), subs.now()
	err := work()
	took := readCPU(subs.pid).since(cpu)
	if s.count == 0 {
		s.cpu.known = true
	}
	s.cpu = cpuTime{Duration: s.cpu.Duration + took.Duration, known: s.cpu.known && took.known}
	s.elapsed += subs.now() - began
	s.count += many
	return err
}

// enrolment is the cost of adding subscriptions.
type enrolment struct{ registering, joining stage }

// grow adds subscriptions up to the number to, evenly on the given number of new sockets, and reads these.
func (subs *subscribers) grow(ctx context.Context, to, sockets int) (enrolment, error) {
	var e enrolment
	from := len(subs.channels)
	perSocket := (to - from + sockets - 1) / sockets
	subs.channels = append(subs.channels, make([]string, to-from)...)
	chunk := max(1, enrolledAtOnce/perSocket) * perSocket
	for first := from; first < to; first += chunk {
		many := min(chunk, to-first)
		base, sockets := len(subs.listening), (many+perSocket-1)/perSocket
		subs.listening = append(subs.listening, make([]*socket, sockets)...)
		// All subscriptions of one socket belong to one person, because the server ties a socket to a session.
		who := func(socket int) account { return subs.people[(base+socket)%len(subs.people)] }
		if err := subs.timed(&e.registering, many, func() error {
			return subs.together(ctx, many, func(api *connection, i int) error {
				return subs.register(api, who(i/perSocket), first+i)
			})
		}); err != nil {
			return e, err
		}
		if err := subs.timed(&e.joining, many, func() error {
			return subs.together(ctx, sockets, func(api *connection, i int) (err error) {
				begin := first + i*perSocket
				subs.listening[base+i], err = subs.listenTo(ctx, api, who(i), begin, min(begin+perSocket, first+many))
				return err
			})
		}); err != nil {
			return e, err
		}
	}
	return e, nil
}

// together calls do for the numbers below many, from several clients. Each client takes the next number that is left.
func (subs *subscribers) together(ctx context.Context, many int, do func(api *connection, i int) error) error {
	var next atomic.Int64
	group, groupCtx := errgroup.WithContext(ctx)
	for range min(enrolling, many) {
		group.Go(func() error {
			api, err := dial(groupCtx, subs.url)
			if err != nil {
				return err
			}
			defer api.close()
			for i := int(next.Add(1)) - 1; i < many && groupCtx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := do(api, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return cmp.Or(group.Wait(), context.Cause(ctx))
}

// register stores a subscription and keeps its channel.
func (subs *subscribers) register(api *connection, who account, number int) error {
	var data struct{}
	if err := api.queryInto(who.token, operation{Query: subs.document(number)}, &data); err != nil {
		return fmt.Errorf("register a subscription: %w", err)
	}
	if subs.channels[number] = api.header.Get("X-Subscription-ID"); subs.channels[number] == "" {
		return errors.New("a subscription was answered without X-Subscription-ID")
	}
	return nil
}

// listenTo joins the channels from first to before last on a new socket, and reads it.
func (subs *subscribers) listenTo(ctx context.Context, api *connection, who account, first, last int) (*socket, error) {
	s, err := dialSocket(ctx, subs.where.socketURL)
	if err != nil {
		return nil, err
	}
	numbers := make(map[string]int, last-first)
	for i := first; i < last; i++ {
		numbers[subs.channels[i]] = i
		if err := api.join(s, subs.where.authEndpoint, who.token, subs.channels[i]); err != nil {
			return s, err
		}
	}
	subs.group.Go(func() error { return subs.listen(ctx, s, numbers) })
	return s, nil
}

// listen puts the updates of a socket into updates until ctx ends.
func (subs *subscribers) listen(ctx context.Context, s *socket, numbers map[string]int) error {
	release := context.AfterFunc(ctx, s.close)
	defer release()
	for {
		m, err := s.next()
		at := subs.now()
		number, known := numbers[m.Channel]
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case m.Event != "update" || !known:
			return fmt.Errorf("a socket got %s on %q", m.Event, m.Channel)
		}
		u, err := readUpdate(m.Data, subs.alias(number))
		if err != nil {
			return err
		}
		u.subscription, u.at = number, at
		subs.updates.add(u)
	}
}

// readUpdate decodes an update. Its result has the item's id under the alias.
func readUpdate(data []byte, alias string) (update, error) {
	var decoded struct {
		Result struct {
			Data struct {
				KnowledgePublished map[string]any `json:"knowledgePublished"`
			} `json:"data"`
			Errors     json.RawMessage `json:"errors"`
			Extensions struct {
				Subscription struct {
					Seq int64 `json:"seq"`
				} `json:"subscription"`
			} `json:"extensions"`
		} `json:"result"`
		More bool `json:"more"`
	}
	if err := json.Unmarshal(data, &decoded); err != nil {
		return update{}, fmt.Errorf("decode an update: %w", err)
	}
	r := decoded.Result
	id, _ := r.Data.KnowledgePublished[alias].(string)
	item, err := strconv.ParseInt(id, 10, 64)
	if err != nil || r.Errors != nil || r.Extensions.Subscription.Seq == 0 || !decoded.More {
		return update{}, fmt.Errorf("this is no update of a subscription that goes on, with its own selection: %.300s", data)
	}
	return update{item: item, seq: r.Extensions.Subscription.Seq}, nil
}

// alias returns the alias of the id in a subscription's selection. If each has a selection of its own, only the
// aliases differ.
func (subs *subscribers) alias(number int) string {
	if !subs.own {
		return "id"
	}
	return "n" + strconv.Itoa(number)
}

// document returns the document of a subscription.
func (subs *subscribers) document(number int) string {
	if !subs.own {
		return publishedDocument
	}
	return "subscription { knowledgePublished { " + subs.alias(number) + ": id title owner { name } } }"
}

const (
	publishedDocument = `subscription { knowledgePublished { id title owner { name } } }`

	publishDocument = `mutation Publish($input: CreateKnowledgeInput!) { createKnowledge(input: $input) { knowledge { id } } }`
)

// pings returns how many pings the server has sent to the sockets.
func (subs *subscribers) pings() int64 {
	var sum int64
	for _, s := range subs.listening {
		sum += s.pings.Load()
	}
	return sum
}

// counters are the counters in the server's /healthz.
type counters struct {
	Executions *int64 `json:"executions"`
}

func (subs *subscribers) counters() (counters, error) {
	answer, err := subs.api.get("/healthz")
	if err != nil {
		return counters{}, err
	}
	var health struct {
		Subscriptions counters `json:"subscriptions"`
	}
	if err := json.Unmarshal(answer, &health); err != nil {
		return counters{}, fmt.Errorf("decode /healthz: %w", err)
	}
	return health.Subscriptions, nil
}

// rest waits for d while nothing is sent.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
