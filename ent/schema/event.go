package schema

import (
	"context"
	"encoding/json"

	"entgo.io/contrib/entgql"
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"

	gen "lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/privacy"
	"lorebridge/ent/rule"
)

// Event is the outbox and the log: one row per change, written in the transaction of the change and relayed
// after it. Those with a recipient are that person's notifications. Package outbox alone creates and settles them.
type Event struct{ ent.Schema }

func (Event) Mixin() []ent.Mixin { return []ent.Mixin{createdAt{}} }

func (Event) Fields() []ent.Field {
	return []ent.Field{
		field.Enum("kind").Immutable().Annotations(entgql.Type("NotificationKind")).
			NamedValues("KnowledgeRequest", "KNOWLEDGE_REQUEST", "KnowledgeResponse", "KNOWLEDGE_RESPONSE",
				"KnowledgePublished", "KNOWLEDGE_PUBLISHED"),
		field.Int("recipient_id").Optional().Nillable().Immutable(),
		field.Int("request_id").Optional().Nillable(),
		field.Int("knowledge_id").Optional().Nillable(),
		field.Int("actor_id").Optional().Nillable().Immutable().Annotations(entgql.Skip()).
			Comment("who made or answered the request, where the event is about one"),
		field.JSON("payload", json.RawMessage{}).Immutable().Annotations(entgql.Skip()).
			Comment("outbox.Payload as JSON"),
		field.Time("relayed_at").Optional().Nillable().Annotations(entgql.Skip()).
			Comment("when Pusher took it, for its recipient and for every subscription that was listening"),
		field.Int("attempts").Default(0).Annotations(entgql.Skip()),
		field.String("last_error").Optional().Nillable().Annotations(entgql.Skip()).
			Comment("why Pusher refused it for good; such an event is not sent again"),
		field.Time("read_at").Optional().Nillable(),
	}
}

func (Event) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("recipient", User.Type).Field("recipient_id").Unique().Immutable().
			Annotations(entsql.OnDelete(entsql.Cascade)),
		edge.To("request", KnowledgeRequest.Type).Field("request_id").Unique().
			Annotations(entsql.OnDelete(entsql.SetNull)),
		edge.To("knowledge", Knowledge.Type).Field("knowledge_id").Unique().
			Annotations(entsql.OnDelete(entsql.SetNull)),
	}
}

func (Event) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("id").StorageKey("events_pending").
			Annotations(entsql.IndexWhere("relayed_at IS NULL AND last_error IS NULL")),
		index.Fields("recipient_id", "created_at"),
		index.Fields("recipient_id", "created_at").StorageKey("events_unread").
			Annotations(entsql.IndexWhere("read_at IS NULL")),
		index.Fields("request_id"), index.Fields("knowledge_id"),
		// For a subscription that catches up: its person's last act, and so its cursor, may be any number of events ago.
		index.Fields("actor_id").Annotations(entsql.IndexWhere("actor_id IS NOT NULL")),
		// For outbox.RemoveOld.
		index.Fields("read_at").Annotations(entsql.IndexWhere("read_at IS NOT NULL")),
		index.Fields("relayed_at").Annotations(entsql.IndexWhere("recipient_id IS NULL")),
	}
}

func (Event) Annotations() []schema.Annotation {
	return []schema.Annotation{entgql.Type("Notification")}
}

func (Event) Policy() ent.Policy {
	read := privacy.EventMutationRuleFunc(func(ctx context.Context, m *gen.EventMutation) error {
		if fields := m.Fields(); len(fields) != 1 || fields[0] != event.FieldReadAt || len(m.ClearedFields()) > 0 ||
			len(m.AddedFields()) > 0 {
			return rule.ErrForbidden
		}
		m.Where(event.RecipientID(viewerID(ctx)))
		return privacy.Allow
	})
	return privacy.Policy{
		Query: privacy.QueryPolicy{signedIn(), privacy.EventQueryRuleFunc(func(ctx context.Context, q *gen.EventQuery) error {
			q.Where(event.RecipientID(viewerID(ctx)))
			return privacy.Allow
		})},
		Mutation: privacy.MutationPolicy{
			signedIn(),
			privacy.OnMutationOperation(read, ent.OpUpdate|ent.OpUpdateOne),
			forbidden(), // outbox appends and settles, as the system
		},
	}
}
