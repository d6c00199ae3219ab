package schema

import (
	"context"

	"entgo.io/contrib/entgql"
	"entgo.io/ent"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"

	gen "lorebridge/ent"
	"lorebridge/ent/hook"
	"lorebridge/ent/knowledge"
	"lorebridge/ent/knowledgecontent"
	"lorebridge/ent/knowledgeshare"
	"lorebridge/ent/privacy"
	"lorebridge/rule"
)

// KnowledgeContent is the text of one Knowledge. Its owner can read it, and those with whom it is shared.
//
// Unlike the other inner entities it is a type for entgql, so that a list that selects Knowledge.content loads all
// its texts in one query. In the API it is only a string.
type KnowledgeContent struct{ ent.Schema }

func (KnowledgeContent) Fields() []ent.Field {
	return []ent.Field{
		field.Int("knowledge_id").Immutable().Annotations(entgql.Skip()),
		// Skipped, because the selection has no subfields, and entgql would take it for one of the id alone.
		field.Text("text").Annotations(entgql.Skip()),
	}
}

func (KnowledgeContent) Edges() []ent.Edge {
	return []ent.Edge{
		edge.From("knowledge", Knowledge.Type).Ref("content").Field("knowledge_id").Unique().Required().Immutable().
			Annotations(entgql.Skip()),
	}
}

func (KnowledgeContent) Policy() ent.Policy {
	create := privacy.KnowledgeContentMutationRuleFunc(func(ctx context.Context, m *gen.KnowledgeContentMutation) error {
		id, _ := m.KnowledgeID()
		owned, err := m.Client().Knowledge.Query().
			Where(knowledge.ID(id), knowledge.OwnerID(viewerID(ctx))).Exist(ctx)
		switch {
		case err != nil:
			return err
		case !owned:
			return rule.ErrForbidden
		}
		return privacy.Allow
	})
	change := privacy.KnowledgeContentMutationRuleFunc(func(ctx context.Context, m *gen.KnowledgeContentMutation) error {
		m.Where(knowledgecontent.HasKnowledgeWith(knowledge.OwnerID(viewerID(ctx))))
		return privacy.Allow
	})
	return privacy.Policy{
		Query: privacy.QueryPolicy{signedIn(), privacy.KnowledgeContentQueryRuleFunc(
			func(ctx context.Context, q *gen.KnowledgeContentQuery) error {
				viewer := viewerID(ctx)
				q.Where(knowledgecontent.HasKnowledgeWith(knowledge.Or(
					knowledge.OwnerID(viewer),
					knowledge.HasSharesWith(knowledgeshare.SharedWithID(viewer)),
				)))
				return privacy.Allow
			})},
		Mutation: privacy.MutationPolicy{
			signedIn(),
			privacy.OnMutationOperation(create, ent.OpCreate),
			privacy.OnMutationOperation(change, ent.OpUpdate|ent.OpUpdateOne),
			forbidden(), // it is deleted with its Knowledge
		},
	}
}

func (KnowledgeContent) Hooks() []ent.Hook {
	return []ent.Hook{hook.On(tidyContent, ent.OpCreate|ent.OpUpdateOne|ent.OpUpdate)}
}

func tidyContent(next ent.Mutator) ent.Mutator {
	return hook.KnowledgeContentFunc(func(ctx context.Context, m *gen.KnowledgeContentMutation) (ent.Value, error) {
		if text, ok := m.Text(); ok {
			if _, err := rule.Text("content", text); err != nil {
				return nil, err
			}
		}
		return next.Mutate(ctx, m)
	})
}
