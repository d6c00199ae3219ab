package bridgetest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lorebridge/bridge"
)

// draft is a record of a user on a channel.
func (f Fixture) draft(user int, channel string) *bridge.Record {
	u := f.Users[user]
	return &bridge.Record{
		Channel: channel, Viewer: bridge.Viewer{User: u.ID, Session: u.Session}, Topic: f.Topics[0], Shared: true, Field: "numbers",
		Operation: "Numbers", Document: "subscription Numbers { numbers { seq } }", Variables: map[string]any{"a": "b"},
		Protocol: bridge.ProtocolUnset, Compress: true, State: bridge.StatePending, Cursor: 7,
		CreatedAt: moment(0), ExpiresAt: moment(-time.Hour),
	}
}

// create keeps records of a user and returns their ids.
func (f Fixture) create(t *testing.T, user int, channels ...string) []int {
	t.Helper()
	ids := make([]int, len(channels))
	for i, channel := range channels {
		id, err := f.Store.Create(t.Context(), f.draft(user, channel))
		must(t, err)
		ids[i] = id
	}
	return ids
}

// find returns the record of a channel, which must be there.
func (f Fixture) find(t *testing.T, channel string) *bridge.Record {
	t.Helper()
	r, err := f.Store.Find(t.Context(), channel)
	must(t, err)
	if r == nil {
		t.Fatalf("there is no record of %s", channel)
	}
	return r
}

// states returns the states of channels.
func (f Fixture) states(t *testing.T, channels ...string) []bridge.State {
	t.Helper()
	states := make([]bridge.State, len(channels))
	for i, channel := range channels {
		states[i] = f.find(t, channel).State
	}
	return states
}

// goAway has records be away since some moments.
func (f Fixture) goAway(t *testing.T, ids []int, since ...time.Time) {
	t.Helper()
	var updates []bridge.Update
	for i, id := range ids {
		updates = append(updates, bridge.Update{IDs: []int{id}, State: bridge.StateAway, Cursor: 8, VacatedAt: since[i]})
	}
	must(t, f.Store.Update(t.Context(), updates))
}

func storeFinds(t *testing.T, f Fixture) {
	t.Helper()
	want := f.draft(0, "private-gql-a")
	id, err := f.Store.Create(t.Context(), want)
	must(t, err)
	other := f.create(t, 1, "private-gql-b")
	got := f.find(t, "private-gql-a")
	if got.CreatedAt.IsZero() || got.ID != id || id == 0 || id == other[0] {
		t.Errorf("got id %d created at %v, and beside it %v", got.ID, got.CreatedAt, other)
	}
	want.ID, want.CreatedAt = id, got.CreatedAt
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	got.Variables["a"], got.State = "changed", bridge.StateClosed
	if again := f.find(t, "private-gql-a"); again.State != bridge.StatePending || again.Variables["a"] != "b" {
		t.Error("a record that was found can be changed from outside")
	}
	none, err := f.Store.Find(t.Context(), "private-gql-c")
	must(t, err)
	if none != nil {
		t.Errorf("found %v, want none", none)
	}
	open, err := f.Store.Open(t.Context())
	must(t, err)
	if len(open) != 2 || open[0].ID != min(id, other[0]) || open[1].ID != max(id, other[0]) {
		t.Errorf("%d are open, want both by id", len(open))
	}
}

func storeUpdates(t *testing.T, f Fixture) {
	t.Helper()
	ids := f.create(t, 0, "a", "b", "c")
	at := moment(time.Minute)
	must(t, f.Store.Update(t.Context(), []bridge.Update{
		{IDs: ids[:2], State: bridge.StateVacated, Cursor: 9, VacatedAt: at, DeliveredAt: at, LastError: "no"},
		{IDs: ids[2:], State: bridge.StateLive, Cursor: 10},
	}))
	must(t, f.Store.Update(t.Context(), []bridge.Update{{IDs: ids[1:2], State: bridge.StateLive, Cursor: 11}}))
	must(t, f.Store.Update(t.Context(), nil))
	type changed struct {
		State     bridge.State
		Cursor    bridge.Seq
		Vacated   bool
		Delivered bool
		LastError string
	}
	for channel, want := range map[string]changed{
		"a": {bridge.StateVacated, 9, true, true, "no"},
		"b": {bridge.StateLive, 11, false, true, "no"},
		"c": {bridge.StateLive, 10, false, false, ""},
	} {
		r := f.find(t, channel)
		got := changed{r.State, r.Cursor, r.VacatedAt.Equal(at), r.DeliveredAt.Equal(at), r.LastError}
		if got != want {
			t.Errorf("%s: got %+v, want %+v", channel, got, want)
		}
	}
	if r := f.find(t, "b"); !r.VacatedAt.IsZero() || r.Document == "" {
		t.Errorf("b left at %v, and runs %q", r.VacatedAt, r.Document)
	}
}

func storeKeepsTheEnd(t *testing.T, f Fixture) {
	t.Helper()
	ids := f.create(t, 0, "a", "b")
	at := moment(time.Minute)
	must(t, f.Store.Update(t.Context(), []bridge.Update{
		{IDs: ids[:1], State: bridge.StateClosed, Cursor: 9, ClosedAt: at, ClosedReason: "enough"},
		{IDs: ids[1:], State: bridge.StateClosed, Cursor: 9, ClosedAt: at, ClosedReason: "too large", Readable: true},
	}))
	must(t, f.Store.Update(t.Context(), []bridge.Update{{IDs: ids, State: bridge.StateLive, Cursor: 99}}))
	joined, err := f.Store.Join(t.Context(), ids[0], bridge.ProtocolBoth, 99, moment(0))
	must(t, err)
	n, err := f.Store.End(t.Context(), ids, "once more", false)
	must(t, err)
	if joined || n != 0 {
		t.Errorf("joined: %t, ended: %d, of what has ended", joined, n)
	}
	for channel, reason := range map[string]string{"a": "enough", "b": "too large"} {
		r := f.find(t, channel)
		if r.State != bridge.StateClosed || r.Cursor != 9 || !r.ClosedAt.Equal(at) || r.ClosedReason != reason ||
			r.Viewer.User != f.Users[0].ID {
			t.Errorf("%s: got %+v", channel, r)
		}
		if (r.Document != "") != (channel == "b") || (len(r.Variables) > 0) != (channel == "b") {
			t.Errorf("%s: keeps %q with %v", channel, r.Document, r.Variables)
		}
	}
	open, err := f.Store.Open(t.Context())
	must(t, err)
	if len(open) != 0 {
		t.Errorf("%d are open", len(open))
	}
}

func storeJoins(t *testing.T, f Fixture) {
	t.Helper()
	ids := f.create(t, 0, "a")
	at := moment(0)
	f.goAway(t, ids, moment(time.Minute))
	joined, err := f.Store.Join(t.Context(), ids[0], bridge.ProtocolLighthouse, 12, at)
	must(t, err)
	r := f.find(t, "a")
	if !joined || r.State != bridge.StateJoining || r.Protocol != bridge.ProtocolLighthouse || r.Cursor != 12 ||
		!r.AuthorizedAt.Equal(at) || !r.VacatedAt.IsZero() {
		t.Errorf("joined: %t, got %+v", joined, r)
	}
	joined, err = f.Store.Join(t.Context(), ids[0]+1000, bridge.ProtocolBoth, 1, at)
	must(t, err)
	if joined {
		t.Error("what is not there is joined")
	}
}

func storeEndsAway(t *testing.T, f Fixture) {
	t.Helper()
	mine, theirs := f.create(t, 0, "a", "b"), f.create(t, 1, "c", "d")
	f.goAway(t, []int{mine[0], theirs[0]}, moment(time.Minute), moment(time.Minute))
	sessions, err := f.Store.AwaySessions(t.Context())
	must(t, err)
	slices.Sort(sessions)
	want := []string{f.Users[0].Session, f.Users[1].Session}
	slices.Sort(want)
	if !slices.Equal(sessions, want) {
		t.Errorf("sessions of what is away: %v, want %v", sessions, want)
	}
	must(t, f.Store.EndSession(t.Context(), f.Users[0].OtherSession, "another session"))
	must(t, f.Store.EndSession(t.Context(), f.Users[0].Session, "gone"))
	open := []bridge.State{bridge.StateClosed, bridge.StatePending, bridge.StateAway, bridge.StatePending}
	if got := f.states(t, "a", "b", "c", "d"); !slices.Equal(got, open) || f.find(t, "a").ClosedReason != "gone" {
		t.Errorf("got %v, want %v", got, open)
	}
	must(t, f.Store.EndOlder(t.Context(), moment(time.Hour), "too old"))
	if got := f.states(t, "c"); got[0] != bridge.StateAway {
		t.Error("what is young is ended for its age")
	}
	must(t, f.Store.EndOlder(t.Context(), moment(-time.Hour), "old"))
	if got := f.states(t, "b", "c", "d"); !slices.Equal(got, []bridge.State{bridge.StatePending, bridge.StateClosed, bridge.StatePending}) {
		t.Errorf("after the end of the old ones: %v", got)
	}
	n, err := f.Store.End(t.Context(), []int{mine[1], theirs[1]}, "only what is away", true)
	must(t, err)
	m, err := f.Store.End(t.Context(), []int{mine[1], mine[1] + 1000}, "all", false)
	must(t, err)
	if n != 0 || m != 1 || f.find(t, "b").ClosedReason != "all" {
		t.Errorf("ended %d and %d, want 0 and 1", n, m)
	}
}

func storeExcess(t *testing.T, f Fixture) {
	t.Helper()
	ids, other := f.create(t, 0, "a", "b", "c", "d", "e"), f.create(t, 1, "f")
	ago := func(minutes int) time.Time { return moment(time.Duration(minutes) * time.Minute) }
	f.goAway(t, ids[:4], ago(3), ago(1), ago(4), ago(2)) // b, d, a, c: the last one left first
	f.goAway(t, other, ago(9))
	for _, test := range []struct {
		keep, limit int
		want        []int
	}{
		{0, 10, []int{ids[1], ids[3], ids[0], ids[2]}},
		{2, 10, []int{ids[0], ids[2]}},
		{1, 2, []int{ids[3], ids[0]}},
		{4, 10, nil},
		{9, 1, nil},
	} {
		got, err := f.Store.ExcessAway(t.Context(), f.Users[0].ID, test.keep, test.limit)
		must(t, err)
		if !slices.Equal(got, test.want) {
			t.Errorf("beyond %d, at most %d: got %v, want %v", test.keep, test.limit, got, test.want)
		}
	}
}

func storeRemoves(t *testing.T, f Fixture) {
	t.Helper()
	ids := f.create(t, 0, "a", "b", "c")
	must(t, f.Store.Update(t.Context(), []bridge.Update{
		{IDs: ids[:1], State: bridge.StateClosed, ClosedAt: moment(2 * time.Hour), ClosedReason: "old"},
		{IDs: ids[1:2], State: bridge.StateClosed, ClosedAt: moment(time.Minute), ClosedReason: "new"},
	}))
	n, err := f.Store.Remove(t.Context(), moment(time.Hour))
	must(t, err)
	gone, err := f.Store.Find(t.Context(), "a")
	must(t, err)
	if n != 1 || gone != nil {
		t.Errorf("removed %d, and left %v", n, gone)
	}
	f.states(t, "b", "c")
	if id := f.create(t, 0, "d")[0]; slices.Contains(ids, id) {
		t.Errorf("id %d is given twice", id)
	}
}
