package outbox

import (
	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/predicate"
)

// Cursor is a place in the log: behind one event, and before all that follow it. The zero Cursor is before the first
// event. Only this package makes and orders cursors, because the order of events depends on the database. They can be
// compared with ==.
type Cursor struct{ seq int }

// At returns the place just behind an event. On SQLite this is the event's id. There is one writer, so ids grow in
// the order in which events become visible.
func At(e *ent.Event) Cursor { return Cursor{e.ID} }

// UpTo selects the events up to the one with this id, including it.
func UpTo(eventID int) predicate.Event { return event.IDLTE(eventID) }

// CursorOf returns the Cursor whose Seq is seq.
func CursorOf(seq int) Cursor { return Cursor{seq} }

// Seq returns the number of the place, for storing or sending.
func (c Cursor) Seq() int { return c.seq }

// Before reports whether c is earlier in the log than d.
func (c Cursor) Before(d Cursor) bool { return c.seq < d.seq }

// Covers reports whether the event is at c or before it.
func (c Cursor) Covers(e *ent.Event) bool { return !c.Before(At(e)) }

// next returns the first place behind c.
func (c Cursor) next() Cursor { return Cursor{c.seq + 1} }

// Previous returns the last place before the event at c.
func (c Cursor) Previous() Cursor { return Cursor{c.seq - 1} }

// Earlier returns the earlier of two places.
func Earlier(c, d Cursor) Cursor {
	if d.Before(c) {
		return d
	}
	return c
}

// Later returns the later of two places.
func Later(c, d Cursor) Cursor {
	if c.Before(d) {
		return d
	}
	return c
}
