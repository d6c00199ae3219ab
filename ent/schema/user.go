package schema

import (
	"context"

	"entgo.io/contrib/entgql"
	"entgo.io/ent"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"

	gen "lorebridge/ent"
	"lorebridge/ent/hook"
	"lorebridge/ent/privacy"
	"lorebridge/rule"
)

// User is a person with an account. Every signed-in person sees everybody's name. Only its owner sees the e-mail
// address, so it appears in no filter and no order.
type User struct{ ent.Schema }

func (User) Mixin() []ent.Mixin { return []ent.Mixin{createdAt{}} }

func (User) Fields() []ent.Field {
	return []ent.Field{
		field.String("name"),
		field.String("name_key").
			Comment("the name in lower case, because SQLite folds only ASCII"),
		field.String("email").Unique().Annotations(entgql.Skip()),
		field.String("password_hash").Sensitive().Annotations(entgql.Skip()),
	}
}

func (User) Indexes() []ent.Index {
	return []ent.Index{index.Fields("name_key"), index.Fields("created_at")}
}

func (User) Policy() ent.Policy {
	return privacy.Policy{
		Query:    privacy.QueryPolicy{signedIn(), privacy.AlwaysAllowRule()},
		Mutation: privacy.MutationPolicy{forbidden()}, // only auth signs people up, as the system
	}
}

func (User) Hooks() []ent.Hook {
	return []ent.Hook{hook.On(tidyUser, ent.OpCreate|ent.OpUpdateOne|ent.OpUpdate)}
}

// tidyUser trims and checks a user's texts.
func tidyUser(next ent.Mutator) ent.Mutator {
	return hook.UserFunc(func(ctx context.Context, m *gen.UserMutation) (ent.Value, error) {
		if name, ok := m.Name(); ok {
			name, err := rule.Line("name", name, rule.MaxName)
			if err != nil {
				return nil, err
			}
			m.SetName(name)
			m.SetNameKey(rule.Fold(name))
		}
		if email, ok := m.Email(); ok {
			email, err := rule.Email("email", email)
			if err != nil {
				return nil, err
			}
			m.SetEmail(email)
		}
		return next.Mutate(ctx, m)
	})
}
