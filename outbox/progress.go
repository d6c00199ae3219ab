package outbox

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// flushDelay is the shortest time between two writes of progress.
	flushDelay = 100 * time.Millisecond
	// parkAfter is how long an event may hold back the watermark before its recipient is parked.
	parkAfter = 100 * time.Millisecond
	// rowsAtOnce limits how many recipients are parked at once, and maxRows how many rows one record writes, because
	// other transactions wait for the writer meanwhile.
	rowsAtOnce = 200
	maxRows    = 400
)

// progress knows how far a reader is: which events are settled, and which wait for which recipient. It belongs to one
// goroutine and does no I/O. Log.write stores the result of record.
//
// The watermark is the place up to which every event is settled or waits for a parked recipient. Settled events above
// it are kept as ranges. A recipient is parked when one of its events would hold back the watermark for longer than
// parkAfter, or when its events wait in the log. Its row has the place of the oldest of them.
type progress struct {
	read  Cursor        // the reader has handed out everything up to it
	open  map[int]*item // handed out and not settled, by seq
	above []*item       // the items above the watermark, in order
	keys  map[string]*recipient
	// finals are events that will never be sent and whose rows are not written yet.
	finals []final
	// changed holds the keys of recipients whose rows may be out of date. Those with the value true go into the next
	// record first.
	changed map[string]bool
	moved   bool // whether the watermark or the settled ranges have changed
	// carried holds the places that an earlier process has settled, as long as they are needed.
	carried ranges
}

// item is an event that was handed out or left in the log.
type item struct {
	at      Cursor
	of      []*recipient
	since   time.Time
	settled bool
}

// holds reports whether the item holds back the watermark: a recipient without a row waits for it or for an older
// event. After a crash nothing would lead back to that event.
func (it *item) holds() bool {
	return slices.ContainsFunc(it.of, func(r *recipient) bool { return !r.row && r.owes(it.at) })
}

// done reports whether nothing is to be done for the item after a crash. A settled item with an older unsettled one
// of the same recipient is not done: the recipient continues from the older one and gets this one again.
func (it *item) done() bool { return it.settled && !it.holds() }

// recipient is a person or a topic that events are for.
type recipient struct {
	key      string
	pending  []Cursor // its events that were handed out and are not settled, in order
	waiting  Cursor   // the first of its events that wait in the log; zero if none does
	parked   bool
	row      bool // the table has its row, or gets it with the next record
	attempts int
	until    time.Time
	err      string
}

// final is an event that will never be sent, with the reason.
type final struct {
	at       Cursor
	key      string
	attempts int
	reason   string // the receiver's; empty if an operator skipped it
	why      string // the operator's
}

// mark is the watermark in the form of the table.
type mark struct {
	done    Cursor
	settled string
}

func newProgress(from Cursor, settled ranges) *progress {
	return &progress{
		carried: settled, read: from,
		open: make(map[int]*item), keys: make(map[string]*recipient), changed: make(map[string]bool),
	}
}

// recipient returns the recipient with this key, and creates it if there is none.
func (p *progress) recipient(key string) *recipient {
	r, ok := p.keys[key]
	if !ok {
		r = &recipient{key: key}
		p.keys[key] = r
	}
	return r
}

// restore records that the table has a row for the recipient. The caller then calls wait with the place of its oldest
// event.
func (p *progress) restore(key string) {
	r := p.recipient(key)
	r.parked, r.row = true, true
}

// begin records that an event was handed out for these recipients. There is at least one.
func (p *progress) begin(at Cursor, now time.Time, keys ...string) {
	it := &item{at: at, since: now, of: make([]*recipient, len(keys))}
	for i, key := range keys {
		r := p.recipient(key)
		it.of[i] = r
		r.pending = append(r.pending, at)
		p.touch(r)
	}
	p.open[at.seq] = it
	p.enter(it)
}

// leave records that an event stays in the log, where its recipient's events wait.
func (p *progress) leave(at Cursor, key string) {
	p.enter(&item{at: at, of: []*recipient{p.recipient(key)}})
}

// enter adds an item. An event that waited in the log may already have a place, and then enter replaces its item.
func (p *progress) enter(it *item) {
	if p.read.Before(it.at) {
		p.above = append(p.above, it)
	} else if i, found := p.place(it.at); found {
		p.above[i] = it
	}
}

// place returns the index of the item at a place.
func (p *progress) place(at Cursor) (i int, found bool) {
	return slices.BinarySearchFunc(p.above, at, func(it *item, at Cursor) int { return compare(it.at, at) })
}

// pass records that the reader has reached a place.
func (p *progress) pass(at Cursor) {
	p.read = Later(p.read, at)
	p.moved = true
}

// settle records that nothing is left to be done for an event.
func (p *progress) settle(at Cursor) {
	it, ok := p.open[at.seq]
	if !ok {
		return
	}
	delete(p.open, at.seq)
	it.settled, p.moved = true, true
	for _, r := range it.of {
		if i, found := slices.BinarySearchFunc(r.pending, at, compare); found {
			r.pending = slices.Delete(r.pending, i, i+1)
		}
		if r.owes(at) && !r.parked {
			p.park(r) // otherwise the event could count as settled only after the older one
		}
		p.touch(r)
	}
}

func compare(c, d Cursor) int { return cmp.Compare(c.seq, d.seq) }

// wait records that all events of a recipient wait in the log, from this one on. None of them is handed out any more.
func (p *progress) wait(key string, from Cursor) {
	r := p.recipient(key)
	for _, at := range r.pending {
		delete(p.open, at.seq)
	}
	r.pending, r.waiting = nil, from
	p.park(r)
}

// resume records the place of the first event of a recipient that still waits in the log. It is zero if none does.
func (p *progress) resume(key string, from Cursor) {
	r := p.recipient(key)
	r.waiting = from
	p.touch(r)
}

// note stores the state of a recipient, for operators.
func (p *progress) note(key string, attempts int, until time.Time, err string) {
	r := p.recipient(key)
	r.attempts, r.until, r.err = attempts, until, err
	p.touch(r)
}

// never records an event that will not be sent.
func (p *progress) never(f final) {
	p.finals = append(p.finals, f)
	if i, found := p.place(f.at); found {
		p.above[i].settled = true
	}
}

// park schedules a row for the recipient, so that the watermark can pass its events.
func (p *progress) park(r *recipient) {
	r.parked = true
	p.change(r.key, false)
}

func (p *progress) change(key string, next bool) { p.changed[key] = p.changed[key] || next }

// touch schedules an update of a parked recipient's row. It forgets a recipient that is not parked and has no pending
// events.
func (p *progress) touch(r *recipient) {
	if r.parked {
		p.change(r.key, false)
		return
	}
	if len(r.pending) == 0 {
		delete(p.keys, r.key)
	}
}

// from returns the place of the recipient's oldest event that is not settled. It is zero if all are settled.
func (r *recipient) from() Cursor {
	switch {
	case len(r.pending) == 0:
		return r.waiting
	case r.waiting == Cursor{}:
		return r.pending[0]
	}
	return Earlier(r.pending[0], r.waiting)
}

// owes reports whether the recipient waits for its event at this place, or for an older one.
func (r *recipient) owes(at Cursor) bool {
	from := r.from()
	return from != Cursor{} && !at.Before(from)
}

// watermark returns the place up to which nothing holds back the watermark.
func (p *progress) watermark() Cursor {
	if len(p.above) > 0 {
		return p.above[0].at.Previous()
	}
	return p.read
}

// record holds the changes to write.
type record struct {
	mark   mark
	parked []parking
	free   []string // keys of recipients whose rows are to be removed
	finals []final
}

// parking is the row of a parked recipient.
type parking struct {
	key      string
	from     Cursor // its oldest event that is not settled
	attempts int
	until    time.Time // time of the next attempt; zero if it is not known
	err      string
}

// dueAt returns the time of the next write if nothing else happens. ok is false if there is none.
func (p *progress) dueAt(now time.Time) (at time.Time, ok bool) {
	if p.moved || len(p.changed) > 0 || len(p.finals) > 0 {
		return now, true
	}
	for _, it := range p.above {
		if it.holds() {
			return it.since.Add(parkAfter), true
		}
	}
	return time.Time{}, false
}

// due reports whether there is something to write now.
func (p *progress) due(now time.Time) bool {
	at, ok := p.dueAt(now)
	return ok && !now.Before(at)
}

// record parks the recipients that would hold back the watermark for too long, and returns the changes to write. Pass
// the record to again if the write fails.
func (p *progress) record(now time.Time) record {
	for _, it := range p.above {
		if now.Sub(it.since) < parkAfter || len(p.changed) >= rowsAtOnce {
			break
		}
		for _, r := range it.of {
			if !it.settled && !r.parked && r.owes(it.at) {
				p.park(r)
			}
		}
	}
	rec := record{finals: p.finals}
	for _, first := range []bool{true, false} {
		for key, next := range p.changed {
			if next == first && len(rec.parked)+len(rec.free) < maxRows { // the others follow in the next record
				p.recordRow(&rec, key)
			}
		}
	}
	n := 0
	for n < len(p.above) && !p.above[n].holds() {
		n++
	}
	clear(p.above[:n])
	if p.above = p.above[n:]; len(p.above) == 0 {
		p.above = nil // releases the array
	}
	p.carry()
	rec.mark = mark{p.watermark(), p.ranges()}
	p.finals, p.moved = nil, false
	return rec
}

// recordRow adds the row of a recipient, or its removal.
func (p *progress) recordRow(rec *record, key string) {
	delete(p.changed, key)
	r := p.keys[key]
	switch {
	case r == nil || !r.parked:
		rec.free = append(rec.free, key)
	case r.from() == Cursor{}:
		rec.free = append(rec.free, key)
		r.parked = false
		p.touch(r) // forgets it, because its row may be removed: its next events hold back the watermark again
	default:
		rec.parked = append(rec.parked, parking{key, r.from(), r.attempts, r.until, r.err})
		r.row = true
	}
}

// again takes back a record whose write failed. The watermark has passed events because of rows that are not there,
// so those rows come first in the next record.
func (p *progress) again(rec record) {
	p.moved = true
	p.finals = append(rec.finals, p.finals...)
	for _, key := range rec.free {
		p.change(key, true)
	}
	for i := range rec.parked {
		p.change(rec.parked[i].key, true)
	}
}

// carry drops the carried places that no start can read again: those below the watermark and before the oldest event
// of every parked recipient.
func (p *progress) carry() {
	if len(p.carried) == 0 {
		return
	}
	least := p.watermark().next()
	for _, r := range p.keys {
		if from := r.from(); from != (Cursor{}) {
			least = Earlier(least, from)
		}
	}
	p.carried = slices.DeleteFunc(slices.Clone(p.carried), func(one span) bool { return one.last < least.seq })
}

// ranges returns the settled places above the watermark, and the carried ones, in the form of the table.
func (p *progress) ranges() string {
	all := slices.Clone(p.carried)
	for i := 0; i < len(p.above); i++ {
		if !p.above[i].done() {
			continue
		}
		first := i
		for i+1 < len(p.above) && p.above[i+1].done() {
			i++
		}
		all = append(all, span{p.above[first].at.seq, p.above[i].at.seq})
	}
	return all.String()
}

// span is a range of places, both ends included.
type span struct{ first, last int }

// ranges is a list of settled places.
type ranges []span

// String formats the ranges as the table stores them, such as 7-9,12.
func (r ranges) String() string {
	parts := make([]string, len(r))
	for i, one := range r {
		parts[i] = strconv.Itoa(one.first)
		if one.last > one.first {
			parts[i] += "-" + strconv.Itoa(one.last)
		}
	}
	return strings.Join(parts, ",")
}

// parseRanges parses the result of ranges.String.
func parseRanges(text string) (ranges, error) {
	var all ranges
	if text == "" {
		return nil, nil
	}
	for word := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(word, "-")
		a, err := strconv.Atoi(first)
		b := a
		if err == nil && isRange {
			b, err = strconv.Atoi(last)
		}
		if err != nil || b < a {
			return nil, fmt.Errorf("read the settled ranges %q: %q is no range", text, word)
		}
		all = append(all, span{a, b})
	}
	return all, nil
}

// cover reports whether one of the ranges contains the place.
func (r ranges) cover(c Cursor) bool {
	return slices.ContainsFunc(r, func(one span) bool { return one.first <= c.seq && c.seq <= one.last })
}
