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
	"lorebridge/rule"
)

// Event is one row of the log: one per change, written in its transaction and read in one order afterwards. Events
// with a recipient are that person's notifications. Only package outbox creates and removes events.
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
			Comment("who made or answered the request, if the event is about one"),
		field.JSON("payload", json.RawMessage{}).Annotations(entgql.Skip()).
			Comment("outbox.Payload as JSON; {} once it is too old to be sent"),
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
		// For all notifications, the unread ones, and both counts. The index includes id because read_at follows:
		// only then are its rows in the order of the cursors. A query for unread rows skips the read ones inside the
		// index.
		index.Fields("recipient_id", "created_at", "id", "read_at"),
		// For the subscription to the answer of one request, and for the foreign key when a request is deleted.
		index.Fields("request_id"),
		// For the foreign key when an item is deleted. Most events are about no item.
		index.Fields("knowledge_id").Annotations(entsql.IndexWhere("knowledge_id IS NOT NULL")),
		// For a subscription that catches up: its cursor is at its person's last action, which may be many events
		// ago.
		index.Fields("actor_id").Annotations(entsql.IndexWhere("actor_id IS NOT NULL")),
		// For outbox.Retention.
		index.Fields("read_at").Annotations(entsql.IndexWhere("read_at IS NOT NULL")),
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
			forbidden(), // only outbox appends and removes, as the system
		},
	}
}
