package schema

import (
	"context"

	"entgo.io/contrib/entgql"
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"

	gen "lorebridge/ent"
	"lorebridge/ent/privacy"
	"lorebridge/ent/session"
)

// Session is one sign-in of one person. Only the SHA-256 of its token is stored: who reads the table cannot sign in.
// The row of one that has ended is kept for a day: whoever shows its token is known as who they were, and gets
// nothing by it.
type Session struct{ ent.Schema }

func (Session) Mixin() []ent.Mixin { return []ent.Mixin{createdAt{}} }

func (Session) Fields() []ent.Field {
	return []ent.Field{
		field.Int("user_id").Immutable(),
		field.Bytes("token_hash").Unique().Immutable().Sensitive(),
		field.Time("expires_at").Immutable(),
		field.Time("ended_at").Optional().Nillable().Comment("when it was ended ahead of its expiry"),
	}
}

func (Session) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("user", User.Type).Field("user_id").Unique().Required().Immutable().
			Annotations(entsql.OnDelete(entsql.Cascade)),
	}
}

func (Session) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("user_id"), index.Fields("expires_at"),
		// For the removal of old ones.
		index.Fields("ended_at").Annotations(entsql.IndexWhere("ended_at IS NOT NULL")),
	}
}

func (Session) Annotations() []schema.Annotation {
	return []schema.Annotation{entgql.Skip()}
}

func (Session) Policy() ent.Policy {
	own := privacy.SessionMutationRuleFunc(func(ctx context.Context, m *gen.SessionMutation) error {
		m.Where(session.UserID(viewerID(ctx)))
		return privacy.Allow
	})
	return privacy.Policy{
		Query: privacy.QueryPolicy{signedIn(), privacy.SessionQueryRuleFunc(func(ctx context.Context, q *gen.SessionQuery) error {
			q.Where(session.UserID(viewerID(ctx)))
			return privacy.Allow
		})},
		Mutation: privacy.MutationPolicy{
			signedIn(),
			privacy.OnMutationOperation(own, ent.OpUpdate|ent.OpUpdateOne), // that it has ended is all that can change
			forbidden(), // beginning and removing one is auth's, as the system
		},
	}
}
