package outbox

import (
	"container/heap"
	"time"

	"lorebridge/ent"
)

// queue holds the events of one recipient, in order. The Sender has at most one of them at a time.
type queue struct {
	recipient int
	key       string // the recipient as progress knows it
	events    []*ent.Event
	attempts  int  // failed attempts to send the first one alone
	alone     bool // send the first one alone, because a batch with it failed
	busy      bool // the Sender has the first one

	// inLog is set if more events wait in the log, behind next. They are read page by page until none is left, and
	// new ones stay there too.
	inLog bool
	next  Cursor
	until time.Time // a waiting queue is not read before this time
	index int       // position of a waiting queue in schedule
}

// first returns the place of the oldest event that is not settled, or an earlier one.
func (q *queue) first() Cursor {
	if len(q.events) > 0 {
		return At(q.events[0])
	}
	return q.next.next()
}

// schedule holds the queues whose events wait in the log, as a heap. The queue that is due first comes first.
type schedule []*queue

var _ heap.Interface = (*schedule)(nil)

// add makes a queue wait until a given time.
func (s *schedule) add(q *queue, until time.Time) {
	q.until = until
	heap.Push(s, q)
}

// due returns the first queue if its time has come, or nil.
func (s *schedule) due(now time.Time) *queue {
	if len(*s) == 0 || now.Before((*s)[0].until) {
		return nil
	}
	return (*s)[0]
}

// remove ends a queue's wait.
func (s *schedule) remove(q *queue) { heap.Remove(s, q.index) }

// hurry ends the pause of all queues.
func (s *schedule) hurry(now time.Time) {
	for _, q := range *s {
		q.until = now // equal times keep the order of the heap
	}
}

// set changes the time until which a queue waits.
func (s *schedule) set(q *queue, until time.Time) {
	q.until = until
	heap.Fix(s, q.index)
}

// Len implements heap.Interface.
func (s *schedule) Len() int { return len(*s) }

// Less implements heap.Interface.
func (s *schedule) Less(i, j int) bool { return (*s)[i].until.Before((*s)[j].until) }

// Swap implements heap.Interface.
func (s *schedule) Swap(i, j int) {
	all := *s
	all[i], all[j] = all[j], all[i]
	all[i].index, all[j].index = i, j
}

// Push implements heap.Interface.
func (s *schedule) Push(q any) {
	one := q.(*queue)
	one.index = len(*s)
	*s = append(*s, one)
}

// Pop implements heap.Interface.
func (s *schedule) Pop() any {
	last := len(*s) - 1
	q := (*s)[last]
	(*s)[last] = nil
	*s = (*s)[:last]
	return q
}
