package bridge

import (
	"cmp"
	"context"
	"time"

	"lorebridge/pusherapi"
)

// tasksAtOnce is how many groups a worker takes: as many results as Pusher takes in one batch.
const tasksAtOnce = pusherapi.MaxBatch

// task is something for a worker to do; one of its fields is set.
type task struct {
	group   *group        // deliver its next event
	catchUp *subscription // send what it missed
	end     *subscription // send its client the end
	poll    *subscription // ask whether its channel is occupied …
	waited  time.Duration // … after so long
}

// userID is whose task it is; 0 where it is everybody's.
func (t task) userID() int {
	if t.group != nil {
		return t.group.person()
	}
	return cmp.Or(t.catchUp, t.end, t.poll).viewer.UserID
}

// backlog is what workers are to do, in a line for each person: who asks for much waits longer, and nobody else does.
type backlog struct {
	lines map[int][]task // by person; 0 is for what is everybody's
	turns []int          // whose turn it is: each person with a line, once
	size  int
}

func (b *backlog) add(userID int, t task) {
	if len(b.lines[userID]) == 0 {
		b.turns = append(b.turns, userID)
	}
	b.lines[userID] = append(b.lines[userID], t)
	b.size++
}

// next is the task whose turn it is; there is one.
func (b *backlog) next() task { return b.lines[b.turns[0]][0] }

// pop takes the next task, and lets its person wait for another turn.
func (b *backlog) pop() task {
	userID := b.turns[0]
	line := b.lines[userID]
	t := line[0]
	line[0] = task{}
	b.turns = b.turns[1:]
	if line = line[1:]; len(line) > 0 {
		b.lines[userID] = line
		b.turns = append(b.turns, userID)
	} else {
		delete(b.lines, userID)
	}
	b.size--
	return t
}

// enqueue gives the workers something to do. s.mu is held.
func (s *Subscriptions) enqueue(t task) {
	s.backlog.add(t.userID(), t)
	s.arrived.Signal()
}

// take waits for tasks: several groups, or one of another kind. Without any, the end has come.
func (s *Subscriptions) take() []task {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.backlog.size == 0 && !s.ended {
		s.arrived.Wait()
	}
	if s.ended {
		return nil
	}
	taken := []task{s.backlog.pop()}
	for taken[0].group != nil && len(taken) < tasksAtOnce && s.backlog.size > 0 && s.backlog.next().group != nil {
		taken = append(taken, s.backlog.pop())
	}
	return taken
}

// work is one worker.
func (s *Subscriptions) work(ctx context.Context) {
	for {
		tasks := s.take()
		switch {
		case len(tasks) == 0:
			return
		case tasks[0].group != nil:
			s.deliver(ctx, tasks)
		case tasks[0].catchUp != nil:
			s.catchUp(ctx, tasks[0].catchUp)
		case tasks[0].end != nil:
			s.sendEnd(ctx, tasks[0].end)
		case tasks[0].poll != nil:
			s.poll(ctx, tasks[0].poll, tasks[0].waited)
		}
	}
}
