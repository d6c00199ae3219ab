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
	"lorebridge/ent/storedsubscription"
)

// StoredSubscription is one GraphQL subscription of one person whose results travel over Pusher. It is stored so that
// it survives a restart. It holds no token: it acts for its user and session. Only realtime.Store writes it, and the
// state in bridge's memory is newer than the row.
type StoredSubscription struct{ ent.Schema }

func (StoredSubscription) Mixin() []ent.Mixin { return []ent.Mixin{createdAt{}} }

func (StoredSubscription) Fields() []ent.Field {
	return []ent.Field{
		field.String("channel").Unique().Immutable(),
		field.Enum("state").Default("PENDING").
			NamedValues("Pending", "PENDING", "Joining", "JOINING", "Live", "LIVE", "Vacated", "VACATED", "Away", "AWAY", "Closed", "CLOSED"),
		field.Int("user_id").Immutable(),
		field.Int("session_id").Immutable().Annotations(entgql.Skip()).
			Comment("no edge, because the row outlives its session: the owner may still ask for the channel"),
		field.String("topic").Immutable().Comment("outbox.Topic as text"),
		field.Bool("shared").Default(false).Immutable().Annotations(entgql.Skip()).
			Comment("its source asks for each member whether it may have a result, and so others may share its executions"),
		field.String("field").Immutable().Comment("the root field of the document"),
		// The operation. It is cleared when the subscription ends.
		field.String("operation_name").Optional().Annotations(entgql.Skip()),
		field.Text("document").Annotations(entgql.Skip()),
		field.JSON("variables", map[string]any{}).Optional().Annotations(entgql.Skip()),
		field.Enum("protocol").Default("UNSET").Annotations(entgql.Skip()).
			NamedValues("Unset", "UNSET", "Both", "BOTH", "GraphqlRuby", "GRAPHQL_RUBY", "Lighthouse", "LIGHTHOUSE",
				"LighthouseGuessed", "LIGHTHOUSE_GUESSED", "LighthouseEcho", "LIGHTHOUSE_ECHO").
			Comment("the client's protocol, and so the names of its events; UNSET until it authorizes the channel, which shows the protocol"),
		field.Bool("compress").Default(false).Immutable().Annotations(entgql.Skip()),
		field.Int("cursor").Annotations(entgql.Skip()).Comment("the place in the log up to which it needs no more events"),
		field.Time("authorized_at").Optional().Nillable(),
		field.Time("vacated_at").Optional().Nillable().Annotations(entgql.Skip()),
		field.Time("last_delivered_at").Optional().Nillable(),
		field.String("last_error").Optional().Nillable(),
		field.Time("expires_at").Comment("when it ends by itself, at the latest"),
		field.Time("closed_at").Optional().Nillable(),
		field.String("closed_reason").Optional().Nillable(),
	}
}

func (StoredSubscription) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("user", User.Type).Field("user_id").Unique().Required().Immutable().
			Annotations(entsql.OnDelete(entsql.Cascade)),
	}
}

func (StoredSubscription) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("created_at").StorageKey("subscriber_created_at"), index.Fields("user_id").StorageKey("subscriber_user_id"),
		index.Fields("state", "created_at").StorageKey("subscriber_state_created_at"),
		index.Fields("topic", "state").StorageKey("subscriber_topic_state"),
		index.Fields("session_id").StorageKey("subscriber_session_id"),
		// For the removal of old subscriptions.
		index.Fields("closed_at").StorageKey("subscriber_closed_at").Annotations(entsql.IndexWhere("closed_at IS NOT NULL")),
	}
}

func (StoredSubscription) Annotations() []schema.Annotation {
	return []schema.Annotation{entsql.Table("subscribers")} // the name is from before, and so are those of its indexes
}

func (StoredSubscription) Policy() ent.Policy {
	return privacy.Policy{
		Query: privacy.QueryPolicy{signedIn(), privacy.StoredSubscriptionQueryRuleFunc(func(ctx context.Context, q *gen.StoredSubscriptionQuery) error {
			q.Where(storedsubscription.UserID(viewerID(ctx)))
			return privacy.Allow
		})},
		Mutation: privacy.MutationPolicy{forbidden()}, // only bridge writes, as the system
	}
}
