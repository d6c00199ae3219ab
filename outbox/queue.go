package outbox

import (
	"container/heap"
	"time"

	"lorebridge/ent"
)

// queue is the events of one recipient, in order. At most one of them is with the Sender.
type queue struct {
	recipient int
	key       string // the recipient as progress knows it
	events    []*ent.Event
	attempts  int  // how often the first one was sent alone in vain
	alone     bool // a batch with it failed
	busy      bool // the first one is with the Sender

	// Where inLog is set there are more behind next, in the log: they are read page by page until none is left, and new
	// ones stay there too.
	inLog bool
	next  Cursor
	until time.Time // of one that waits: not read before
	index int       // of one that waits: in schedule
}

// first is the place of the oldest event that is not settled, or earlier.
func (q *queue) first() Cursor {
	if len(q.events) > 0 {
		return At(q.events[0])
	}
	return q.next.next()
}

// schedule is the queues whose events wait in the log, as a heap: the one that is due first is first.
type schedule []*queue

var _ heap.Interface = (*schedule)(nil)

// add has a queue wait until a moment.
func (s *schedule) add(q *queue, until time.Time) {
	q.until = until
	heap.Push(s, q)
}

// due is the first queue if its time has come, or nil.
func (s *schedule) due(now time.Time) *queue {
	if len(*s) == 0 || now.Before((*s)[0].until) {
		return nil
	}
	return (*s)[0]
}

// remove ends a queue's wait.
func (s *schedule) remove(q *queue) { heap.Remove(s, q.index) }

// hurry ends the pause of all.
func (s *schedule) hurry(now time.Time) {
	for _, q := range *s {
		q.until = now // all the same: still a heap
	}
}

// set changes until when a queue waits.
func (s *schedule) set(q *queue, until time.Time) {
	q.until = until
	heap.Fix(s, q.index)
}

// Len is for package heap.
func (s *schedule) Len() int { return len(*s) }

// Less is for package heap.
func (s *schedule) Less(i, j int) bool { return (*s)[i].until.Before((*s)[j].until) }

// Swap is for package heap.
func (s *schedule) Swap(i, j int) {
	all := *s
	all[i], all[j] = all[j], all[i]
	all[i].index, all[j].index = i, j
}

// Push is for package heap.
func (s *schedule) Push(q any) {
	one := q.(*queue)
	one.index = len(*s)
	*s = append(*s, one)
}

// Pop is for package heap.
func (s *schedule) Pop() any {
	last := len(*s) - 1
	q := (*s)[last]
	(*s)[last] = nil
	*s = (*s)[:last]
	return q
}
