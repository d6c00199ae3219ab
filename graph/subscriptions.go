package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"lorebridge/auth"
	"lorebridge/bridge"
	"lorebridge/ent"
	"lorebridge/ent/knowledgerequest"
	"lorebridge/outbox"
	"lorebridge/rule"
)

// Subscriptions registers, delivers and ends subscriptions. realtime.Subscriptions implements it. It reads from the
// context whether a call registers a subscription, delivers to one or streams, so resolvers need not know.
type Subscriptions interface {
	bridge.Feeds
	// Register stores a subscription that came by POST. It returns the first answer, and the channel of the results.
	// The channel is empty if no results follow: then the answer has the reason, or is the only result.
	Register(ctx context.Context, exec graphql.GraphExecutor, operation *graphql.OperationContext) (answer *graphql.Response, channel string)
	// End ends a subscription by its id. It returns bridge.ErrNotFound if there is none, or it has ended.
	End(ctx context.Context, id int, reason string) error
}

// resolve is bridge.Resolve for a topic of our log. of gets the row of an event.
func resolve[T any](ctx context.Context, feeds bridge.Feeds, topic outbox.Topic, s bridge.Source[T],
	of func(context.Context, *ent.Event) (*T, error),
) (<-chan *T, error) {
	s.Topic = bridge.Topic(topic.String())
	s.Of = func(ctx context.Context, e *bridge.Event) (*T, error) {
		return of(ctx, e.Value.(*ent.Event)) //nolint:forcetypeassert // realtime publishes nothing else
	}
	return bridge.Resolve(ctx, feeds, s)
}

// subscriptions resolves the Subscription fields.
type subscriptions struct {
	client *ent.Client
	feeds  bridge.Feeds
}

func (s *subscriptions) knowledgeRequestReceived(ctx context.Context) (<-chan *ent.KnowledgeRequest, error) {
	viewer, err := auth.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	return resolve(ctx, s.feeds, outbox.RequestsTo(viewer.UserID), bridge.Source[ent.KnowledgeRequest]{}, s.requestOf)
}

func (s *subscriptions) knowledgeRequestAnswered(ctx context.Context) (<-chan *ent.KnowledgeRequest, error) {
	viewer, err := auth.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	return resolve(ctx, s.feeds, outbox.AnswersTo(viewer.UserID), bridge.Source[ent.KnowledgeRequest]{}, s.requestOf)
}

// knowledgeRequestChanged ends with the answer, because a request changes only once.
func (s *subscriptions) knowledgeRequestChanged(ctx context.Context, id int) (<-chan *ent.KnowledgeRequest, error) {
	if _, err := auth.FromContext(ctx); err != nil {
		return nil, err
	}
	now := func(ctx context.Context) (*ent.KnowledgeRequest, error) {
		request, err := s.client.KnowledgeRequest.Get(ctx, id)
		if ent.IsNotFound(err) {
			return nil, rule.ErrNotFound
		}
		return request, err
	}
	return resolve(ctx, s.feeds, outbox.AnswerOf(id), bridge.Source[ent.KnowledgeRequest]{
		First: now,
		Last:  func(request *ent.KnowledgeRequest) bool { return request.Status != knowledgerequest.StatusPending },
	}, func(ctx context.Context, _ *ent.Event) (*ent.KnowledgeRequest, error) { return now(ctx) })
}

// viewerActed also reaches the device that acted. A client knows its own actions by the id of the request.
func (s *subscriptions) viewerActed(ctx context.Context) (<-chan *ent.KnowledgeRequest, error) {
	viewer, err := auth.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	return resolve(ctx, s.feeds, outbox.ActionsOf(viewer.UserID), bridge.Source[ent.KnowledgeRequest]{}, s.requestOf)
}

func (s *subscriptions) notificationReceived(ctx context.Context) (<-chan *ent.Event, error) {
	viewer, err := auth.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	return resolve(ctx, s.feeds, outbox.NotificationsOf(viewer.UserID), bridge.Source[ent.Event]{},
		func(ctx context.Context, e *ent.Event) (*ent.Event, error) {
			// Not e itself: the notification may have been marked as read meanwhile.
			notification, err := s.client.Event.Get(ctx, e.ID)
			return present(notification, err)
		})
}

func (s *subscriptions) knowledgePublished(ctx context.Context) (<-chan *ent.Knowledge, error) {
	return resolve(ctx, s.feeds, outbox.PublishedKnowledge(), bridge.Source[ent.Knowledge]{Allow: signedIn},
		func(ctx context.Context, e *ent.Event) (*ent.Knowledge, error) {
			if e.KnowledgeID == nil { // deleted meanwhile
				return nil, nil //nolint:nilnil // nothing to emit
			}
			item, err := s.client.Knowledge.Get(ctx, *e.KnowledgeID)
			return present(item, err)
		})
}

// requestOf returns the request that an event is about, or nil if it was deleted.
func (s *subscriptions) requestOf(ctx context.Context, e *ent.Event) (*ent.KnowledgeRequest, error) {
	if e.RequestID == nil { // deleted meanwhile
		return nil, nil //nolint:nilnil // nothing to emit
	}
	request, err := s.client.KnowledgeRequest.Get(ctx, *e.RequestID)
	return present(request, err)
}

// present returns nil instead of the error for a row that was deleted.
func present[T any](value *T, err error) (*T, error) {
	if ent.IsNotFound(err) {
		return nil, nil //nolint:nilnil // nothing to emit
	}
	return value, err
}

// signedIn returns nil for everybody with an account.
func signedIn(ctx context.Context) error {
	_, err := auth.FromContext(ctx)
	return err
}
