package schema

import (
	"time"

	"entgo.io/ent"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/mixin"
)

// now returns the time for a row. It is in UTC because SQLite compares times as text, and in whole milliseconds
// because events and the Time scalar have no more.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// createdAt gives an entity the immutable time of its creation, which is the order of its lists.
type createdAt struct{ mixin.Schema }

func (createdAt) Fields() []ent.Field {
	return []ent.Field{
		field.Time("created_at").Default(now).Immutable(),
	}
}
