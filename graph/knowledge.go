package graph

import (
	"context"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/knowledge"
	"lorebridge/ent/knowledgecontent"
	"lorebridge/rule"
)

// knowledgeItems resolves the fields of knowledge.
type knowledgeItems struct {
	client *ent.Client
	withTx auth.WithTx
}

// content returns null if the policy of KnowledgeContent hides the row from the viewer. Lists have loaded it.
func (*knowledgeItems) content(ctx context.Context, item *ent.Knowledge) (*string, error) {
	content, err := item.Content(ctx)
	if err != nil || content == nil {
		return nil, err
	}
	return &content.Text, nil
}

func (k *knowledgeItems) create(ctx context.Context, input CreateKnowledgeInput) (*CreateKnowledgePayload, error) {
	viewer, err := auth.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	var created *ent.Knowledge
	err = k.withTx(ctx, func(ctx context.Context, tx *ent.Client) (err error) {
		created, err = tx.Knowledge.Create().SetOwnerID(viewer.UserID).SetTitle(input.Title).Save(ctx)
		if err != nil {
			return err
		}
		return tx.KnowledgeContent.Create().SetKnowledgeID(created.ID).SetText(input.Content).Exec(ctx)
	})
	if err != nil {
		return nil, err
	}
	item := created.Unwrap()
	return &CreateKnowledgePayload{Knowledge: item, KnowledgeEdge: newestKnowledge.edge(item)}, nil
}

func (k *knowledgeItems) update(ctx context.Context, input UpdateKnowledgeInput) (*UpdateKnowledgePayload, error) {
	if _, err := auth.FromContext(ctx); err != nil {
		return nil, err
	}
	var updated *ent.Knowledge
	err := k.withTx(ctx, func(ctx context.Context, tx *ent.Client) (err error) {
		// Also if only the content changes: this sets updatedAt, and checks that the item is the viewer's.
		updated, err = tx.Knowledge.UpdateOneID(input.ID).SetNillableTitle(input.Title).Save(ctx)
		if err != nil || input.Content == nil {
			return err
		}
		return tx.KnowledgeContent.Update().Where(knowledgecontent.KnowledgeID(input.ID)).SetText(*input.Content).Exec(ctx)
	})
	if err != nil {
		return nil, err
	}
	return &UpdateKnowledgePayload{Knowledge: updated.Unwrap()}, nil
}

func (k *knowledgeItems) delete(ctx context.Context, input *DeleteKnowledgeInput, deprecatedID *int) (*DeleteKnowledgePayload, error) {
	if _, err := auth.FromContext(ctx); err != nil {
		return nil, err
	}
	var id int
	switch {
	case (input == nil) == (deprecatedID == nil):
		return nil, rule.Inputf("input", "give exactly one of input and id: id is deprecated")
	case input != nil:
		id = input.ID
	default:
		id = *deprecatedID
	}
	if err := k.withTx(ctx, func(ctx context.Context, tx *ent.Client) error {
		return tx.Knowledge.DeleteOneID(id).Exec(ctx)
	}); err != nil {
		return nil, err
	}
	return &DeleteKnowledgePayload{DeletedID: id}, nil
}

func (k *knowledgeItems) list(
	ctx context.Context, text *string, where *ent.KnowledgeWhereInput, b bounds, order *KnowledgeOrder,
) (*KnowledgeConnection, error) {
	b, err := b.checked()
	if err != nil {
		return nil, err
	}
	query := k.client.Knowledge.Query()
	switch text, err := search(text); {
	case err != nil:
		return nil, err
	case text != "":
		query.Where(knowledge.TitleKeyContains(rule.Fold(text)))
	}
	by := newestKnowledge
	if order != nil {
		by = knowledgeOrders[order.Field].towards(order.Direction)
	}
	if query, err = where.Filter(query); err != nil {
		return nil, err
	}
	return connect(ctx, query, b, by)
}
