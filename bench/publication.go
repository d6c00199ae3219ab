package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// item is a published item. Times are since the target's epoch.
type item struct {
	id       int64
	sent     time.Duration // before the mutation's first byte was written
	answered time.Duration // after its answer was read
}

// publication is an item and its updates.
type publication struct {
	item
	updates []update // in the order of their arrival, at least per socket
}

// publish makes the author publish an item, and waits until all subscriptions have it or the time is over.
func (subs *subscribers) publish(ctx context.Context) (publication, error) {
	var data struct {
		CreateKnowledge struct{ Knowledge struct{ ID string } }
	}
	p := publication{item: item{sent: subs.now()}}
	err := subs.api.queryInto(subs.author.token, operation{publishDocument, map[string]any{"input": map[string]string{
		"title":   "How we close the books at the turn of the year " + strconv.FormatInt(subs.asked.Add(1), 10),
		"content": "First the refunds, then the vouchers, and the rest in January.",
	}}}, &data)
	if err != nil {
		return p, fmt.Errorf("publish: %w", err)
	}
	p.answered = subs.now()
	if p.id, err = strconv.ParseInt(data.CreateKnowledge.Knowledge.ID, 10, 64); err != nil {
		return p, fmt.Errorf("publish: %w", err)
	}
	waiting, cancel := context.WithTimeout(ctx, spreadTimeout)
	defer cancel()
	subs.updates.wait(waiting, len(subs.channels))
	p.updates = subs.updates.take()
	return p, ctx.Err()
}

// first returns the time of the first update, and last that of the last one. They are zero if there is none.
func (p publication) first() time.Duration { return p.when(slices.MinFunc[[]update]) }

func (p publication) last() time.Duration { return p.when(slices.MaxFunc[[]update]) }

func (p publication) when(pick func([]update, func(a, b update) int) update) time.Duration {
	if len(p.updates) == 0 {
		return 0
	}
	return pick(p.updates, func(a, b update) int { return int(a.at - b.at) }).at
}

// auditUpdates counts broken promises. Each subscription must get each item once, in the order of publication, with a
// sequence number that is the same for all and grows. late holds the updates that arrived after the last publication
// was complete.
func auditUpdates(publications []publication, subscriptions int, late []update) (received int, f faults) {
	place := make(map[int64]int, len(publications)) // by item
	for i, p := range publications {
		place[p.id] = i
	}
	var (
		got    = make([]bool, len(publications)*subscriptions)
		latest = make([]int, subscriptions) // place of the last one, plus one
		seqs   = make([]int64, len(publications))
	)
	look := func(u update) {
		i, known := place[u.item]
		if !known || u.subscription >= subscriptions {
			f.foreign++
			return
		}
		cell := u.subscription*len(publications) + i
		if got[cell] {
			f.repeated++
			return
		}
		got[cell] = true
		received++
		if seqs[i] == 0 {
			seqs[i] = u.seq
		}
		if i+1 < latest[u.subscription] || u.seq != seqs[i] {
			f.disorder++
		}
		latest[u.subscription] = max(latest[u.subscription], i+1)
	}
	for _, p := range publications {
		for _, u := range p.updates {
			look(u)
		}
	}
	for _, u := range late {
		look(u)
	}
	f.lost = len(got) - received
	if !slices.IsSorted(seqs) && f.lost == 0 {
		f.disorder++
	}
	return received, f
}
