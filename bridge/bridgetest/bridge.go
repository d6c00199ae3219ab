package bridgetest

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"lorebridge/bridge"
)

func bridgeDelivers(t *testing.T, f Fixture) {
	t.Helper()
	w := newWorld(t, f)
	f.Append(t, 0) // before
	channel := w.subscribe(0, "guarded")
	missed := w.commit()
	f.Append(t, 1) // on another topic
	w.join(0, channel)
	w.expect(sent{channel, true, missed, ""})
	for range 3 {
		w.expect(sent{channel, true, w.commit(), ""})
	}
}

// Two members share each execution. What one of them may no longer have is sent to the other alone.
func bridgeExpels(t *testing.T, f Fixture) {
	t.Helper()
	w := newWorld(t, f)
	first, second := w.subscribe(0, "guarded"), w.subscribe(1, "guarded")
	w.join(0, first)
	w.join(1, second)
	seq := w.commit()
	w.expect(sent{first, true, seq, ""}, sent{second, true, seq, ""})
	before := w.bridge.Stats().Executions
	seq = w.commit()
	w.expect(sent{first, true, seq, ""}, sent{second, true, seq, ""})
	if n := w.bridge.Stats().Executions - before; n != 1 {
		t.Errorf("%d executions for two members of a group", n)
	}
	w.people.expel(f.Users[1].ID)
	seq = w.commit()
	w.expect(sent{first, true, seq, ""}, sent{channel: second})
	w.expect(sent{first, true, w.commit(), ""})
	must(t, w.bridge.Persist(t.Context()))
	if r := f.find(t, second); r.State != "CLOSED" || r.ClosedReason == "" {
		t.Errorf("the one who was expelled has %+v", r)
	}
	if r := f.find(t, first); r.State != "LIVE" {
		t.Errorf("the other has %+v", r)
	}
}

func bridgeSharesNothingUnguarded(t *testing.T, f Fixture) {
	t.Helper()
	w := newWorld(t, f)
	first, second := w.subscribe(0, "unguarded"), w.subscribe(1, "unguarded")
	w.join(0, first)
	w.join(1, second)
	seq := w.commit()
	w.expect(sent{first, true, seq, ""}, sent{second, true, seq, ""})
	before := w.bridge.Stats().Executions
	seq = w.commit()
	w.expect(sent{first, true, seq, ""}, sent{second, true, seq, ""})
	if n := w.bridge.Stats().Executions - before; n != 2 {
		t.Errorf("%d executions for two users whose rights nobody asks for", n)
	}
}

// No answer is no yes: what could not be asked is sent later.
func bridgeAsksAgain(t *testing.T, f Fixture) {
	t.Helper()
	w := newWorld(t, f)
	channel := w.subscribe(0, "guarded")
	w.join(0, channel)
	w.expect(sent{channel, true, w.commit(), ""})
	w.people.change(func(p *people) { p.busy = 2 })
	seq := w.commit() // settled only once it was sent
	w.expect(sent{channel, true, seq, ""})
	w.people.mu.Lock()
	defer w.people.mu.Unlock()
	if w.people.busy != 0 {
		t.Errorf("sent though %d questions were not answered", w.people.busy)
	}
}

// A group that was shared is not, once its source has no Allow.
func bridgeFailsClosed(t *testing.T, f Fixture) {
	t.Helper()
	w := newWorld(t, f)
	first, second := w.subscribe(0, "guarded"), w.subscribe(1, "guarded")
	w.join(0, first)
	w.join(1, second)
	seq := w.commit()
	w.expect(sent{first, true, seq, ""}, sent{second, true, seq, ""})
	before := w.bridge.Stats().Executions
	w.people.change(func(p *people) { p.silent = true })
	seq = w.commit()
	w.expect(sent{first, true, seq, ""}, sent{second, true, seq, ""})
	if n := w.bridge.Stats().Executions - before; n != 3 {
		t.Errorf("%d executions, want that of the group, which nobody got, and one for each user", n)
	}
}

// At the beginning, in a stream and where a result is read, Allow is asked as well.
func bridgeAsksEverywhere(t *testing.T, f Fixture) {
	t.Helper()
	w := newWorld(t, f)
	channel := w.subscribe(0, "guarded")
	w.join(0, channel)
	seq := w.commit()
	w.expect(sent{channel, true, seq, ""})
	ctx, cancel := context.WithCancel(w.people.With(t.Context(), w.viewer(0)))
	defer cancel()
	values, err := bridge.Resolve(ctx, w.bridge, bridge.Source[bridge.Seq]{
		Topic: f.Topics[0], Allow: w.people.allow,
		Of: func(_ context.Context, e *bridge.Event) (*bridge.Seq, error) { return &e.Seq, nil },
	})
	must(t, err)
	w.bridge.Stream(f.Append(t, 0), f.Topics[0])
	if got := <-values; got == nil {
		t.Fatal("the stream has ended")
	}
	if status := w.result(0, channel, seq); status != http.StatusOK {
		t.Errorf("reading a result is answered %d", status)
	}
	w.people.expel(f.Users[0].ID)
	w.bridge.Stream(f.Append(t, 0), f.Topics[0])
	if got, open := <-values; open {
		t.Errorf("the stream of the one who was expelled got %d", *got)
	}
	if status := w.result(0, channel, seq); status != http.StatusNotFound {
		t.Errorf("reading a result of what may not be seen any more is answered %d", status)
	}
	if status := w.result(1, channel, seq); status != http.StatusNotFound {
		t.Errorf("reading another's result is answered %d", status)
	}
	if _, err := w.bridge.Subscribe(ctx, bridge.Interest{Topic: f.Topics[0], Allow: w.people.allow}); !errors.Is(err, errExpelled) {
		t.Errorf("a new one of the one who was expelled: %v", err)
	}
}

// What a restart leaves is in the Store and in the Log.
func bridgeRestarts(t *testing.T, f Fixture) {
	t.Helper()
	w := newWorld(t, f)
	guarded, unguarded := w.subscribe(0, "guarded"), w.subscribe(0, "unguarded")
	other := w.subscribe(1, "guarded")
	for user, channel := range map[string]int{guarded: 0, unguarded: 0, other: 1} {
		w.join(channel, user)
	}
	seq := w.commit()
	w.expect(sent{guarded, true, seq, ""}, sent{unguarded, true, seq, ""}, sent{other, true, seq, ""})
	w.stop()
	missed := f.Append(t, 0).Seq
	w.start()
	w.join(0, guarded)
	w.expect(sent{guarded, true, seq, ""}) // perhaps it was lost with the connection
	w.expect(sent{guarded, true, missed, ""})
	w.join(1, other)
	w.expect(sent{other, true, seq, ""})
	w.expect(sent{other, true, missed, ""})
	before := w.bridge.Stats().Executions
	seq = w.commit()
	w.expect(sent{guarded, true, seq, ""}, sent{other, true, seq, ""})
	if n := w.bridge.Stats().Executions - before; n != 1 {
		t.Errorf("%d executions for a group that a restart has made again", n)
	}
}
