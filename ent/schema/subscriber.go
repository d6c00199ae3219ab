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
	"lorebridge/ent/subscriber"
)

// Subscriber is one GraphQL subscription of one person whose results travel over Pusher, so that it survives a
// restart. It holds no token: who it acts for is its user and session. Package bridge alone writes it; what it has in
// memory goes before what is here.
type Subscriber struct{ ent.Schema }

func (Subscriber) Mixin() []ent.Mixin { return []ent.Mixin{createdAt{}} }

func (Subscriber) Fields() []ent.Field {
	return []ent.Field{
		field.String("channel").Unique().Immutable(),
		field.Enum("state").Default("PENDING").
			NamedValues("Pending", "PENDING", "Joining", "JOINING", "Live", "LIVE", "Vacated", "VACATED", "Away", "AWAY", "Closed", "CLOSED"),
		field.Int("user_id").Immutable(),
		field.Int("session_id").Immutable().Annotations(entgql.Skip()).
			Comment("no edge: a session that ends closes its subscribers, whose owner may still ask for their channels"),
		field.String("topic").Immutable().Comment("outbox.Topic as text"),
		field.String("field").Immutable().Comment("the root field of the document"),
		// What it runs. An ended one needs it no more: then it is cleared.
		field.String("operation_name").Optional().Annotations(entgql.Skip()),
		field.Text("document").Annotations(entgql.Skip()),
		field.JSON("variables", map[string]any{}).Optional().Annotations(entgql.Skip()),
		field.Enum("protocol").Default("UNSET").Annotations(entgql.Skip()).
			NamedValues("Unset", "UNSET", "Both", "BOTH", "GraphqlRuby", "GRAPHQL_RUBY", "Lighthouse", "LIGHTHOUSE",
				"LighthouseGuessed", "LIGHTHOUSE_GUESSED", "LighthouseEcho", "LIGHTHOUSE_ECHO").
			Comment("which client listens, and so which event it gets; UNSET until it asks for its channel: where it asks decides"),
		field.Bool("compress").Default(false).Immutable().Annotations(entgql.Skip()),
		field.Int("cursor").Annotations(entgql.Skip()).Comment("the place in the log up to which it needs no event any more"),
		field.Time("authorized_at").Optional().Nillable(),
		field.Time("vacated_at").Optional().Nillable().Annotations(entgql.Skip()),
		field.Time("last_delivered_at").Optional().Nillable(),
		field.String("last_error").Optional().Nillable(),
		field.Time("expires_at").Comment("when it ends by itself, at the latest"),
		field.Time("closed_at").Optional().Nillable(),
		field.String("closed_reason").Optional().Nillable(),
	}
}

func (Subscriber) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("user", User.Type).Field("user_id").Unique().Required().Immutable().
			Annotations(entsql.OnDelete(entsql.Cascade)),
	}
}

func (Subscriber) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("created_at"), index.Fields("user_id"), index.Fields("state", "created_at"), index.Fields("topic", "state"),
		index.Fields("session_id"),
		// For the removal of old ones.
		index.Fields("closed_at").Annotations(entsql.IndexWhere("closed_at IS NOT NULL")),
	}
}

func (Subscriber) Annotations() []schema.Annotation {
	return []schema.Annotation{entgql.Type("StoredSubscription")}
}

func (Subscriber) Policy() ent.Policy {
	return privacy.Policy{
		Query: privacy.QueryPolicy{signedIn(), privacy.SubscriberQueryRuleFunc(func(ctx context.Context, q *gen.SubscriberQuery) error {
			q.Where(subscriber.UserID(viewerID(ctx)))
			return privacy.Allow
		})},
		Mutation: privacy.MutationPolicy{forbidden()}, // bridge writes, as the system
	}
}
