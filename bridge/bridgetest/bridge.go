package bridgetest

import (
	"testing"
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
