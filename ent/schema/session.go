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

// Session is one sign-in of one person. Only the SHA-256 of its token is stored, so nobody who reads the table can
// sign in. The row of an ended session is kept for a day: a request with its token is then known to be of this
// person, but gets no access.
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
		// For the removal of old sessions.
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
			privacy.OnMutationOperation(own, ent.OpUpdate|ent.OpUpdateOne), // only its end can change
			forbidden(), // only auth begins and removes sessions, as the system
		},
	}
}
