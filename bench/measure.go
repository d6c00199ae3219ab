package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// deliveryTimeout is the time for an event to arrive before it counts as lost.
	deliveryTimeout = 15 * time.Second
	// settling is how long to wait for repeated events, which must not come. The work of the server after an event
	// has been sent also belongs to its CPU time.
	settling = 300 * time.Millisecond
)

// load is the work to put on a server.
type load struct {
	work     work
	clients  int
	duration time.Duration // no operation begins after it
	limit    int           // of operations
	// perSecond is the number of operations that all clients together begin in a second, however long the answers
	// take. If it is 0, each client begins its next operation when the last one is answered, and limit applies.
	perSecond int
}

// measurement is the result of a load.
type measurement struct {
	work       work
	elapsed    time.Duration // until the last answer
	cpu        cpuTime
	ownCPU     cpuTime
	latencies  []time.Duration // of all operations
	mutations  int
	deliveries []delivery
	faults     faults
}

// client is one client of a load, with its records.
type client struct {
	*target
	load
	api       *connection
	requester account
	owner     account // the person whose list it reads
	latencies []time.Duration
	mutations []mutation
}

// measure puts a load on the server and waits until its events have arrived. It returns an error if an operation
// failed or ctx ended. Broken promises are in the measurement.
func (t *target) measure(ctx context.Context, l load) (measurement, error) {
	m := measurement{work: l.work}
	clients, err := t.connect(ctx, l)
	defer func() {
		for _, c := range clients {
			c.api.close()
		}
	}()
	if err != nil {
		return m, err
	}
	cpu, ownCPU := readCPU(t.pid), readCPU(ownPID)
	started := t.now()
	drive := drive
	if l.perSecond > 0 {
		drive = drivePaced
	}
	if err := drive(ctx, clients, l, started); err != nil {
		return m, err
	}
	m.elapsed = t.now() - started
	var mutations []mutation
	for _, c := range clients {
		m.latencies = append(m.latencies, c.latencies...)
		mutations = append(mutations, c.mutations...)
	}
	m.mutations = len(mutations)
	if err := t.settle(ctx, m.mutations); err != nil {
		return m, err
	}
	m.cpu, m.ownCPU = readCPU(t.pid).since(cpu), readCPU(ownPID).since(ownCPU)
	m.deliveries, m.faults = audit(mutations, t.received.take())
	return m, nil
}

// drive makes each client send its next operation when the last one is answered.
func drive(ctx context.Context, clients []*client, l load, started time.Duration) error {
	var tickets atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for _, c := range clients {
		group.Go(func() error { return c.run(ctx, started+l.duration, &tickets) })
	}
	return group.Wait()
}

// drivePaced makes the clients take turns at creating, at a steady pace.
func drivePaced(ctx context.Context, clients []*client, l load, _ time.Duration) error {
	sending, stop := context.WithTimeout(ctx, l.duration)
	defer stop()
	group, sending := errgroup.WithContext(sending)
	every := time.Duration(len(clients)) * time.Second / time.Duration(l.perSecond)
	for i, c := range clients {
		group.Go(func() error { return c.pace(sending, every*time.Duration(i)/time.Duration(len(clients)), every) })
	}
	return cmp.Or(group.Wait(), ctx.Err())
}

// connect returns the connected clients, and an error if it could not connect all.
func (t *target) connect(ctx context.Context, l load) ([]*client, error) {
	clients := make([]*client, 0, l.clients)
	for i := range l.clients {
		api, err := dial(ctx, t.url)
		if err != nil {
			return clients, err
		}
		clients = append(clients, &client{
			target: t, load: l, api: api,
			requester: t.requesters[i], owner: t.recipients[i%len(t.recipients)],
		})
	}
	return clients, nil
}

// settle waits for so many events, and a little longer.
func (t *target) settle(ctx context.Context, events int) error {
	waiting, cancel := context.WithTimeout(ctx, deliveryTimeout)
	defer cancel()
	t.received.wait(waiting, events)
	select {
	case <-time.After(settling):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// run sends operations until the time end, since the target's epoch, or until the tickets are used up.
func (c *client) run(ctx context.Context, end time.Duration, tickets *atomic.Int64) error {
	for n := 0; ctx.Err() == nil && c.now() < end && tickets.Add(1) <= int64(c.limit); n++ {
		operate := c.list
		if c.work.creates(n) {
			operate = c.create
		}
		if err := operate(); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// pace creates at a steady pace until ctx ends. The first operation is sent after the time first. The pace does not
// change if answers come late.
func (c *client) pace(ctx context.Context, first, every time.Duration) error {
	timer := time.NewTimer(first)
	defer timer.Stop()
	due := time.Now().Add(first)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if err := c.create(); err != nil {
			return err
		}
		due = due.Add(every)
		timer.Reset(time.Until(due))
	}
}

// create sends a new question to the next recipient.
func (c *client) create() error {
	number := c.asked.Add(1)
	recipient := int(number % int64(len(c.recipients)))
	var data struct {
		CreateKnowledgeRequest struct {
			KnowledgeRequest struct{ ID string }
			AlreadyExists    bool
		}
	}
	o := operation{createDocument, map[string]any{"input": map[string]string{
		"ownerId":  c.recipients[recipient].id,
		"question": fmt.Sprintf("How do we treat partial refunds over the turn of the year? (%s/%d)", c.mark, number),
	}}}
	sent := c.now()
	if err := c.api.queryInto(c.requester.token, o, &data); err != nil {
		return err
	}
	answered := c.now()
	created := data.CreateKnowledgeRequest
	id, err := strconv.ParseInt(created.KnowledgeRequest.ID, 10, 64)
	if err != nil || created.AlreadyExists {
		return fmt.Errorf("a new question was answered with request %q, already exists: %v", created.KnowledgeRequest.ID, created.AlreadyExists)
	}
	c.latencies = append(c.latencies, answered-sent)
	c.mutations = append(c.mutations, mutation{requestID: id, recipient: recipient, sent: sent, answered: answered})
	return nil
}

// list reads an owner's newest requests.
func (c *client) list() error {
	sent := c.now()
	answer, err := c.api.query(c.owner.token, operation{listDocument, map[string]any{"first": listed}})
	if err != nil {
		return err
	}
	c.latencies = append(c.latencies, c.now()-sent)
	// Counting is enough, and decoding would cost bench too much CPU.
	if bytes.Count(answer, []byte(`"requester":{`)) != listed {
		return errors.New("a list has not as many requests as were asked for: " + string(answer[:min(len(answer), 300)]))
	}
	return nil
}
