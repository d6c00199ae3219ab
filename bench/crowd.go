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
	// enrolling is how many clients register and join subscriptions at a time.
	enrolling = 16
	// enrolledAtOnce is about how many are registered before they join: whoever does not join within a minute is out.
	enrolledAtOnce = 1000
	// maxPerSocket is how many channels the server lets one socket join.
	maxPerSocket = 1000
	// spreadTimeout is how long an event may take to reach everybody before it counts as lost.
	spreadTimeout = 2 * time.Minute
)

// update is a result that came over Pusher.
type update struct {
	subscription int   // its number
	item         int64 // what it tells of
	seq          int64 // extensions.subscription.seq
	at           time.Duration
}

// crowd is the GraphQL subscriptions to knowledgePublished on one server: of several people, each on a channel of its
// own, numbered from 0. It listens within during.
type crowd struct {
	*target
	people   []account
	author   account // publishes what they listen to
	api      *connection
	where    place    // of the first of the people; all connect there
	own      bool     // each subscription has a selection of its own
	channels []string // of the subscriptions
	heard    []*socket
	updates  inbox[update]
	group    *errgroup.Group // of during
}

// newCrowd signs people up. They subscribe when the crowd grows.
func newCrowd(ctx context.Context, t *target, people int, own bool) (*crowd, error) {
	c := &crowd{target: t, people: make([]account, people), own: own}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(signingUp)
	for i := range c.people {
		group.Go(func() (err error) {
			c.people[i], err = t.signUp(groupCtx, fmt.Sprintf("Listener %d", i))
			return err
		})
	}
	group.Go(func() (err error) {
		c.author, err = t.signUp(groupCtx, "Author")
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	api, err := dial(ctx, t.url)
	if err != nil {
		return nil, err
	}
	c.api = api
	c.where, err = api.whereTo(c.people[0])
	return c, err
}

// during runs work while the sockets that it adds are listened to, and disconnects them when it has ended.
func (c *crowd) during(ctx context.Context, work func(context.Context) error) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	group, groupCtx := errgroup.WithContext(ctx)
	c.group = group
	group.Go(func() error {
		defer end() // or its listeners would go on
		return work(groupCtx)
	})
	err := group.Wait()
	for _, s := range c.heard {
		if s != nil {
			s.close()
		}
	}
	return err
}

// stage is what something took that many clients did together.
type stage struct {
	count   int
	elapsed time.Duration
	cpu     cpuTime
}

// perSecond is how often it was done in a second.
func (s stage) perSecond() float64 { return float64(s.count) / s.elapsed.Seconds() }

// each is the server's CPU time for one, in µs.
func (s stage) each() float64 { return s.cpu.microseconds() / float64(s.count) }

// timed adds what work takes for so many.
func (c *crowd) timed(s *stage, many int, work func() error) error {
	cpu, began := readCPU(c.pid), c.now()
	err := work()
	took := readCPU(c.pid).since(cpu)
	if s.count == 0 {
		s.cpu.known = true
	}
	s.cpu = cpuTime{Duration: s.cpu.Duration + took.Duration, known: s.cpu.known && took.known}
	s.elapsed += c.now() - began
	s.count += many
	return err
}

// enrolment is the work behind a crowd's subscriptions.
type enrolment struct{ registering, joining stage }

// grow adds subscriptions until there are so many, evenly on so many new sockets, and listens to them.
func (c *crowd) grow(ctx context.Context, to, sockets int) (enrolment, error) {
	var e enrolment
	from := len(c.channels)
	perSocket := (to - from + sockets - 1) / sockets
	c.channels = append(c.channels, make([]string, to-from)...)
	chunk := max(1, enrolledAtOnce/perSocket) * perSocket
	for first := from; first < to; first += chunk {
		many := min(chunk, to-first)
		base, sockets := len(c.heard), (many+perSocket-1)/perSocket
		c.heard = append(c.heard, make([]*socket, sockets)...)
		// All that share a socket are one person's: the server ties it to a session.
		who := func(socket int) account { return c.people[(base+socket)%len(c.people)] }
		if err := c.timed(&e.registering, many, func() error {
			return c.together(ctx, many, func(api *connection, i int) error {
				return c.register(api, who(i/perSocket), first+i)
			})
		}); err != nil {
			return e, err
		}
		if err := c.timed(&e.joining, many, func() error {
			return c.together(ctx, sockets, func(api *connection, i int) (err error) {
				begin := first + i*perSocket
				c.heard[base+i], err = c.listenTo(ctx, api, who(i), begin, min(begin+perSocket, first+many))
				return err
			})
		}); err != nil {
			return e, err
		}
	}
	return e, nil
}

// together has clients do so many things, each the next one that is left.
func (c *crowd) together(ctx context.Context, many int, do func(api *connection, i int) error) error {
	var next atomic.Int64
	group, groupCtx := errgroup.WithContext(ctx)
	for range min(enrolling, many) {
		group.Go(func() error {
			api, err := dial(groupCtx, c.url)
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

// register stores a subscription.
func (c *crowd) register(api *connection, who account, number int) error {
	var data struct{}
	if err := api.queryInto(who.token, operation{Query: c.document(number)}, &data); err != nil {
		return fmt.Errorf("register a subscription: %w", err)
	}
	if c.channels[number] = api.header.Get("X-Subscription-ID"); c.channels[number] == "" {
		return errors.New("a subscription was answered without X-Subscription-ID")
	}
	return nil
}

// listenTo has a new socket join the channels from first to before last, and listens.
func (c *crowd) listenTo(ctx context.Context, api *connection, who account, first, last int) (*socket, error) {
	s, err := dialSocket(ctx, c.where.socketURL)
	if err != nil {
		return nil, err
	}
	numbers := make(map[string]int, last-first)
	for i := first; i < last; i++ {
		numbers[c.channels[i]] = i
		if err := api.join(s, c.where.authEndpoint, who.token, c.channels[i]); err != nil {
			return s, err
		}
	}
	c.group.Go(func() error { return c.listen(ctx, s, numbers) })
	return s, nil
}

// listen puts what arrives at a socket into the inbox, until ctx ends.
func (c *crowd) listen(ctx context.Context, s *socket, numbers map[string]int) error {
	release := context.AfterFunc(ctx, s.close)
	defer release()
	for {
		m, err := s.next()
		at := c.now()
		number, known := numbers[m.Channel]
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case m.Event != "update" || !known:
			return fmt.Errorf("a socket got %s on %q", m.Event, m.Channel)
		}
		u, err := readUpdate(m.Data, c.alias(number))
		if err != nil {
			return err
		}
		u.subscription, u.at = number, at
		c.updates.add(u)
	}
}

// readUpdate reads what a subscription was sent. Its result has the id under the alias, too.
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

// alias is under which name a subscription selects the id: where each has a selection of its own, it is this that
// tells them apart.
func (c *crowd) alias(number int) string {
	if !c.own {
		return "id"
	}
	return "n" + strconv.Itoa(number)
}

// document is a subscription.
func (c *crowd) document(number int) string {
	if !c.own {
		return publishedDocument
	}
	return "subscription { knowledgePublished { " + c.alias(number) + ": id title owner { name } } }"
}

const (
	publishedDocument = `subscription { knowledgePublished { id title owner { name } } }`

	publishDocument = `mutation Publish($input: CreateKnowledgeInput!) { createKnowledge(input: $input) { knowledge { id } } }`
)

// pings is how many the server has sent to the crowd.
func (c *crowd) pings() int64 {
	var sum int64
	for _, s := range c.heard {
		sum += s.pings.Load()
	}
	return sum
}

// counters is what the server counts, as far as its /healthz tells.
type counters struct {
	Executions *int64 `json:"executions"`
}

func (c *crowd) counters() (counters, error) {
	answer, err := c.api.get("/healthz")
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

// rest lets the server alone.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
