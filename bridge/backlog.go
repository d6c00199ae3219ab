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

// user is whose task it is; empty where it is everybody's.
func (t task) user() string {
	if t.group != nil {
		return t.group.person()
	}
	return cmp.Or(t.catchUp, t.end, t.poll).viewer.User
}

// backlog is what workers are to do, in a line for each person: who asks for much waits longer, and nobody else does.
type backlog struct {
	lines map[string][]task // by person; the empty one is for what is everybody's
	turns []string          // whose turn it is: each person with a line, once
	size  int
}

func (b *backlog) add(user string, t task) {
	if len(b.lines[user]) == 0 {
		b.turns = append(b.turns, user)
	}
	b.lines[user] = append(b.lines[user], t)
	b.size++
}

// next is the task whose turn it is; there is one.
func (b *backlog) next() task { return b.lines[b.turns[0]][0] }

// pop takes the next task, and lets its person wait for another turn.
func (b *backlog) pop() task {
	user := b.turns[0]
	line := b.lines[user]
	t := line[0]
	line[0] = task{}
	b.turns = b.turns[1:]
	if line = line[1:]; len(line) > 0 {
		b.lines[user] = line
		b.turns = append(b.turns, user)
	} else {
		delete(b.lines, user)
	}
	b.size--
	return t
}

// enqueue gives the workers something to do. b.mu is held.
func (b *Bridge) enqueue(t task) {
	b.backlog.add(t.user(), t)
	b.arrived.Signal()
}

// take waits for tasks: several groups, or one of another kind. Without any, the end has come.
func (b *Bridge) take() []task {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.backlog.size == 0 && !b.ended {
		b.arrived.Wait()
	}
	if b.ended {
		return nil
	}
	taken := []task{b.backlog.pop()}
	for taken[0].group != nil && len(taken) < tasksAtOnce && b.backlog.size > 0 && b.backlog.next().group != nil {
		taken = append(taken, b.backlog.pop())
	}
	return taken
}

// work is one worker.
func (b *Bridge) work(ctx context.Context) {
	for {
		tasks := b.take()
		switch {
		case len(tasks) == 0:
			return
		case tasks[0].group != nil:
			b.deliver(ctx, tasks)
		case tasks[0].catchUp != nil:
			b.catchUp(ctx, tasks[0].catchUp)
		case tasks[0].end != nil:
			b.sendEnd(ctx, tasks[0].end)
		case tasks[0].poll != nil:
			b.poll(ctx, tasks[0].poll, tasks[0].waited)
		}
	}
}
