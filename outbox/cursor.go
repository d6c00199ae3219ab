package outbox

import (
	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/predicate"
)

// Cursor is a place in the log: behind one event, and before all that follow it. The zero Cursor is before the first
// event. Cursors are made and compared here alone, because what orders events depends on the database. They can be
// compared with ==.
type Cursor struct{ seq int }

// At is the place just behind an event. On SQLite the place of an event is its id: there is one writer, so ids grow
// in the order in which events become visible.
func At(e *ent.Event) Cursor { return Cursor{e.ID} }

// UpTo selects the events that are not behind one, which is given by its id.
func UpTo(eventID int) predicate.Event { return event.IDLTE(eventID) }

// CursorOf reads what Seq returned.
func CursorOf(seq int) Cursor { return Cursor{seq} }

// Seq is the number of the place, to be stored or sent.
func (c Cursor) Seq() int { return c.seq }

// Before says that c comes earlier in the log than d.
func (c Cursor) Before(d Cursor) bool { return c.seq < d.seq }

// Covers says that the event is not behind c.
func (c Cursor) Covers(e *ent.Event) bool { return !c.Before(At(e)) }

// next is the first place behind c.
func (c Cursor) next() Cursor { return Cursor{c.seq + 1} }

// Previous is the last place before the event at c.
func (c Cursor) Previous() Cursor { return Cursor{c.seq - 1} }

// Earlier is the earlier of two places.
func Earlier(c, d Cursor) Cursor {
	if d.Before(c) {
		return d
	}
	return c
}

// Later is the later of two places.
func Later(c, d Cursor) Cursor {
	if c.Before(d) {
		return d
	}
	return c
}
