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

// Subscriptions carries the subscriptions: package bridge does. Whether a call registers one, delivers to one or
// streams, it reads from the context, so resolvers do not.
type Subscriptions interface {
	// Subscribe gives a resolver its feed. Too many subscriptions of one person are an *auth.RateLimitError.
	Subscribe(ctx context.Context, topic outbox.Topic) (bridge.Feed, error)
	// Register stores a subscription that came by POST and returns its first answer, with the channel that its results
	// will be sent to; the channel is empty if there will be none: then the answer says why, or was all there is.
	Register(ctx context.Context, exec graphql.GraphExecutor, operation *graphql.OperationContext) (answer *graphql.Response, channel string)
	// End ends a subscription by its id. One that is not there, or has ended, is a rule.ErrNotFound.
	End(ctx context.Context, id int, reason string) error
}

// story is what a subscription field emits: how to make its value of an event, and what it begins and ends with.
type story[T any] struct {
	topic outbox.Topic
	// first makes what is emitted before any event; nil where that is nothing.
	first func(ctx context.Context) (*T, error)
	// of makes what is emitted for an event; a nil value is not. An error ends the subscription.
	of func(ctx context.Context, e *ent.Event) (*T, error)
	// last says that nothing follows a value; nil where something always can.
	last func(*T) bool
}

// isLast says that nothing follows a value.
func (s story[T]) isLast(value *T) bool { return value != nil && s.last != nil && s.last(value) }

// tell subscribes and emits. What a subscription begins with and the one event of a delivery are made before it
// returns, so that their errors are the field's.
func tell[T any](ctx context.Context, subscriptions Subscriptions, s story[T]) (<-chan *T, error) {
	feed, err := subscriptions.Subscribe(ctx, s.topic)
	if err != nil {
		return nil, err
	}
	told := make(chan *T, 1)
	var value *T
	switch {
	case feed.Fresh && s.first != nil:
		value, err = s.first(ctx)
	case feed.Event != nil:
		value, err = s.of(ctx, feed.Event)
	}
	if err != nil {
		return nil, err
	}
	if value != nil {
		told <- value
	}
	if s.isLast(value) {
		feed.End()
		feed.Events = nil
	}
	if feed.Events == nil {
		close(told)
		return told, nil
	}
	go func() {
		defer close(told)
		if err := s.follow(ctx, feed, told); err != nil {
			endStream(ctx, err)
		}
	}()
	return told, nil
}

// follow emits a stream's events until it ends, and returns why unless it ended in good order.
func (s story[T]) follow(ctx context.Context, feed bridge.Feed, told chan<- *T) error {
	for e := range feed.Events {
		value, err := s.of(ctx, e)
		if err != nil {
			return err
		}
		if value == nil {
			continue
		}
		select {
		case told <- value:
		case <-ctx.Done():
			return nil
		}
		if s.isLast(value) {
			return nil
		}
	}
	return feed.Err()
}

func (r *Resolver) knowledgeRequestReceived(ctx context.Context) (<-chan *ent.KnowledgeRequest, error) {
	viewer, err := auth.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	return tell(ctx, r.Subscriptions, story[ent.KnowledgeRequest]{topic: outbox.RequestsTo(viewer.UserID), of: r.requestOf})
}

func (r *Resolver) knowledgeRequestAnswered(ctx context.Context) (<-chan *ent.KnowledgeRequest, error) {
	viewer, err := auth.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	return tell(ctx, r.Subscriptions, story[ent.KnowledgeRequest]{topic: outbox.AnswersTo(viewer.UserID), of: r.requestOf})
}

// knowledgeRequestChanged ends with the answer: a request changes once.
func (r *Resolver) knowledgeRequestChanged(ctx context.Context, id int) (<-chan *ent.KnowledgeRequest, error) {
	if _, err := auth.FromContext(ctx); err != nil {
		return nil, err
	}
	now := func(ctx context.Context) (*ent.KnowledgeRequest, error) {
		request, err := r.Client.KnowledgeRequest.Get(ctx, id)
		if ent.IsNotFound(err) {
			return nil, rule.ErrNotFound
		}
		return request, err
	}
	return tell(ctx, r.Subscriptions, story[ent.KnowledgeRequest]{
		topic: outbox.AnswerOf(id),
		first: now,
		of:    func(ctx context.Context, _ *ent.Event) (*ent.KnowledgeRequest, error) { return now(ctx) },
		last:  func(request *ent.KnowledgeRequest) bool { return request.Status != knowledgerequest.StatusPending },
	})
}

// viewerActed reaches the device that acted, too: a client knows what it has done by the request's id.
func (r *Resolver) viewerActed(ctx context.Context) (<-chan *ent.KnowledgeRequest, error) {
	viewer, err := auth.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	return tell(ctx, r.Subscriptions, story[ent.KnowledgeRequest]{topic: outbox.ActionsOf(viewer.UserID), of: r.requestOf})
}

func (r *Resolver) notificationReceived(ctx context.Context) (<-chan *ent.Event, error) {
	viewer, err := auth.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	return tell(ctx, r.Subscriptions, story[ent.Event]{
		topic: outbox.NotificationsOf(viewer.UserID),
		of: func(ctx context.Context, e *ent.Event) (*ent.Event, error) {
			// Read again: by now it may have been marked as read.
			notification, err := r.Client.Event.Get(ctx, e.ID)
			return present(notification, err)
		},
	})
}

func (r *Resolver) knowledgePublished(ctx context.Context) (<-chan *ent.Knowledge, error) {
	if _, err := auth.FromContext(ctx); err != nil {
		return nil, err
	}
	return tell(ctx, r.Subscriptions, story[ent.Knowledge]{
		topic: outbox.PublishedKnowledge(),
		of: func(ctx context.Context, e *ent.Event) (*ent.Knowledge, error) {
			if e.KnowledgeID == nil { // deleted meanwhile
				return nil, nil //nolint:nilnil // nothing to tell
			}
			item, err := r.Client.Knowledge.Get(ctx, *e.KnowledgeID)
			return present(item, err)
		},
	})
}

// requestOf is the request that an event is about.
func (r *Resolver) requestOf(ctx context.Context, e *ent.Event) (*ent.KnowledgeRequest, error) {
	if e.RequestID == nil { // deleted meanwhile
		return nil, nil //nolint:nilnil // nothing to tell
	}
	request, err := r.Client.KnowledgeRequest.Get(ctx, *e.RequestID)
	return present(request, err)
}

// present leaves out what is gone.
func present[T any](value *T, err error) (*T, error) {
	if ent.IsNotFound(err) {
		return nil, nil //nolint:nilnil // nothing to tell
	}
	return value, err
}
