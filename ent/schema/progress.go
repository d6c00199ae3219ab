package schema

import (
	"entgo.io/contrib/entgql"
	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"

	"lorebridge/ent/privacy"
)

// Progress is how far one reader of the log is. Only package outbox reads and writes it.
type Progress struct{ ent.Schema }

func (Progress) Fields() []ent.Field {
	return []ent.Field{
		field.String("reader").Unique().Immutable(),
		field.Int("done_seq").Comment("every event up to it is settled, or waits for a recipient that is parked"),
		field.Text("settled").Default("").Comment("the ranges above done_seq that are settled too, such as 7-9,12"),
	}
}

func (Progress) Annotations() []schema.Annotation {
	return []schema.Annotation{entgql.Skip()}
}

func (Progress) Policy() ent.Policy { // only the server reads and writes, as the system
	return privacy.Policy{
		Query:    privacy.QueryPolicy{forbidden()},
		Mutation: privacy.MutationPolicy{forbidden()},
	}
}
