package schema

import (
	"entgo.io/contrib/entgql"
	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"

	"lorebridge/ent/privacy"
)

// Setting is one value of the installation, such as its id or the secret of its Pusher app. It is in the database so
// that one file is the whole backup.
type Setting struct{ ent.Schema }

func (Setting) Mixin() []ent.Mixin { return []ent.Mixin{createdAt{}} }

func (Setting) Fields() []ent.Field {
	return []ent.Field{
		field.String("key").Unique().Immutable(),
		field.Text("value").Sensitive(),
	}
}

func (Setting) Annotations() []schema.Annotation {
	return []schema.Annotation{entgql.Skip()}
}

func (Setting) Policy() ent.Policy { // only the server reads and writes, as the system
	return privacy.Policy{
		Query:    privacy.QueryPolicy{forbidden()},
		Mutation: privacy.MutationPolicy{forbidden()},
	}
}
