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
	"lorebridge/ent/knowledge"
	"lorebridge/ent/knowledgeshare"
	"lorebridge/ent/privacy"
)

// KnowledgeShare lets one person read the content of one Knowledge. Only an approval creates it.
type KnowledgeShare struct{ ent.Schema }

func (KnowledgeShare) Mixin() []ent.Mixin { return []ent.Mixin{createdAt{}} }

func (KnowledgeShare) Fields() []ent.Field {
	return []ent.Field{
		field.Int("knowledge_id").Immutable(),
		field.Int("shared_with_id").Immutable(),
		field.Int("request_id").Immutable(),
	}
}

func (KnowledgeShare) Edges() []ent.Edge {
	return []ent.Edge{
		edge.From("knowledge", Knowledge.Type).Ref("shares").Field("knowledge_id").Unique().Required().Immutable(),
		edge.To("shared_with", User.Type).Field("shared_with_id").Unique().Required().Immutable().
			Annotations(entsql.OnDelete(entsql.Cascade)),
		edge.To("request", KnowledgeRequest.Type).Field("request_id").Unique().Required().Immutable(),
	}
}

func (KnowledgeShare) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("knowledge_id", "shared_with_id").Unique(),
		index.Fields("shared_with_id"), index.Fields("request_id"),
	}
}

func (KnowledgeShare) Annotations() []schema.Annotation {
	return []schema.Annotation{entgql.Skip()}
}

func (KnowledgeShare) Policy() ent.Policy {
	return privacy.Policy{
		Query: privacy.QueryPolicy{signedIn(), privacy.KnowledgeShareQueryRuleFunc(
			func(ctx context.Context, q *gen.KnowledgeShareQuery) error {
				viewer := viewerID(ctx)
				q.Where(knowledgeshare.Or(
					knowledgeshare.SharedWithID(viewer),
					knowledgeshare.HasKnowledgeWith(knowledge.OwnerID(viewer)),
				))
				return privacy.Allow
			})},
		Mutation: privacy.MutationPolicy{forbidden()}, // only an approval creates it, as the system
	}
}
