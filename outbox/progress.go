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
	// flushDelay is how often progress is written at most …
	flushDelay = 100 * time.Millisecond
	// … and how long an event may hold back the watermark before its recipient is parked.
	parkAfter = 100 * time.Millisecond
	// rowsAtOnce is how many recipients are parked at once, and maxRows how many of their rows are written: others wait
	// for the writer meanwhile.
	rowsAtOnce = 200
	maxRows    = 400
)

// progress knows how far a reader has come: which events are settled, and which wait for which recipient. It belongs
// to one goroutine and does nothing but think; store writes what record returns.
//
// The watermark is the place up to which every event is settled, or waits for a recipient that is parked. What is
// settled above it is kept in ranges. A recipient is parked when an event of its own would hold back the watermark
// for longer than parkAfter, or when its events wait in the log; its row has the place of the oldest of them.
type progress struct {
	read Cursor        // the reader has handed out everything up to it
	open map[int]*item // handed out and not settled, by seq
	line []*item       // what is above the watermark, in order
	keys map[string]*recipient
	// finals are events that will never be sent and have no row yet that says so.
	finals []final
	// changed are recipients, by key, whose rows may not be what they should be. Those of value true are part of the
	// next record.
	changed map[string]bool
	moved   bool // the watermark, or what is settled above it
	// carried is what an earlier process has settled, and what is still needed to know that.
	carried ranges
}

// item is an event that has been handed out, or left in the log.
type item struct {
	at      Cursor
	of      []*recipient
	since   time.Time
	settled bool
}

// holds says that the item holds back the watermark: a recipient waits for it, or for an older one, and after a crash
// no row would lead back to that.
func (it *item) holds() bool {
	return slices.ContainsFunc(it.of, func(r *recipient) bool { return !r.row && r.owes(it.at) })
}

// done says that after a crash nothing is to be done for the item. One that was settled before an older one of the
// same recipient was passed over, because whoever lacks the older one reads on from there: it is done only together
// with that.
func (it *item) done() bool { return it.settled && !it.holds() }

// recipient is whom events are for: a person, or a topic.
type recipient struct {
	key      string
	pending  []Cursor // its events that are handed out and not settled, in order
	waiting  Cursor   // from here on its events wait in the log; zero if none does
	parked   bool
	row      bool // the table has its row, or gets it with the next record
	attempts int
	until    time.Time
	err      string
}

// final is an event that will never be sent, and why.
type final struct {
	at       Cursor
	key      string
	attempts int
	reason   string // the receiver's; empty if an operator skipped it
	why      string // the operator's
}

// mark is the watermark as the table has it.
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

// recipient returns the one with a key.
func (p *progress) recipient(key string) *recipient {
	r, ok := p.keys[key]
	if !ok {
		r = &recipient{key: key}
		p.keys[key] = r
	}
	return r
}

// restore notes that the table has the row of a recipient. wait says from where on its events wait.
func (p *progress) restore(key string) {
	r := p.recipient(key)
	r.parked, r.row = true, true
}

// begin notes that the event at a place has been handed out for these recipients, of which there is at least one.
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

// leave notes that the event at a place stays in the log, where its recipient's events wait.
func (p *progress) leave(at Cursor, key string) {
	p.enter(&item{at: at, of: []*recipient{p.recipient(key)}})
}

// enter puts an item in line. One that waited in the log may have a place there.
func (p *progress) enter(it *item) {
	if p.read.Before(it.at) {
		p.line = append(p.line, it)
	} else if i, found := p.place(it.at); found {
		p.line[i] = it
	}
}

// place is where the item at a place stands in line, if it does.
func (p *progress) place(at Cursor) (i int, found bool) {
	return slices.BinarySearchFunc(p.line, at, func(it *item, at Cursor) int { return compare(it.at, at) })
}

// pass notes that the reader has come to a place.
func (p *progress) pass(at Cursor) {
	p.read = Later(p.read, at)
	p.moved = true
}

// settle notes that nothing is left to be done for an event.
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
			p.park(r) // or the event would not count as settled before an older one is
		}
		p.touch(r)
	}
}

func compare(c, d Cursor) int { return cmp.Compare(c.seq, d.seq) }

// wait notes that the events of a recipient wait in the log, from its oldest one on: none is handed out any more.
func (p *progress) wait(key string, from Cursor) {
	r := p.recipient(key)
	for _, at := range r.pending {
		delete(p.open, at.seq)
	}
	r.pending, r.waiting = nil, from
	p.park(r)
}

// resume notes that the events of a recipient wait in the log from another place on, and from none if it is zero.
func (p *progress) resume(key string, from Cursor) {
	r := p.recipient(key)
	r.waiting = from
	p.touch(r)
}

// note keeps how a recipient fares, for the person on call.
func (p *progress) note(key string, attempts int, until time.Time, err string) {
	r := p.recipient(key)
	r.attempts, r.until, r.err = attempts, until, err
	p.touch(r)
}

// never notes an event that will not be sent.
func (p *progress) never(f final) {
	p.finals = append(p.finals, f)
	if i, found := p.place(f.at); found {
		p.line[i].settled = true
	}
}

// park has the row of a recipient written, which lets the watermark pass its events.
func (p *progress) park(r *recipient) {
	r.parked = true
	p.change(r.key, false)
}

func (p *progress) change(key string, next bool) { p.changed[key] = p.changed[key] || next }

// touch has the row of a recipient looked at, and forgets one that waits for nothing.
func (p *progress) touch(r *recipient) {
	if r.parked {
		p.change(r.key, false)
		return
	}
	if len(r.pending) == 0 {
		delete(p.keys, r.key)
	}
}

// from is the oldest event of a recipient that is not settled; zero if all are.
func (r *recipient) from() Cursor {
	switch {
	case len(r.pending) == 0:
		return r.waiting
	case r.waiting == Cursor{}:
		return r.pending[0]
	}
	return Earlier(r.pending[0], r.waiting)
}

// owes says that the recipient waits for the event at a place, which is one of its own, or for an older one.
func (r *recipient) owes(at Cursor) bool {
	from := r.from()
	return from != Cursor{} && !at.Before(from)
}

// watermark is the place up to which nothing holds it back.
func (p *progress) watermark() Cursor {
	if len(p.line) > 0 {
		return p.line[0].at.Previous()
	}
	return p.read
}

// record is what is to be written.
type record struct {
	mark   mark
	parked []parking
	free   []string // whose rows are to be removed
	finals []final
}

// parking is the row of a recipient that is parked.
type parking struct {
	key      string
	from     Cursor // its oldest event that is not settled
	attempts int
	until    time.Time // zero if it is not known when it is tried again
	err      string
}

// dueAt is when something is to be written, if nothing else happens.
func (p *progress) dueAt(now time.Time) (at time.Time, ok bool) {
	if p.moved || len(p.changed) > 0 || len(p.finals) > 0 {
		return now, true
	}
	for _, it := range p.line {
		if it.holds() {
			return it.since.Add(parkAfter), true
		}
	}
	return time.Time{}, false
}

// due says that something is to be written.
func (p *progress) due(now time.Time) bool {
	at, ok := p.dueAt(now)
	return ok && !now.Before(at)
}

// record parks whoever would hold back the watermark for too long, and returns what is to be written. What could not be
// written is to be given to again.
func (p *progress) record(now time.Time) record {
	for _, it := range p.line {
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
			if next == first && len(rec.parked)+len(rec.free) < maxRows { // the others are for the next record
				p.recordRow(&rec, key)
			}
		}
	}
	n := 0
	for n < len(p.line) && !p.line[n].holds() {
		n++
	}
	clear(p.line[:n])
	if p.line = p.line[n:]; len(p.line) == 0 {
		p.line = nil // let go of the array behind it
	}
	p.carry()
	rec.mark = mark{p.watermark(), p.ranges()}
	p.finals, p.moved = nil, false
	return rec
}

// recordRow adds what becomes of the row of a recipient.
func (p *progress) recordRow(rec *record, key string) {
	delete(p.changed, key)
	r := p.keys[key]
	switch {
	case r == nil || !r.parked:
		rec.free = append(rec.free, key)
	case r.from() == Cursor{}:
		rec.free = append(rec.free, key)
		r.parked = false
		p.touch(r) // it is forgotten: what comes from now on holds back the watermark, because its row may be gone
	default:
		rec.parked = append(rec.parked, parking{key, r.from(), r.attempts, r.until, r.err})
		r.row = true
	}
}

// again takes back what could not be written. The watermark has passed events because of rows that are not there: those
// are part of the next record.
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

// carry forgets what an earlier process has settled and nothing leads back to: it is not above the watermark, nor
// behind the oldest event of a recipient that is parked.
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

// ranges are the places above the watermark that are settled, and those carried, as the table keeps them.
func (p *progress) ranges() string {
	all := slices.Clone(p.carried)
	for i := 0; i < len(p.line); i++ {
		if !p.line[i].done() {
			continue
		}
		first := i
		for i+1 < len(p.line) && p.line[i+1].done() {
			i++
		}
		all = append(all, span{p.line[first].at.seq, p.line[i].at.seq})
	}
	return all.String()
}

// span is places from one to another, both included.
type span struct{ first, last int }

// ranges are places that are settled.
type ranges []span

// String writes them as the table keeps them, such as 7-9,12.
func (r ranges) String() string {
	words := make([]string, len(r))
	for i, one := range r {
		words[i] = strconv.Itoa(one.first)
		if one.last > one.first {
			words[i] += "-" + strconv.Itoa(one.last)
		}
	}
	return strings.Join(words, ",")
}

// parseRanges reads what ranges.String wrote.
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

// cover says that a place is in one of them.
func (r ranges) cover(c Cursor) bool {
	return slices.ContainsFunc(r, func(one span) bool { return one.first <= c.seq && c.seq <= one.last })
}
