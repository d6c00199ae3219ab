package schema

import (
	"context"

	"entgo.io/contrib/entgql"
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"

	gen "lorebridge/ent"
	"lorebridge/ent/hook"
	"lorebridge/ent/knowledgerequest"
	"lorebridge/ent/privacy"
	"lorebridge/outbox"
	"lorebridge/rule"
)

// KnowledgeRequest is one person's question to another, for an item or without one. Requester and owner can see it.
// For anybody else it does not exist.
type KnowledgeRequest struct{ ent.Schema }

func (KnowledgeRequest) Mixin() []ent.Mixin { return []ent.Mixin{createdAt{}} }

func (KnowledgeRequest) Fields() []ent.Field {
	return []ent.Field{
		field.Int("requester_id").Immutable(),
		field.Int("owner_id").Immutable(),
		field.Int("knowledge_id").Optional().Nillable(),
		field.Text("question").Immutable(),
		field.Bytes("question_hash").Immutable().Annotations(entgql.Skip()),
		field.Enum("status").Default("PENDING").
			NamedValues("Pending", "PENDING", "Approved", "APPROVED", "Denied", "DENIED"),
		field.Text("response_content").Optional().Nillable(),
		field.Time("responded_at").Optional().Nillable(),
	}
}

func (KnowledgeRequest) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("requester", User.Type).Field("requester_id").Unique().Required().Immutable(),
		edge.To("owner", User.Type).Field("owner_id").Unique().Required().Immutable(),
		edge.To("knowledge", Knowledge.Type).Field("knowledge_id").Unique().
			Annotations(entsql.OnDelete(entsql.SetNull)),
	}
}

// Indexes returns only the indexes that a query needs, because each costs every new request a page.
func (KnowledgeRequest) Indexes() []ent.Index {
	return []ent.Index{
		// For knowledgeRequests(box: SENT), and for the foreign key when its requester is deleted.
		index.Fields("requester_id", "created_at"),
		// For knowledgeRequests(box: RECEIVED), also by status, and for the foreign key when its owner is deleted.
		// The index includes id because status follows: only then are its rows in the order of the cursors. A query
		// by status skips the others inside the index.
		index.Fields("owner_id", "created_at", "id", "status"),
		// For deleteKnowledge, which denies the pending requests of the item, and for its foreign key. A free question
		// has no item.
		index.Fields("knowledge_id").Annotations(entsql.IndexWhere("knowledge_id IS NOT NULL")),
		// For ON CONFLICT DO NOTHING in createKnowledgeRequest, and for finding the existing request.
		index.Fields("requester_id", "knowledge_id").Unique().StorageKey("knowledge_requests_one_pending_for_item").
			Annotations(entsql.IndexWhere("status = 'PENDING' AND knowledge_id IS NOT NULL")),
		// The same for free questions. It hashes the question, because PostgreSQL limits the size of an index row.
		index.Fields("requester_id", "owner_id", "question_hash").Unique().
			StorageKey("knowledge_requests_one_pending_for_question").
			Annotations(entsql.IndexWhere("status = 'PENDING' AND knowledge_id IS NULL")),
	}
}

func (KnowledgeRequest) Policy() ent.Policy {
	create := privacy.KnowledgeRequestMutationRuleFunc(func(ctx context.Context, m *gen.KnowledgeRequestMutation) error {
		if requester, ok := m.RequesterID(); !ok || requester != viewerID(ctx) {
			return rule.ErrForbidden
		}
		return privacy.Allow
	})
	answer := privacy.KnowledgeRequestMutationRuleFunc(func(ctx context.Context, m *gen.KnowledgeRequestMutation) error {
		m.Where(knowledgerequest.OwnerID(viewerID(ctx)))
		return privacy.Allow
	})
	return privacy.Policy{
		Query: privacy.QueryPolicy{signedIn(), privacy.KnowledgeRequestQueryRuleFunc(
			func(ctx context.Context, q *gen.KnowledgeRequestQuery) error {
				viewer := viewerID(ctx)
				q.Where(knowledgerequest.Or(knowledgerequest.RequesterID(viewer), knowledgerequest.OwnerID(viewer)))
				return privacy.Allow
			})},
		Mutation: privacy.MutationPolicy{
			signedIn(),
			privacy.OnMutationOperation(create, ent.OpCreate),
			privacy.OnMutationOperation(answer, ent.OpUpdateOne),
			forbidden(),
		},
	}
}

// Hooks returns the hooks that append the events. Updates of many rows at once are forbidden, because a hook would
// not see the rows. Only outbox.Retention removes old rows, as the system, and that appends no event. Do not use
// CreateBulk: its hooks run from the last row to the first, and so would the events.
func (KnowledgeRequest) Hooks() []ent.Hook {
	return []ent.Hook{
		outbox.RequireTx,
		hook.On(hook.FixedError(rule.ErrForbidden), ent.OpUpdate|ent.OpDeleteOne),
		hook.On(ask, ent.OpCreate),
		hook.On(answer, ent.OpUpdateOne),
	}
}
