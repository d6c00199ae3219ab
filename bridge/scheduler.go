package bridge

import (
	"cmp"
	"container/heap"
	"context"
	"sync"
	"time"

	"lorebridge/pusherapi"
)

// tasksAtOnce is how many groups a worker takes: as many results as Pusher takes in one batch.
const tasksAtOnce = pusherapi.MaxBatch

// task is something for a worker to do; one of its first fields is set.
type task struct {
	group   *group        // deliver its next event
	catchUp *subscription // send what it missed
	end     *subscription // send its client the end
	poll    *subscription // ask whether its channel is occupied …
	joins   int           // … if it is the same join as then
}

// strangers is the queue of all anonymous viewers. No user is called so.
const strangers = "\x00"

// user is whose task it is; empty if it is everybody's.
func (t task) user() string {
	if t.group != nil {
		return t.group.user()
	}
	if viewer := cmp.Or(t.catchUp, t.end, t.poll).viewer; !viewer.anonymous() {
		return viewer.User
	}
	return strangers
}

// scheduler has a queue of tasks for each user, and workers take from them in turn: who asks for much waits longer, and
// nobody else does. It also knows the deadline of each subscription.
type scheduler struct {
	due     func(sub *subscription, now time.Time) // what is done at a deadline; mu is held
	arrived *sync.Cond                             // a task came, or the end
	wake    chan struct{}                          // holds a token if the next deadline is an earlier one

	mu        *sync.Mutex       // the registry's; it guards what follows
	queues    map[string][]task // by user; the empty one is for what is everybody's
	turns     []string          // whose turn it is: each user with a queue, once
	size      int
	deadlines deadlines
	ended     bool
}

func newScheduler(mu *sync.Mutex, due func(*subscription, time.Time)) *scheduler {
	return &scheduler{
		due: due, arrived: sync.NewCond(mu), wake: make(chan struct{}, 1), mu: mu, queues: make(map[string][]task),
	}
}

// add gives the workers something to do. mu is held.
func (s *scheduler) add(t task) {
	user := t.user()
	if len(s.queues[user]) == 0 {
		s.turns = append(s.turns, user)
	}
	s.queues[user] = append(s.queues[user], t)
	s.size++
	s.arrived.Signal()
}

// next is the task whose turn it is; there is one. mu is held.
func (s *scheduler) next() task { return s.queues[s.turns[0]][0] }

// pop takes the next task, and lets its user wait for another turn. mu is held.
func (s *scheduler) pop() task {
	user := s.turns[0]
	queue := s.queues[user]
	t := queue[0]
	queue[0] = task{}
	s.turns = s.turns[1:]
	if queue = queue[1:]; len(queue) > 0 {
		s.queues[user] = queue
		s.turns = append(s.turns, user)
	} else {
		delete(s.queues, user)
	}
	s.size--
	return t
}

// take waits for tasks: several groups, or one of another kind. Without any, the end has come.
func (s *scheduler) take() []task {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.size == 0 && !s.ended {
		s.arrived.Wait()
	}
	if s.ended {
		return nil
	}
	taken := []task{s.pop()}
	for taken[0].group != nil && len(taken) < tasksAtOnce && s.size > 0 && s.next().group != nil {
		taken = append(taken, s.pop())
	}
	return taken
}

// work hands tasks to a worker until close is called.
func (s *scheduler) work(worker func([]task)) {
	for tasks := s.take(); len(tasks) > 0; tasks = s.take() {
		worker(tasks)
	}
}

// close ends all workers when they have done what they do.
func (s *scheduler) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.arrived.Broadcast()
}

// schedule sets the deadline of a subscription; zero is none. mu is held.
func (s *scheduler) schedule(sub *subscription, at time.Time) {
	if sub.deadline.Equal(at) {
		return
	}
	queued := !sub.deadline.IsZero()
	sub.deadline = at
	switch {
	case at.IsZero():
		heap.Remove(&s.deadlines, sub.place)
		return
	case queued:
		heap.Fix(&s.deadlines, sub.place)
	default:
		heap.Push(&s.deadlines, sub)
	}
	if sub.place == 0 {
		select {
		case s.wake <- struct{}{}:
		default: // it knows already
		}
	}
}

// watch looks at deadlines until ctx ends.
func (s *scheduler) watch(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
		if wait, more := s.look(); more {
			timer.Reset(wait)
		}
	}
}

// look does what is to be done now, and returns how long the next deadline is away, if there is one.
func (s *scheduler) look() (wait time.Duration, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for len(s.deadlines) > 0 {
		sub := s.deadlines[0]
		if wait := sub.deadline.Sub(now); wait > 0 {
			return wait, true
		}
		s.schedule(sub, time.Time{})
		s.due(sub, now) // sets the next one
	}
	return 0, false
}

// deadlines is a heap.
type deadlines []*subscription

var _ heap.Interface = (*deadlines)(nil)

func (d *deadlines) Len() int           { return len(*d) }
func (d *deadlines) Less(i, j int) bool { return (*d)[i].deadline.Before((*d)[j].deadline) }

func (d *deadlines) Swap(i, j int) {
	queue := *d
	queue[i], queue[j] = queue[j], queue[i]
	queue[i].place, queue[j].place = i, j
}

func (d *deadlines) Push(x any) {
	sub := x.(*subscription) //nolint:forcetypeassert // nothing else is in there
	sub.place = len(*d)
	*d = append(*d, sub)
}

func (d *deadlines) Pop() any {
	last := len(*d) - 1
	sub := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return sub
}
