package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lorebridge/auth"
	"lorebridge/database"
	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/outbox"
)

// repeatable is the time before a crash in which settled events may be sent again after it.
const repeatable = 200 * time.Millisecond

// settlement records how and when an event was settled.
type settlement struct {
	how string // taken, rejected or skipped
	at  time.Time
}

// model records what has happened to the events of one database, over several processes.
type model struct {
	mu        sync.Mutex
	random    *rand.Rand
	covered   map[string]int // how often each case has happened, to check that all have
	questions int
	settled   map[int][]settlement
	crashes   []time.Time
	read      [][]int         // by readers of different speed
	places    []outbox.Cursor // the places of these readers
	followed  followed
}

// followed records the input of a follower.
type followed struct {
	owed map[int]int       // recipients of what was published and not settled, by event
	done map[int]time.Time // when the others were settled
	// These belong to the current process:
	before    map[int]int // owed at its start
	published []int
	resumed   map[int]int // first event, by recipient
}

func (m *model) draw(n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.random.IntN(n)
}

func (m *model) pause(ctx context.Context, most time.Duration) {
	select {
	case <-time.After(time.Duration(m.draw(int(most)) + 1)): // not 0, see leastWait
	case <-ctx.Done():
	}
}

func (m *model) cover(what string, when bool) {
	if when {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.covered[what]++
	}
}

// process is one process on the database, from its start to its end or to a crash.
type process struct {
	*model
	t      *testing.T
	people int
	path   string
	client *ent.Client
	log    *outbox.Log
	relay  sending
	sick   map[int]bool    // recipients to whom nothing can be sent
	ctx    context.Context //nolint:containedctx // the life of the process
	cancel context.CancelFunc
	stop   context.CancelFunc // of the follower
	work   sync.WaitGroup
	down   bool // whether the receiver is down
	calm   bool // whether nothing fails any more
	dead   bool // whether it has crashed; then its calls are not recorded
}

func (p *process) is(flag *bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return *flag
}

func (p *process) set(flag *bool, to bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*flag = to
}

// Send fails in every manner that a Sender may.
func (p *process) Send(ctx context.Context, batch []*ent.Event) ([]error, error) {
	p.cover("several in a batch", len(batch) > 1)
	verdicts := make([]error, len(batch))
	if p.is(&p.calm) {
		return verdicts, p.settle(batch, verdicts)
	}
	p.pause(ctx, 30*time.Millisecond)
	dice := p.draw(100)
	if dice == 0 {
		p.cover("it hangs", true)
		select {
		case <-time.After(5 * time.Second):
		case <-ctx.Done():
		}
		return nil, errDown
	}
	if p.is(&p.down) || dice < 8 {
		p.cover("a batch fails", len(batch) > 1)
		p.cover("an event fails alone", len(batch) == 1)
		return nil, errDown
	}
	for i, e := range batch {
		switch dice := p.draw(100); {
		case p.sick[*e.RecipientID] && dice < 80:
			verdicts[i] = errDown
		case dice < 4:
			verdicts[i] = waitError{time.Duration(dice) * 300 * time.Millisecond}
		case dice < 7:
			verdicts[i] = &outbox.RefusedError{Reason: "never"}
		case dice < 10:
			verdicts[i] = outbox.ErrUntried
			p.cover("an event is not tried", true)
		}
	}
	return verdicts, p.settle(batch, verdicts)
}

// settle records the events that the Sender's answer settles.
func (p *process) settle(batch []*ent.Event, verdicts []error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return errDown
	}
	for i, e := range batch {
		_, rejected := errors.AsType[*outbox.RefusedError](verdicts[i])
		if verdicts[i] == nil {
			p.settled[e.ID] = append(p.settled[e.ID], settlement{"taken", time.Now()})
		} else if rejected {
			p.settled[e.ID] = append(p.settled[e.ID], settlement{"rejected", time.Now()})
		}
	}
	return nil
}

func (p *process) Check(context.Context) error {
	p.cover("a check", true)
	if p.is(&p.down) {
		return errDown
	}
	p.cover("a check succeeds", true)
	return nil
}

// question returns a question that nobody has asked yet.
func (m *model) question() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.questions++
	return fmt.Sprint("question ", m.questions)
}

// commits writes requests, in transactions that end in every manner.
func (p *process) commits() {
	for p.ctx.Err() == nil {
		p.pause(p.ctx, 120*time.Millisecond)
		owners := make([]int, 1+p.draw(3))
		for j := range owners {
			owners[j] = 2 + p.draw(p.people)
		}
		question := p.question()
		var err error
		switch dice := p.draw(20); dice {
		case 0:
			p.cover("a commit fails", true)
			failToCommit(p.t, p.log, question, owners...)
		case 1:
			p.cover("a commit fails and takes place", true)
			if err := askThen(p.t, p.log, question, func() error { return errDown }); !errors.Is(err, errDown) {
				p.t.Error(err)
			}
		case 2:
			p.cover("a transaction is rolled back", true)
			_ = p.log.WithTx(auth.AsSystem(p.t.Context()), func(ctx context.Context, tx *ent.Client) error {
				change := outbox.Change{Kind: event.KindKnowledgeRequest, RecipientID: owners[0]}
				return errors.Join(outbox.Append(ctx, change), errDown)
			})
		case 3:
			err = learn(p.t.Context(), p.log, question)
		default:
			err = tryAsk(p.t.Context(), p.log, question, owners...)
		}
		if err != nil {
			p.t.Error(err)
		}
	}
}

// operates skips and retries as an operator would, and reads the relay's state.
func (p *process) operates() {
	for p.ctx.Err() == nil {
		p.pause(p.ctx, 40*time.Millisecond)
		s, err := p.relay.State(p.ctx)
		if err != nil {
			return
		}
		p.cover("read from the table", s.FromTable)
		p.cover("read from memory", !s.FromTable && s.Held > 0)
		p.cover("to be sent together", s.Ready > 1)
		p.cover("to be sent alone", s.Alone > 0)
		p.cover("suspect", s.Suspects > 0)
		p.cover("suspects are tried", s.Trying > 0)
		p.cover("as many suspects as allowed", s.Trying == 2)
		p.cover("waits in the log", s.InLog > 0)
		p.cover("an outage", s.Outage)
		switch p.draw(20) {
		case 0:
			n, err := p.relay.RetryAll(p.ctx)
			p.cover("all are retried", err == nil && n > 0)
		case 1:
			p.cover("one is retried", p.relay.Retry(p.ctx, 2+p.draw(p.people)) == nil)
		case 2, 3, 4:
			p.skips()
		}
	}
}

// skips makes an operator skip an event that waits, or one that does not.
func (p *process) skips() {
	all, err := p.log.ListParked(p.ctx)
	if err != nil || len(all) == 0 {
		return
	}
	for i := range all {
		p.cover("parked", all[i].State == "WAITING" && all[i].Reader == outbox.People)
		p.cover("kept as refused", all[i].State == "REFUSED")
		p.cover("kept as skipped", all[i].State == "SKIPPED")
	}
	one := all[p.draw(len(all))]
	switch err := p.relay.Skip(p.ctx, one.EventID, "why not"); {
	case err == nil:
		p.cover("skipped", true)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.settled[one.EventID] = append(p.settled[one.EventID], settlement{"skipped", time.Now()})
	case errors.Is(err, outbox.ErrBeingSent):
		p.cover("skipped while it is sent", true)
	case errors.Is(err, outbox.ErrNotWaiting):
		p.cover("skipped too late", true)
	}
}

// reads continues where the reader of the previous process was.
func (p *process) reads(i int) {
	reader := p.log.Read(p.places[i])
	defer reader.Close()
	limit := []int{1, 7, 1000}[i]
	for {
		if p.is(&p.dead) {
			return
		}
		page := next(p.t, reader, limit)
		p.mu.Lock()
		p.read[i], p.places[i] = append(p.read[i], page...), reader.At()
		p.mu.Unlock()
		if len(page) > 0 {
			p.pause(p.ctx, []time.Duration{1, 1, 500 * time.Millisecond}[i])
			continue
		}
		select {
		case <-reader.Ready():
		case <-p.ctx.Done():
			return
		}
	}
}

// follower returns a follower that settles events in any order, and some not at all.
func (p *process) follower() *outbox.Follower {
	f, err := outbox.NewFollower(outbox.FollowerConfig{
		Log: p.log, Logger: slog.New(slog.DiscardHandler), Reader: outbox.Subscriptions, Publish: p.publish, Resume: p.resume,
	})
	if err != nil {
		p.t.Error(err)
	}
	return f
}

func (p *process) publish(e outbox.Entry, done func()) []string {
	id, f := e.Event.ID, &p.followed
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead || e.Event.RecipientID == nil {
		return nil
	}
	if n := len(f.published); n > 0 && f.published[n-1] >= id {
		p.t.Errorf("event %d is published after %d", id, f.published[n-1])
	}
	f.published = append(f.published, id)
	if at, settled := f.done[id]; settled && !p.repeatable(at, time.Now()) {
		p.t.Errorf("event %d is published again though it was settled", id)
	}
	f.owed[id] = *e.Event.RecipientID
	if p.random.IntN(30) > 0 || p.calm {
		p.work.Go(func() {
			p.pause(p.ctx, 150*time.Millisecond)
			p.mu.Lock()
			defer p.mu.Unlock()
			if !p.dead && p.ctx.Err() == nil {
				f.done[id] = time.Now()
				delete(f.owed, id)
				done()
			}
		})
	}
	return []string{strconv.Itoa(*e.Event.RecipientID)}
}

func (p *process) resume(recipient string, from outbox.Cursor, done func()) {
	p.cover("a recipient is resumed", true)
	id, err := strconv.Atoi(recipient)
	if err != nil {
		p.t.Error(err)
	}
	p.mu.Lock()
	p.followed.resumed[id] = from.Seq()
	p.mu.Unlock()
	p.work.Go(func() {
		p.pause(p.ctx, time.Second)
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.dead || p.ctx.Err() != nil {
			return
		}
		for event, owner := range p.followed.before {
			if owner == id && event >= from.Seq() && !slices.Contains(p.followed.published, event) {
				p.followed.done[event] = time.Now()
				delete(p.followed.owed, event)
			}
		}
		done()
	})
}

// repeatable reports whether an event that was settled at one time may be settled again at another. The caller holds
// m.mu.
func (m *model) repeatable(settled, again time.Time) bool {
	return slices.ContainsFunc(m.crashes, func(crash time.Time) bool {
		return !settled.After(crash) && crash.Sub(settled) <= repeatable && !again.Before(crash)
	})
}

// sizes are the limits of a process's memory.
type sizes struct{ queue, memory int }

// start starts a process.
func (m *model) start(t *testing.T, path string, people int, s sizes) *process {
	t.Helper()
	p := &process{model: m, t: t, people: people, path: path, sick: make(map[int]bool)}
	client, err := database.Open(t.Context(), database.Config{URL: "sqlite:" + path})
	if err != nil {
		t.Fatal(err)
	}
	p.client, p.log = client, smallLog(t, client, s.memory)
	for range m.draw(people) {
		p.sick[2+m.draw(people)] = true
	}
	p.relay = newRelay(t, client, outbox.RelayConfig{
		Log: p.log, Sender: p, QueueSize: s.queue, BatchSize: 4, InFlight: 4, Drain: 2 * time.Second, Jitter: rand.Float64,
	})
	f := &m.followed
	f.before, f.published, f.resumed = maps.Clone(f.owed), nil, make(map[int]int)
	p.ctx, p.cancel = context.WithCancel(context.WithoutCancel(t.Context()))
	stop, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	p.stop = cancel
	follower := p.follower()
	p.work.Go(func() {
		if err := p.relay.Run(p.ctx); err != nil {
			t.Error(err)
		}
	})
	p.work.Go(func() {
		if err := follower.Run(p.ctx, stop); err != nil {
			t.Error(err)
		}
	})
	for i := range p.places {
		p.work.Go(func() { p.reads(i) })
	}
	return p
}

// end ends a process and waits until it has ended.
func (p *process) end() {
	p.cancel()
	p.stop()
	p.work.Wait()
	for event, owner := range p.followed.before {
		from, resumed := p.followed.resumed[owner]
		_, settled := p.followed.done[event]
		if !settled && !slices.Contains(p.followed.published, event) && (!resumed || from > event) {
			p.t.Errorf("event %d, which was open, was neither published again nor resumed", event)
		}
	}
	if err := p.client.Close(); err != nil {
		p.t.Error(err)
	}
}

// crash ends a process as if it had died at this moment, and returns the path of the database that it leaves.
func (p *process) crash() (path string) {
	synctest.Wait()
	path = snapshot(p.t, p.path)
	p.mu.Lock()
	p.dead, p.crashes = true, append(p.crashes, time.Now())
	p.mu.Unlock()
	return path
}

// TestTheLogAgainstAModel runs several processes one after the other, which write and send events while everything
// fails that can. No event is lost, those of one recipient are settled in order, and only a crash repeats some.
func TestTheLogAgainstAModel(t *testing.T) {
	covered := make(map[string]int)
	missing := func() []string {
		return slices.DeleteFunc([]string{
			"read from the table", "read from memory", "to be sent together", "to be sent alone", "suspect",
			"suspects are tried", "as many suspects as allowed", "waits in the log", "an outage", "a check",
			"a check succeeds", "several in a batch", "a batch fails", "an event fails alone", "an event is not tried",
			"it hangs", "a commit fails", "a commit fails and takes place", "a transaction is rolled back",
			"all are retried", "one is retried", "parked", "kept as refused", "kept as skipped", "skipped",
			"skipped too late", "a recipient is resumed", "a crash", "a clean stop", "sent again after a crash",
		}, func(what string) bool { return covered[what] > 0 })
	}
	all := []sizes{{8, 8}, {8, 0}, {64, 64}, {0, 8}, {0, 0}}
	const most = 25 // cases that depend on luck may need more processes than the first ones
	for seed := 1; seed <= len(all) || seed <= most && len(missing()) > 0; seed++ {
		s := all[seed%len(all)]
		t.Run(fmt.Sprintf("seed %d, queue %d, memory %d", seed, s.queue, s.memory), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playModel(t, uint64(seed), s, covered) })
		})
	}
	if never := missing(); len(never) > 0 {
		t.Errorf("it never happened: %q", never)
	}
	t.Log(covered)
}

func playModel(t *testing.T, seed uint64, s sizes, covered map[string]int) {
	t.Helper()
	const people, writers, readers = 12, 4, 3
	path := filepath.Join(t.TempDir(), "test.db")
	m := &model{
		random: rand.New(rand.NewPCG(seed, 5)), covered: covered, settled: make(map[int][]settlement),
		read: make([][]int, readers), places: make([]outbox.Cursor, readers),
		followed: followed{owed: make(map[int]int), done: make(map[int]time.Time)},
	}
	client, err := database.Open(t.Context(), database.Config{URL: "sqlite:" + path})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, client, people)
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	for life := range 3 {
		p := m.start(t, path, people, s)
		for range writers {
			p.work.Go(p.commits)
		}
		p.work.Go(p.operates)
		m.pause(t.Context(), time.Second)
		p.set(&p.down, life%2 == 0)
		m.pause(t.Context(), time.Second)
		p.set(&p.down, false)
		m.pause(t.Context(), time.Second)
		if crash := life < 1 || m.draw(2) == 0; crash {
			path = p.crash()
			m.cover("a crash", true)
		} else {
			m.cover("a clean stop", true)
		}
		p.end()
	}
	p := m.start(t, path, people, s)
	p.set(&p.calm, true)
	<-time.After(time.Minute)
	synctest.Wait()
	if status := p.relay.Status(); status.Waiting != 0 || status.Behind || status.Parked != 0 {
		t.Errorf("at last: %+v", status)
	}
	m.check(t, rows(t, p.client))
	p.end()
	m.checkRows(t, path)
}

// check compares the records with the table.
func (m *model) check(t *testing.T, all []*ent.Event) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	ids := idsOf(all)
	for i, got := range m.read {
		if diff := cmp.Diff(ids, got); diff != "" {
			t.Errorf("the rows, and what reader %d got (-rows +got):\n%s", i, diff)
		}
	}
	last := make(map[int]settlement) // by recipient
	for _, e := range all {
		if e.RecipientID == nil {
			continue
		}
		history := m.settled[e.ID]
		if len(history) == 0 {
			t.Errorf("event %d of %d is lost", e.ID, *e.RecipientID)
			continue
		}
		for i := 1; i < len(history); i++ {
			m.covered["sent again after a crash"]++
			if !m.repeatable(history[i-1].at, history[i].at) {
				t.Errorf("event %d was %s, and then %s", e.ID, history[i-1].how, history[i].how)
			}
		}
		if history[0].how == "skipped" {
			continue
		}
		if before := last[*e.RecipientID]; before.at.After(history[0].at) {
			t.Errorf("event %d of %d was %s before the one before it", e.ID, *e.RecipientID, history[0].how)
		}
		last[*e.RecipientID] = history[0]
		if _, settled := m.followed.done[e.ID]; !settled {
			t.Errorf("event %d is still open for subscriptions", e.ID)
		}
	}
	if len(m.followed.owed) > 0 {
		t.Errorf("at last %d events are open", len(m.followed.owed))
	}
}

// checkRows compares the rows of the readers with the records.
func (m *model) checkRows(t *testing.T, path string) {
	t.Helper()
	client := reopen(t, path)
	all := rows(t, client)
	for _, reader := range []string{outbox.People, outbox.Subscriptions} {
		if got, want := progressOf(t, client, reader), fmt.Sprintf("%d []", len(all)); got != want {
			t.Errorf("the progress of %s is %s, want %s", reader, got, want)
		}
	}
	kept, err := newLog(t, client).ListParked(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, want := make(map[int]string), make(map[int]string)
	for i := range kept {
		got[kept[i].EventID] = kept[i].State
	}
	for id, history := range m.settled {
		switch history[len(history)-1].how {
		case "rejected":
			want[id] = "REFUSED"
		case "skipped":
			want[id] = "SKIPPED"
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what is kept of events that are never sent (-want +got):\n%s", diff)
	}
}
