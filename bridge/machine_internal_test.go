package bridge

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// elsewhere are the rules where Pusher is another server.
var elsewhere = rules{grace: time.Minute, lifetime: 24 * time.Hour}

var embeddedRules = rules{embedded: true, grace: time.Minute, lifetime: 24 * time.Hour}

// eventNames are the events in their order.
var eventNames = [eventCount]string{
	"authorized", "answered", "occupied", "joinedAgain", "interrupted", "vacated", "unoccupied", "found", "notFound",
	"caughtUp", "lagged", "failed", "refused", "timedOut", "ended",
}

// text names actions.
func (a action) text() string {
	var names []string
	for i, name := range []string{"write", "catchUp", "poll", "settle", "place", "unplace", "forget", "sendEnd"} {
		if a&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// brought is a machine after some events, each a second after the one before.
func brought(r rules, happenings ...event) machine {
	m := machine{state: StatePending, createdAt: start, expiresAt: start.Add(time.Hour), cursor: 10}
	for i, e := range happenings {
		m, _ = m.on(happening{event: e, now: start.Add(time.Duration(i) * time.Second), reason: "why"}, r)
	}
	return m
}

// situations are the boxes of the picture in doc.go. Joining has two: nobody listens yet, and it is being caught up.
var situations = map[string][]event{
	"pending": nil,
	"joining": {authorized},
	"caught":  {authorized, answered, occupied},
	"live":    {authorized, answered, occupied, caughtUp},
	"vacated": {authorized, answered, occupied, caughtUp, vacated},
	"away":    {authorized, answered, occupied, caughtUp, vacated, timedOut},
	"closed":  {authorized, ended},
}

// TestEachEventInEachState has every arrow of the picture. A pair that is not in the table changes nothing.
func TestEachEventInEachState(t *testing.T) {
	t.Parallel()
	const (
		over    = "write settle unplace forget"
		overEnd = over + " sendEnd"
		start   = "write catchUp place"
	)
	table := map[string]map[event]string{
		"pending": {
			authorized: "JOINING: write settle", occupied: "PENDING: place", joinedAgain: "PENDING: place",
			found: "PENDING: place", lagged: "PENDING: write", failed: "PENDING: write", refused: "PENDING: write",
			ended: "CLOSED: " + over,
		},
		"joining": {
			authorized: "JOINING: write settle", occupied: "JOINING: " + start, joinedAgain: "JOINING: " + start,
			found: "JOINING: " + start, lagged: "JOINING: write", failed: "JOINING: write", refused: "JOINING: write",
			ended: "CLOSED: " + overEnd,
		},
		"caught": {
			authorized: "JOINING: write settle", occupied: "JOINING: place", joinedAgain: "JOINING: place",
			vacated: "VACATED: write settle unplace", found: "JOINING: place", caughtUp: "LIVE: write settle",
			lagged: "JOINING: write", failed: "JOINING: write", refused: "JOINING: write", ended: "CLOSED: " + overEnd,
		},
		"live": {
			authorized: "JOINING: write settle", occupied: "LIVE: place", joinedAgain: "JOINING: " + start,
			interrupted: "JOINING: " + start, vacated: "VACATED: write settle unplace", found: "LIVE: place",
			lagged: "JOINING: " + start, failed: "LIVE: write", refused: "LIVE: write", ended: "CLOSED: " + overEnd,
		},
		"vacated": {
			authorized: "JOINING: write settle", occupied: "JOINING: " + start, joinedAgain: "JOINING: " + start,
			found: "JOINING: " + start, lagged: "VACATED: write", failed: "VACATED: write", refused: "VACATED: write",
			ended: "CLOSED: " + overEnd,
		},
		"away":   {},
		"closed": {},
	}
	for name, events := range situations {
		happenings := make([]event, len(events))
		copy(happenings, events)
		m := brought(elsewhere, happenings...)
		if name == "away" { // the last event comes when the grace is over
			m = brought(elsewhere, events[:len(events)-1]...)
			m, _ = m.on(happening{event: timedOut, now: m.vacatedAt.Add(elsewhere.grace + 1)}, elsewhere)
		}
		for e := range eventCount {
			want, listed := table[name][e]
			if !listed {
				want = fmt.Sprintf("%s: ", m.state)
			}
			next, acts := m.on(happening{event: e, now: m.createdAt.Add(5 * time.Second), reason: "why", first: 1}, elsewhere)
			if got := fmt.Sprintf("%s: %s", next.state, acts.text()); got != want {
				t.Errorf("%s while %s: got %q, want %q", eventNames[e], name, got, want)
			}
		}
	}
}

func TestEachDeadlineDoesWhatItIsFor(t *testing.T) {
	t.Parallel()
	const over = "write settle unplace forget"
	left := brought(embeddedRules, authorized, answered, occupied, caughtUp)
	left, _ = left.on(happening{event: vacated, now: start.Add(10 * time.Second), left: true}, embeddedRules)
	failing := brought(elsewhere, authorized, answered, occupied)
	failing, _ = failing.on(happening{event: failed, now: start.Add(2 * time.Second), wait: 7 * time.Second}, elsewhere)
	expiring := brought(elsewhere, authorized, answered, occupied, caughtUp)
	lasting := expiring
	lasting.expiresAt = time.Time{}
	for name, test := range map[string]struct {
		machine machine
		rules   rules
		after   time.Duration // since the start
		want    string
	}{
		"nobody authorized it": {brought(elsewhere), elsewhere, joinTimeout + 1, "AWAY: " + over},
		"Pusher is asked first": {
			brought(elsewhere, authorized, answered),
			elsewhere, time.Second + firstPoll, "JOINING: poll",
		},
		"the embedded server reports no join": {brought(embeddedRules, authorized), embeddedRules, joinTimeout + 1, "AWAY: " + over},
		"the embedded server is asked once": {
			brought(embeddedRules, authorized, answered),
			embeddedRules, time.Second + joinPatience, "JOINING: poll",
		},
		"whoever was there before goes on": {
			brought(embeddedRules, authorized, answered, occupied, caughtUp, authorized, answered),
			embeddedRules, 5*time.Second + joinPatience, "JOINING: write catchUp place",
		},
		"its client does not come back": {
			brought(elsewhere, authorized, answered, occupied, caughtUp, vacated),
			elsewhere, 4*time.Second + time.Minute + 1, "AWAY: " + over + " sendEnd",
		},
		"the same with the embedded server": {
			brought(embeddedRules, authorized, answered, occupied, caughtUp, vacated),
			embeddedRules, 4*time.Second + time.Minute + 1, "AWAY: " + over,
		},
		"its client left on purpose":          {left, embeddedRules, 10*time.Second + leftStays + 1, "CLOSED: " + over},
		"it is tried again after a pause":     {failing, elsewhere, 9 * time.Second, "JOINING: catchUp"},
		"the session expires":                 {expiring, elsewhere, time.Hour, "CLOSED: " + over + " sendEnd"},
		"without a session its lifetime ends": {lasting, elsewhere, 24*time.Hour + 1, "CLOSED: " + over + " sendEnd"},
	} {
		due := start.Add(test.after)
		if got := test.machine.deadline(start, false, test.rules); !got.Equal(due) {
			t.Errorf("%s: due after %v, want %v", name, got.Sub(start), test.after)
		}
		next, acts := test.machine.on(happening{event: timedOut, now: due}, test.rules)
		if got := fmt.Sprintf("%s: %s", next.state, acts.text()); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
		early, acts := test.machine.on(happening{event: timedOut, now: due.Add(-1)}, test.rules)
		if early.state != test.machine.state || acts != 0 {
			t.Errorf("%s a nanosecond early: got %s: %s", name, early.state, acts.text())
		}
	}
}

func TestPusherIsAskedLessAndLessOftenUntilTheAuthorizationIsAllThereIs(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]time.Duration{"new": firstPoll, "back": rejoinPoll} {
		m := brought(elsewhere, authorized)
		if name == "back" {
			m = brought(elsewhere, authorized, answered, occupied, caughtUp, authorized)
		}
		began, now, want := m.authorizedAt, m.authorizedAt, first
		m, _ = m.on(happening{event: answered, now: now}, elsewhere)
		for m.catching != m.joins {
			if wait := m.deadline(now, false, elsewhere).Sub(now); wait != want {
				t.Fatalf("%s: waits %v, want %v", name, wait, want)
			}
			now = now.Add(want)
			var acts action
			if m, acts = m.on(happening{event: timedOut, now: now}, elsewhere); acts != actPoll {
				t.Fatalf("%s: got %s, want a question", name, acts.text())
			}
			m, _ = m.on(happening{event: unoccupied, now: now}, elsewhere)
			want = min(2*want, lastPoll)
		}
		if took := now.Sub(began); took <= lastPoll || took > 2*lastPoll {
			t.Errorf("%s: counts as joined after %v", name, took)
		}
	}
}

func TestALaggingClientThatIsGoneIsSentWhatItMayHaveMissed(t *testing.T) {
	t.Parallel()
	m := brought(elsewhere, authorized, answered, occupied, caughtUp)
	m.cursor = 90
	m, _ = m.on(happening{event: lagged, now: start.Add(time.Hour / 2), to: start, sent: 0, first: 91}, elsewhere)
	if m.cursor != 90 || m.joinCursor != 10 {
		t.Errorf("reads from %d, and from %d if its client turns out to be gone; want 90 and 10", m.cursor, m.joinCursor)
	}
	m, _ = m.on(happening{event: vacated, now: start.Add(time.Hour / 2), to: start, sent: 0}, elsewhere)
	if m.cursor != 10 {
		t.Errorf("goes on from %d, want 10", m.cursor)
	}
}

// Otherwise the scheduler would look at it without an end.
func TestADeadlineThatCannotBeKeptIsLookedAtASecondLater(t *testing.T) {
	t.Parallel()
	m := brought(elsewhere, authorized, answered, occupied, caughtUp, vacated)
	over := m.vacatedAt.Add(elsewhere.grace + 1)
	owed := m.withGap(gapOwed)
	for name, at := range map[string]time.Time{
		"busy": m.deadline(over, true, elsewhere), "owed a gap": owed.deadline(over, false, elsewhere),
	} {
		if !at.Equal(over.Add(time.Second)) {
			t.Errorf("%s: looked at after %v, want 1s", name, at.Sub(over))
		}
	}
}

func TestTheSweepsCountAnewAfterALeave(t *testing.T) {
	t.Parallel()
	m := brought(elsewhere, authorized, answered, occupied, caughtUp, notFound, notFound)
	if m.absent != absentSweeps {
		t.Fatalf("%d sweeps did not find it", m.absent)
	}
	m, _ = m.on(happening{event: vacated, now: start.Add(time.Minute)}, elsewhere)
	m, _ = m.on(happening{event: occupied, now: start.Add(time.Minute)}, elsewhere)
	m, _ = m.on(happening{event: caughtUp, now: start.Add(time.Minute)}, elsewhere)
	if !m.live() || m.absent != 0 {
		t.Errorf("it is %s, and %d sweeps did not find it", m.state, m.absent)
	}
}

func TestWhatNobodyJoinedOfAnAnonymousViewerEnds(t *testing.T) {
	t.Parallel()
	m := brought(elsewhere)
	m.anonymous = true
	m, acts := m.on(happening{event: timedOut, now: start.Add(joinTimeout + 1)}, elsewhere)
	if m.state != StateClosed || acts&actForget == 0 || acts&actSendEnd != 0 {
		t.Errorf("it is %s, with %s", m.state, acts.text())
	}
}

// What was sent counts only as far as the client can have received it.
func TestWhatAClientIsBelievedToHave(t *testing.T) {
	t.Parallel()
	live := machine{state: StateLive, cursor: 90, liveCursor: 20, joinCursor: 10, liveAt: start}
	joining := machine{state: StateJoining, cursor: 90, joinCursor: 10}
	for name, test := range map[string]struct {
		machine machine
		to      time.Duration
		sent    Seq
		want    Seq
	}{
		"live, and sent by then":             {live, time.Second, 70, 70},
		"live, and nothing was sent by then": {live, time.Second, 0, 20},
		"live, and more than its own":        {live, time.Second, 99, 90},
		"before it was live":                 {live, -time.Second, 70, 10},
		"while it is caught up":              {joining, time.Second, 70, 10},
		"gone":                               {machine{state: StateVacated, cursor: 40, joinCursor: 10}, time.Second, 70, 40},
	} {
		if got := test.machine.believed(start.Add(test.to), test.sent); got != test.want {
			t.Errorf("%s: got %d, want %d", name, got, test.want)
		}
	}
}

// FuzzMachine drives the machine with events in any order, and looks at what must always hold.
func FuzzMachine(f *testing.F) {
	f.Add([]byte{0, 1, 2, 9, 5, 13, 14}, true)
	f.Add([]byte{0, 1, 2, 9, 10, 11, 12, 3, 4, 6, 7, 8}, false)
	f.Fuzz(func(t *testing.T, script []byte, isEmbedded bool) {
		r := elsewhere
		r.embedded = isEmbedded
		m := brought(r)
		now, newest := start, Seq(10)
		for _, b := range script {
			e := event(b) % eventCount
			now = now.Add(time.Duration(b>>4) * time.Second)
			newest += Seq(b & 1)
			h := happening{
				event: e, now: now, to: now.Add(-catchUpWindow), sent: newest, first: newest, wait: time.Second, reason: "why",
				busy: b&2 != 0, left: b&4 != 0, silent: b&8 != 0,
			}
			if e == timedOut {
				if at := m.deadline(now, h.busy, r); at.After(h.now) {
					h.now, now = at, at
				}
			}
			before := m
			var acts action
			m, acts = m.on(h, r)
			checkStep(t, before, m, acts, h, r)
		}
	})
}

// checkStep checks what holds for each step.
func checkStep(t *testing.T, before, after machine, acts action, h happening, r rules) {
	t.Helper()
	fails := func(format string, values ...any) {
		t.Helper()
		t.Errorf("%s %s: %s\nbefore %+v\nafter  %+v", eventNames[h.event], acts.text(), fmt.Sprintf(format, values...), before, after)
	}
	if before.over() && (after != before || acts != 0) {
		fails("what is over changes")
	}
	if (acts&actForget != 0) != (after.over() && !before.over()) {
		fails("memory lets go of it though it goes on, or keeps it though it is over")
	}
	if acts&actCatchUp != 0 && (after.state != StateJoining || after.catching != after.joins) {
		fails("it is caught up though nobody joined")
	}
	if after.live() && (!after.occupied || after.catching != 0) {
		fails("it is live though nobody listens")
	}
	if after.state == StateVacated && (after.occupied || after.vacatedAt.IsZero()) {
		fails("it is vacated though somebody listens")
	}
	if after.left && after.state != StateVacated && !after.over() {
		fails("it was left though its client is back")
	}
	if after.joins < before.joins || after.catching > after.joins {
		fails("joins go backwards")
	}
	doubts := h.event == authorized || h.event == joinedAgain || h.event == vacated
	if after.cursor < before.cursor && !doubts {
		fails("the cursor goes back without a doubt")
	}
	if after.gap != gapNone && before.gap == gapNone && h.event != refused {
		fails("a gap is owed though nothing was refused")
	}
	if at := after.deadline(h.now, h.busy, r); after.over() != at.IsZero() {
		fails("its deadline is %v", at)
	}
	if h.event == timedOut { // at a deadline several things can be due, one after the other
		next := after
		for range 3 {
			next, _ = next.on(h, r)
		}
		if at := next.deadline(h.now, h.busy, r); !next.over() && !at.After(h.now) {
			fails("its deadline does not move on: %v at %v", at, h.now)
		}
	}
	if before.cursor > math.MaxInt32 {
		fails("the cursor runs away")
	}
}
