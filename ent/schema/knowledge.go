package schema

import (
	"context"

	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"

	gen "lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/hook"
	"lorebridge/ent/knowledge"
	"lorebridge/ent/knowledgerequest"
	"lorebridge/ent/privacy"
	"lorebridge/outbox"
	"lorebridge/rule"
)

// Knowledge is an item that a person knows. Every signed-in person sees its title. Its text is a KnowledgeContent, a
// row of its own with a rule of its own.
type Knowledge struct{ ent.Schema }

func (Knowledge) Mixin() []ent.Mixin { return []ent.Mixin{createdAt{}} }

func (Knowledge) Fields() []ent.Field {
	return []ent.Field{
		field.Int("owner_id").Immutable(),
		field.String("title"),
		field.String("title_key").
			Comment("the title in lower case, because SQLite folds only ASCII"),
		field.Time("updated_at").Default(now).UpdateDefault(now),
	}
}

func (Knowledge) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("owner", User.Type).Field("owner_id").Unique().Required().Immutable(),
		edge.To("content", KnowledgeContent.Type).Unique().
			Annotations(entsql.OnDelete(entsql.Cascade)),
		edge.To("shares", KnowledgeShare.Type).
			Annotations(entsql.OnDelete(entsql.Cascade)),
	}
}

func (Knowledge) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("created_at"), index.Fields("updated_at"), index.Fields("title_key"),
		index.Fields("owner_id", "created_at"),
	}
}

func (Knowledge) Annotations() []schema.Annotation {
	return []schema.Annotation{entsql.Table("knowledge")}
}

func (Knowledge) Policy() ent.Policy {
	create := privacy.KnowledgeMutationRuleFunc(func(ctx context.Context, m *gen.KnowledgeMutation) error {
		if owner, ok := m.OwnerID(); !ok || owner != viewerID(ctx) {
			return rule.ErrForbidden
		}
		return privacy.Allow
	})
	change := privacy.KnowledgeMutationRuleFunc(func(ctx context.Context, m *gen.KnowledgeMutation) error {
		m.Where(knowledge.OwnerID(viewerID(ctx)))
		return privacy.Allow
	})
	return privacy.Policy{
		Query: privacy.QueryPolicy{signedIn(), privacy.AlwaysAllowRule()},
		Mutation: privacy.MutationPolicy{
			signedIn(),
			privacy.OnMutationOperation(create, ent.OpCreate),
			privacy.OnMutationOperation(change, ent.OpUpdateOne|ent.OpDeleteOne),
			forbidden(),
		},
	}
}

func (Knowledge) Hooks() []ent.Hook {
	return []ent.Hook{
		hook.On(outbox.RequireTx, ent.OpCreate|ent.OpDelete|ent.OpDeleteOne),
		hook.On(tidyKnowledge, ent.OpCreate|ent.OpUpdateOne|ent.OpUpdate),
		hook.On(explainKnowledge, ent.OpUpdateOne|ent.OpDeleteOne),
		hook.On(denyPendingRequests, ent.OpDeleteOne),
		hook.On(publish, ent.OpCreate),
	}
}

func tidyKnowledge(next ent.Mutator) ent.Mutator {
	return hook.KnowledgeFunc(func(ctx context.Context, m *gen.KnowledgeMutation) (ent.Value, error) {
		if title, ok := m.Title(); ok {
			title, err := rule.Line("title", title, rule.MaxTitle)
			if err != nil {
				return nil, err
			}
			m.SetTitle(title)
			m.SetTitleKey(rule.Fold(title))
		}
		return next.Mutate(ctx, m)
	})
}

// publish appends the event of a new item, for the subscribers to new items.
func publish(next ent.Mutator) ent.Mutator {
	return hook.KnowledgeFunc(func(ctx context.Context, m *gen.KnowledgeMutation) (ent.Value, error) {
		v, err := next.Mutate(ctx, m)
		if err != nil {
			return nil, err
		}
		return v, outbox.Append(ctx, outbox.Change{
			Kind: event.KindKnowledgePublished, KnowledgeID: &v.(*gen.Knowledge).ID,
		})
	})
}

// explainKnowledge distinguishes between an item of another person, which everybody can see, and one that does not
// exist.
func explainKnowledge(next ent.Mutator) ent.Mutator {
	return hook.KnowledgeFunc(func(ctx context.Context, m *gen.KnowledgeMutation) (ent.Value, error) {
		v, err := next.Mutate(ctx, m)
		if deleted, ok := v.(int); err == nil && (!ok || deleted > 0) {
			return v, nil
		}
		if err != nil && !gen.IsNotFound(err) {
			return nil, err
		}
		id, _ := m.ID()
		exists, err := m.Client().Knowledge.Query().Where(knowledge.ID(id)).Exist(ctx)
		switch {
		case err != nil:
			return nil, err
		case exists:
			return nil, rule.ErrForbidden
		default:
			return nil, rule.ErrNotFound
		}
	})
}

// denyPendingRequests denies the pending requests for an item before it is deleted. Each requester gets an event.
func denyPendingRequests(next ent.Mutator) ent.Mutator {
	return hook.KnowledgeFunc(func(ctx context.Context, m *gen.KnowledgeMutation) (ent.Value, error) {
		id, ok := m.ID()
		if !ok {
			return nil, rule.ErrForbidden
		}
		// The policy of requests applies here: for anybody except the owner there are none.
		pending, err := m.Client().KnowledgeRequest.Query().
			Where(knowledgerequest.KnowledgeID(id), knowledgerequest.OwnerID(viewerID(ctx)),
				knowledgerequest.StatusEQ(knowledgerequest.StatusPending)).
			Order(gen.Asc(knowledgerequest.FieldID)).All(ctx)
		if err != nil {
			return nil, err
		}
		for _, request := range pending {
			if err := request.Update().SetStatus(knowledgerequest.StatusDenied).Exec(ctx); err != nil {
				return nil, err
			}
		}
		return next.Mutate(ctx, m)
	})
}
