package outbox

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// table holds the rows of one reader.
type table struct {
	mark    Cursor
	settled ranges
	rows    map[string]Cursor
	finals  map[Cursor]struct{}
}

func newTable() *table {
	return &table{rows: make(map[string]Cursor), finals: make(map[Cursor]struct{})}
}

func (d *table) write(t *testing.T, rec record) {
	t.Helper()
	if rec.mark.done.Before(d.mark) {
		t.Fatalf("the watermark goes back from %d to %d", d.mark.seq, rec.mark.done.seq)
	}
	settled, err := parseRanges(rec.mark.settled)
	if err != nil {
		t.Fatal(err)
	}
	d.mark, d.settled = rec.mark.done, settled
	for _, key := range rec.free {
		delete(d.rows, key)
	}
	for i := range rec.parked {
		d.rows[rec.parked[i].key] = rec.parked[i].from
	}
	for _, f := range rec.finals {
		d.finals[f.at] = struct{}{}
	}
}

// again reports whether an event of a recipient would be sent after a crash.
func (d *table) again(at Cursor, key string) bool {
	if _, never := d.finals[at]; never || d.settled.cover(at) {
		return false
	}
	from, parked := d.rows[key]
	return d.mark.Before(at) || parked && !at.Before(from)
}

func (d *table) String() string {
	text := fmt.Sprintf("%d [%s]", d.mark.seq, d.settled)
	for _, key := range slices.Sorted(maps.Keys(d.rows)) {
		text += fmt.Sprintf(" %s:%d", key, d.rows[key].seq)
	}
	return text
}

// TestTheTableAfterEachStep drives a progress step by step, and shows the table after each record.
func TestTheTableAfterEachStep(t *testing.T) {
	t.Parallel()
	type steps func(p *progress, write func(after time.Duration))
	at := func(seq int) Cursor { return Cursor{seq} }
	begin := func(p *progress, seq int, keys ...string) {
		p.begin(at(seq), epoch, keys...)
		p.pass(at(seq))
	}
	const soon, late = 50 * time.Millisecond, 100 * time.Millisecond
	for name, test := range map[string]struct {
		do   steps
		want []string
	}{
		"what nobody gets moves the watermark": {func(p *progress, write func(time.Duration)) {
			p.pass(at(7))
			write(0)
		}, []string{"7 []"}},
		"an open event holds the watermark": {func(p *progress, write func(time.Duration)) {
			for seq, key := range []string{1: "a", 2: "b", 3: "c", 4: "a", 5: "d"} {
				if key != "" {
					begin(p, seq, key)
				}
			}
			p.settle(at(2))
			p.settle(at(3))
			p.settle(at(5))
			write(soon)
			p.settle(at(1))
			write(soon)
			p.settle(at(4))
			write(soon)
		}, []string{"0 [2-3,5]", "3 [5]", "5 []"}},
		"after 100 ms its recipient is parked, and no other": {func(p *progress, write func(time.Duration)) {
			begin(p, 1, "a")
			begin(p, 2, "b")
			p.settle(at(2))
			write(late - 1)
			write(late)
			begin(p, 3, "a") // does not hold back the watermark
			write(late)
			p.settle(at(1))
			write(late)
			p.settle(at(3))
			write(late)
		}, []string{"0 [2]", "2 [] a:1", "3 [] a:1", "3 [] a:3", "3 []"}},
		"what passes an older one of its recipient has a row lead back to that": {func(p *progress, write func(time.Duration)) {
			begin(p, 1, "a")
			begin(p, 2, "a", "b")
			begin(p, 3, "b")
			begin(p, 4, "c")
			p.settle(at(2))
			p.settle(at(3))
			p.settle(at(4))
			write(soon)
			write(late)
			p.settle(at(1))
			write(late)
		}, []string{"4 [] a:1", "4 [] a:1", "4 []"}},
		"one event for several": {func(p *progress, write func(time.Duration)) {
			begin(p, 1, "a", "b")
			begin(p, 2, "b", "c")
			begin(p, 3, "a", "c")
			p.settle(at(2))
			write(late)
			p.settle(at(1))
			write(late)
			p.settle(at(3))
			write(late)
		}, []string{"3 [] a:1 b:1 c:3", "3 [] a:3 c:3", "3 []"}},
		"events that wait in the log": {func(p *progress, write func(time.Duration)) {
			begin(p, 1, "a")
			begin(p, 2, "a")
			begin(p, 3, "b")
			p.wait("a", at(1))
			p.settle(at(3))
			p.note("a", 1, epoch, "oh")
			write(soon)
			p.leave(at(4), "a")
			p.pass(at(4))
			write(soon)
			p.begin(at(1), epoch, "a")
			p.resume("a", at(2))
			p.settle(at(1))
			write(soon)
			p.begin(at(2), epoch, "a")
			p.begin(at(4), epoch, "a")
			p.resume("a", Cursor{})
			p.settle(at(2))
			p.settle(at(4))
			write(soon)
			begin(p, 5, "a")
			write(soon)
			p.settle(at(5))
			write(soon)
		}, []string{"3 [] a:1", "4 [] a:1", "4 [] a:2", "4 []", "4 []", "5 []"}},
		"what waits behind an open event is not settled": {func(p *progress, write func(time.Duration)) {
			begin(p, 1, "slow")
			begin(p, 2, "x")
			begin(p, 3, "sick")
			begin(p, 4, "x")
			p.wait("sick", at(3))
			p.leave(at(5), "sick")
			begin(p, 6, "x")
			p.settle(at(2))
			p.settle(at(4))
			p.settle(at(6))
			write(soon)
			p.begin(at(3), epoch, "sick")
			p.settle(at(3))
			p.resume("sick", at(5))
			write(soon)
			p.settle(at(1))
			write(soon)
		}, []string{"0 [2,4,6] sick:3", "0 [2-4,6] sick:5", "6 [] sick:5"}},
		"what is open for one that is parked is not settled": {func(p *progress, write func(time.Duration)) {
			begin(p, 1, "t")
			write(late)
			p.begin(at(2), epoch.Add(late), "other")
			p.pass(at(2))
			for seq := 3; seq <= 5; seq++ {
				p.begin(at(seq), epoch.Add(late), []string{"x", "t", "x"}[seq-3])
				p.pass(at(seq))
			}
			p.settle(at(3))
			p.settle(at(5))
			write(late)
		}, []string{"1 [] t:1", "1 [3,5] t:1"}},
		"an event that an operator skips counts as settled": {func(p *progress, write func(time.Duration)) {
			begin(p, 1, "slow")
			begin(p, 2, "sick")
			p.wait("sick", at(2))
			p.never(final{at: at(2), key: "sick", why: "why not"})
			p.resume("sick", Cursor{})
			write(soon)
			p.settle(at(1))
			write(soon)
		}, []string{"0 [2]", "2 []"}},
		"one that is freed while new events begin": {func(p *progress, write func(time.Duration)) {
			begin(p, 1, "a")
			write(late)
			p.settle(at(1))
			begin(p, 2, "a") // the row of a is still there
			write(late)
			p.settle(at(2))
			write(late)
			begin(p, 3, "a") // the row of a is gone
			write(soon)
			write(late)
		}, []string{"1 [] a:1", "2 [] a:2", "2 []", "2 []", "3 [] a:3"}},
		"an unknown event settles nothing": {func(p *progress, write func(time.Duration)) {
			begin(p, 2, "a")
			p.settle(at(1))
			p.settle(at(3))
			write(soon)
			p.settle(at(2))
			p.settle(at(2))
			write(soon)
		}, []string{"1 []", "2 []"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, d := newProgress(Cursor{}, nil), newTable()
			var got []string
			test.do(p, func(after time.Duration) {
				d.write(t, p.record(epoch.Add(after)))
				got = append(got, d.String())
			})
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("mark, ranges and rows (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhenProgressIsDue(t *testing.T) {
	t.Parallel()
	p := newProgress(Cursor{}, nil)
	due := func() string {
		at, ok := p.dueAt(epoch)
		if !ok {
			if p.due(epoch.Add(time.Hour)) {
				t.Error("it is due and has no time")
			}
			return "never"
		}
		if !p.due(at) || p.due(at.Add(-1)) && at.After(epoch) {
			t.Errorf("it is not due from %v on", at)
		}
		return at.Sub(epoch).String()
	}
	steps := []struct {
		name string
		do   func()
		want string
	}{
		{"nothing has happened", func() {}, "never"},
		{"an event has begun", func() { p.begin(Cursor{1}, epoch, "a") }, "100ms"},
		{"the reader went on", func() { p.pass(Cursor{1}) }, "0s"},
		{"written", func() { p.record(epoch) }, "100ms"},
		{"a note on one that is not parked", func() { p.note("a", 1, epoch, "oh") }, "100ms"},
		{"an event was rejected", func() { p.never(final{at: Cursor{9}, key: "a"}) }, "0s"},
		{"written again", func() { p.record(epoch) }, "100ms"},
		{"its recipient is parked", func() { p.record(epoch.Add(parkAfter)) }, "never"},
		{"a note on one that is", func() { p.note("a", 1, epoch, "oh") }, "0s"},
		{"the note is written", func() { p.record(epoch) }, "never"},
		{"settled", func() { p.settle(Cursor{1}) }, "0s"},
		{"freed", func() { p.record(epoch) }, "never"},
	}
	for _, step := range steps {
		step.do()
		if got := due(); got != step.want {
			t.Errorf("%s: due %s, want %s", step.name, got, step.want)
		}
	}
	if len(p.keys) != 0 || len(p.open) != 0 || len(p.above) != 0 || len(p.changed) != 0 {
		t.Errorf("nothing is open, and %v are kept", p)
	}
}

func TestTheRowOfAParkedRecipientHasItsState(t *testing.T) {
	t.Parallel()
	p := newProgress(Cursor{}, nil)
	p.begin(Cursor{1}, epoch, "a")
	p.pass(Cursor{1})
	p.wait("a", Cursor{1})
	p.note("a", 3, epoch.Add(time.Second), "HTTP 403")
	rec := p.record(epoch)
	until := epoch.Add(time.Second)
	want := []parking{{key: "a", from: Cursor{1}, attempts: 3, until: until, err: "HTTP 403"}}
	if diff := cmp.Diff(want, rec.parked, cmp.AllowUnexported(parking{}, Cursor{})); diff != "" {
		t.Errorf("its row (-want +got):\n%s", diff)
	}
	p.note("a", 0, time.Time{}, "")
	rec = p.record(epoch)
	want = []parking{{key: "a", from: Cursor{1}}}
	if diff := cmp.Diff(want, rec.parked, cmp.AllowUnexported(parking{}, Cursor{})); diff != "" {
		t.Errorf("its row afterwards (-want +got):\n%s", diff)
	}
}

// TestARecordIsBounded lets more recipients wait than one record takes. The watermark passes none without a row.
func TestARecordIsBounded(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(p *progress, at Cursor, key string){
		"they fail": func(p *progress, at Cursor, key string) { p.wait(key, at) },
		"they hang": func(*progress, Cursor, string) {},
		"half of each": func(p *progress, at Cursor, key string) {
			if at.seq%2 == 0 {
				p.wait(key, at)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const n = 3*maxRows + 10
			p, d := newProgress(Cursor{}, nil), newTable()
			for seq := 1; seq <= n; seq++ {
				p.begin(Cursor{seq}, epoch, strconv.Itoa(seq))
				p.pass(Cursor{seq})
				leave(p, Cursor{seq}, strconv.Itoa(seq))
			}
			records := 0
			for now := epoch.Add(parkAfter); p.due(now); records++ {
				rec := p.record(now)
				if len(rec.parked) > maxRows || len(rec.parked) == 0 {
					t.Fatalf("%d rows are written at once", len(rec.parked))
				}
				if name == "they hang" && len(rec.parked) > rowsAtOnce {
					t.Errorf("%d recipients are parked at once", len(rec.parked))
				}
				if records == 1 { // nothing is lost if a write fails
					p.again(rec)
					continue
				}
				d.write(t, rec)
				for seq := 1; seq <= n; seq++ {
					if !d.again(Cursor{seq}, strconv.Itoa(seq)) {
						t.Fatalf("record %d: a crash would lose event %d: %s", records, seq, d)
					}
				}
			}
			if d.mark.seq != n || len(d.rows) != n {
				t.Errorf("at last the watermark is %d, and %d of %d are parked", d.mark.seq, len(d.rows), n)
			}
			if records < 4 {
				t.Errorf("all were parked in %d records", records)
			}
		})
	}
}

// TestAFailedWriteIsTakenBackWhole fails a write while more wait than one record takes. Recipients that the watermark
// had passed come first in the next record.
func TestAFailedWriteIsTakenBackWhole(t *testing.T) {
	t.Parallel()
	p, d := newProgress(Cursor{}, nil), newTable()
	wait := func(from, to int) {
		for seq := from; seq <= to; seq++ {
			p.begin(Cursor{seq}, epoch, strconv.Itoa(seq))
			p.pass(Cursor{seq})
			p.wait(strconv.Itoa(seq), Cursor{seq})
		}
	}
	wait(1, 300)
	p.never(final{at: Cursor{1}, key: "1", why: "first"})
	rec := p.record(epoch)
	if rec.mark.done.seq != 300 || len(rec.parked) != 300 {
		t.Fatalf("%d rows up to %d", len(rec.parked), rec.mark.done.seq)
	}
	p.never(final{at: Cursor{2}, key: "2", why: "second"})
	p.again(rec)
	wait(301, 1500)
	rec = p.record(epoch)
	if len(rec.finals) != 2 || rec.finals[0].at.seq != 1 {
		t.Errorf("the rejected events are now %v", rec.finals)
	}
	d.write(t, rec)
	for seq := 3; seq <= 1500; seq++ {
		if !d.again(Cursor{seq}, strconv.Itoa(seq)) {
			t.Fatalf("a crash would lose event %d: watermark %d, %d rows", seq, d.mark.seq, len(d.rows))
		}
	}
	// A recipient whose row is to be removed, in a write that fails, gets a new event meanwhile.
	for p.due(epoch) {
		d.write(t, p.record(epoch))
	}
	p.resume("7", Cursor{})
	rec = p.record(epoch)
	if !slices.Equal(rec.free, []string{"7"}) {
		t.Fatalf("freed: %v", rec.free)
	}
	p.begin(Cursor{1501}, epoch, "7")
	p.pass(Cursor{1501})
	p.again(rec)
	d.write(t, p.record(epoch))
	if _, parked := d.rows["7"]; parked || !d.again(Cursor{1501}, "7") {
		t.Errorf("its row: %v; sent again after a crash: %v", parked, d.again(Cursor{1501}, "7"))
	}
}

func TestWhatAnEarlierProcessSettledIsKeptWhileItIsNeeded(t *testing.T) {
	t.Parallel()
	earlier := ranges{{7, 9}, {12, 12}}
	p, d := newProgress(Cursor{5}, earlier), newTable()
	d.mark = Cursor{5}
	p.restore("t")
	p.wait("t", Cursor{3})
	var got []string
	write := func() {
		d.write(t, p.record(epoch))
		got = append(got, d.String())
	}
	p.begin(Cursor{6}, epoch, "a")
	p.begin(Cursor{10}, epoch, "a")
	p.pass(Cursor{10})
	write()
	p.settle(Cursor{6})
	write() // a reader may now start from 3
	p.resume("t", Cursor{8})
	write()
	p.resume("t", Cursor{10})
	write()
	p.pass(Cursor{11})
	p.settle(Cursor{10})
	write()
	p.resume("t", Cursor{})
	write()
	p.pass(Cursor{12})
	write()
	want := []string{
		"5 [7-9,12] t:3", "9 [7-9,12] t:3", "9 [7-9,12] t:8", "9 [12] t:10", "11 [12] t:10", "11 [12]", "12 []",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mark, ranges and rows (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(ranges{{7, 9}, {12, 12}}, earlier, cmp.AllowUnexported(span{})); diff != "" {
		t.Errorf("what was handed in has changed:\n%s", diff)
	}
}

// TestACrashLosesNothingAndRepeatsLittle plays a relay at random. After each write it checks which events would be
// sent after a crash at that moment: exactly those that are not settled.
func TestACrashLosesNothingAndRepeatsLittle(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		playRelay(t, rand.New(rand.NewPCG(seed, 3)))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// relayed is one recipient from the relay's point of view.
type relayed struct {
	pending []Cursor // in memory
	inLog   []Cursor
}

func playRelay(t *testing.T, random *rand.Rand) {
	t.Helper()
	p, d, now, seq := newProgress(Cursor{}, nil), newTable(), epoch, 0
	people := make(map[string]*relayed)
	owner := make(map[Cursor]string) // of every event
	settled := make(map[Cursor]bool)
	keys := make([]string, 2+random.IntN(6))
	for i := range keys {
		keys[i] = strconv.Itoa(i)
		people[keys[i]] = &relayed{}
	}
	settle := func(at Cursor) { settled[at] = true }
	for range 300 {
		now = now.Add(time.Duration(random.IntN(30)) * time.Millisecond)
		key := keys[random.IntN(len(keys))]
		one := people[key]
		switch random.IntN(8) {
		case 0, 1, 2: // an event arrives
			seq += 1 + random.IntN(2)
			at := Cursor{seq}
			owner[at] = key
			if len(one.inLog) > 0 {
				p.leave(at, key)
				one.inLog = append(one.inLog, at)
			} else {
				p.begin(at, now, key)
				one.pending = append(one.pending, at)
			}
			p.pass(at)
		case 3, 4: // it is sent
			if len(one.pending) > 0 {
				settle(one.pending[0])
				p.settle(one.pending[0])
				one.pending = one.pending[1:]
			}
		case 5: // sending fails
			if len(one.pending) > 0 {
				p.wait(key, one.pending[0])
				one.inLog, one.pending = append(one.pending, one.inLog...), nil
			}
		case 6: // it is read again, and perhaps skipped
			if len(one.inLog) > 0 && len(one.pending) == 0 {
				at := one.inLog[0]
				if random.IntN(4) == 0 {
					p.never(final{at: at, key: key, why: "?"})
					settle(at)
				} else {
					p.begin(at, now, key)
					one.pending = []Cursor{at}
				}
				if one.inLog = one.inLog[1:]; len(one.inLog) > 0 {
					p.resume(key, one.inLog[0])
				} else {
					p.resume(key, Cursor{})
				}
			}
		case 7: // progress is written, or not
			rec := p.record(now)
			if random.IntN(4) == 0 {
				p.again(rec)
				continue
			}
			d.write(t, rec)
			for at, key := range owner {
				if d.again(at, key) == settled[at] {
					t.Errorf("event %d of %s: settled is %v, and by %s it is not", at.seq, key, settled[at], d)
				}
			}
		}
	}
}
