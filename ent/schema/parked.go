package schema

import (
	"entgo.io/contrib/entgql"
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"

	"lorebridge/ent/privacy"
)

// Parked is a recipient whose events wait, or one event that is never sent, of one reader of the log. Only package
// outbox reads and writes it.
type Parked struct{ ent.Schema }

func (Parked) Mixin() []ent.Mixin { return []ent.Mixin{createdAt{}} }

func (Parked) Fields() []ent.Field {
	return []ent.Field{
		field.String("reader").Immutable(),
		field.String("recipient").Immutable().Comment("a person's id, or a topic as text"),
		field.Int("from_seq").Comment("its oldest event that waits, or the one event"),
		field.Int("attempts").Default(0).Comment("how often that one was sent in vain"),
		field.Time("until").Optional().Nillable().Comment("when it is tried again"),
		field.String("error").Optional().Nillable().Comment("the last answer"),
		field.Enum("state").Default("WAITING").Comment("REFUSED by Pusher for good, or SKIPPED by an operator").
			NamedValues("Waiting", "WAITING", "Refused", "REFUSED", "Skipped", "SKIPPED"),
		field.String("why").Optional().Nillable().Comment("why an operator skipped it"),
	}
}

// Indexes returns the unique indexes: one row for each recipient that waits, and one for each event that is never
// sent.
func (Parked) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("reader", "recipient").Unique().StorageKey("parked_one_for_recipient").
			Annotations(entsql.IndexWhere("state = 'WAITING'")),
		index.Fields("reader", "from_seq").Unique().StorageKey("parked_one_for_event").
			Annotations(entsql.IndexWhere("state <> 'WAITING'")),
	}
}

func (Parked) Annotations() []schema.Annotation {
	return []schema.Annotation{entgql.Skip(), entsql.Table("parked")}
}

func (Parked) Policy() ent.Policy { // only the server reads and writes, as the system
	return privacy.Policy{
		Query:    privacy.QueryPolicy{forbidden()},
		Mutation: privacy.MutationPolicy{forbidden()},
	}
}
