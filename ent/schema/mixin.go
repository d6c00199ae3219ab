package schema

import (
	"time"

	"entgo.io/ent"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/mixin"
)

// now is the time of a row: UTC, because SQLite compares times as text, and whole milliseconds,
// because that is what events and the Time scalar show.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// createdAt gives an entity the immutable time of its creation, by which its lists are ordered.
type createdAt struct{ mixin.Schema }

func (createdAt) Fields() []ent.Field {
	return []ent.Field{
		field.Time("created_at").Default(now).Immutable(),
	}
}
