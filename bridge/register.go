package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/subscriber"
	"lorebridge/rule"
)

const (
	headerProtocol = "X-Subscription-Protocol"
	headerCompress = "X-Subscription-Compress"

	maxStored = 16 << 10 // bytes of the document and its variables: every subscription keeps its own
)

// protocols are the values of headerProtocol.
var protocols = map[string]subscriber.Protocol{
	"":                subscriber.ProtocolUnset,
	"both":            subscriber.ProtocolBoth,
	"graphql-ruby":    subscriber.ProtocolGraphqlRuby,
	"lighthouse":      subscriber.ProtocolLighthouse,
	"lighthouse-echo": subscriber.ProtocolLighthouseEcho,
}

// Register runs the resolver, which says whether the viewer may and what the topic is, stores the subscription, and
// only then returns its answer with the channel. Where the answer has errors, and where nothing will follow it,
// nothing is stored and the channel is empty.
func (s *Subscriptions) Register(ctx context.Context, exec graphql.GraphExecutor, oc *graphql.OperationContext) (*graphql.Response, string) {
	refuse := func(err error) (*graphql.Response, string) {
		return exec.DispatchError(graphql.WithOperationContext(ctx, oc), gqlerror.List{gqlerror.Wrap(err)}), ""
	}
	draft, err := newDraft(oc)
	if err != nil {
		return refuse(err)
	}
	call := &registering{}
	stored := false
	defer func() {
		if call.reserved && !stored {
			viewer, _ := auth.FromContext(ctx) // there is one: it took a place
			s.mu.Lock()
			defer s.mu.Unlock()
			s.release(call.topic, viewer.UserID)
		}
	}()
	responses, running := exec.DispatchOperation(context.WithValue(ctx, callKey{}, call), oc)
	answer := responses(running)
	switch {
	case answer == nil && ctx.Err() != nil:
		return refuse(context.Cause(ctx))
	case answer == nil:
		answer = &graphql.Response{Data: []byte("{}")} // nothing to begin with
	case len(answer.Errors) > 0:
		return answer, ""
	}
	if call.ended || !call.reserved {
		return answer, ""
	}
	sub, err := s.store(ctx, draft, call, oc)
	if err != nil {
		return refuse(err)
	}
	stored = true
	if answer.Extensions == nil {
		answer.Extensions = make(map[string]any)
	}
	answer.Extensions["lighthouse_subscriptions"] = announcement(sub)
	return answer, sub.channel
}

// announcement is what the links written for Lighthouse read: version 2 the channel, older ones the channel by field
// or by operation.
func announcement(sub *subscription) map[string]any {
	channels := map[string]string{sub.operation.field: sub.channel}
	if sub.operation.name != "" {
		channels[sub.operation.name] = sub.channel
	}
	return map[string]any{"version": 2, "channel": sub.channel, "channels": channels}
}

// draft is what a request says about its subscription.
type draft struct {
	protocol subscriber.Protocol
	compress bool
	field    string
}

func newDraft(oc *graphql.OperationContext) (draft, error) {
	d := draft{}
	var known bool
	if d.protocol, known = protocols[strings.ToLower(header(oc, headerProtocol))]; !known {
		return d, rule.Inputf(headerProtocol, "is %.40q: it must be graphql-ruby, lighthouse, lighthouse-echo or both", header(oc, headerProtocol))
	}
	switch encoding := header(oc, headerCompress); strings.ToLower(encoding) {
	case "":
	case "gzip":
		d.compress = true
	default:
		return d, rule.Inputf(headerCompress, "is %.40q: it must be gzip", encoding)
	}
	d.field = graphql.CollectFields(oc, oc.Operation.SelectionSet, []string{"Subscription"})[0].Name // graph lets nothing else pass
	size := len(oc.RawQuery)
	if len(oc.Variables) > 0 {
		variables, err := json.Marshal(oc.Variables)
		if err != nil {
			return d, fmt.Errorf("measure the variables of a subscription: %w", err)
		}
		size += len(variables)
	}
	if size > maxStored {
		return d, rule.Inputf("query", "has with its variables %d bytes, a stored subscription may have %d: ask for less", size, maxStored)
	}
	return d, nil
}

func header(oc *graphql.OperationContext, name string) string {
	return strings.TrimSpace(oc.Headers.Get(name))
}

// store writes the subscription down and makes it one that events are kept for.
func (s *Subscriptions) store(ctx context.Context, d draft, call *registering, oc *graphql.OperationContext) (*subscription, error) {
	viewer, err := auth.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	key, err := keyOf(call.topic, viewer.UserID, oc)
	if err != nil {
		return nil, fmt.Errorf("compare the variables of a subscription: %w", err)
	}
	now := time.Now().UTC()
	sub := &subscription{
		channel: s.bridge.newChannel(), topic: call.topic, viewer: viewer, compress: d.compress, createdAt: now,
		operation: operation{document: oc.RawQuery, name: oc.Operation.Name, field: d.field, variables: oc.Variables},
		state:     subscriber.StatePending, protocol: d.protocol, cursor: call.cursor, placed: true,
	}
	if err := s.eventLog.WithTx(ctx, func(ctx context.Context, tx *ent.Client) error {
		row, err := tx.Subscriber.Create().
			SetChannel(sub.channel).SetUserID(viewer.UserID).SetSessionID(viewer.SessionID).
			SetTopic(sub.topic.String()).SetField(d.field).SetOperationName(sub.operation.name).
			SetDocument(sub.operation.document).SetVariables(sub.operation.variables).
			SetProtocol(d.protocol).SetCompress(d.compress).SetCursor(sub.cursor.Seq()).
			SetExpiresAt(earlier(now.Add(s.config.Lifetime), viewer.ExpiresAt)).
			Save(auth.AsSystem(ctx))
		if err == nil {
			sub.id = row.ID
		}
		return err
	}); err != nil {
		return nil, fmt.Errorf("store a subscription: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enter(sub, key)
	return sub, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// enter adds a subscription, whose topic is held, to those that events are delivered to. s.mu is held.
func (s *Subscriptions) enter(sub *subscription, key groupKey) {
	s.byID[sub.id] = sub
	s.byChannel[sub.channel] = sub
	groups := s.topics[sub.topic].groups
	g, ok := groups[key]
	if !ok {
		g = &group{key: key, operation: sub.operation, members: make(map[*subscription]struct{})}
		groups[key] = g
	}
	g.members[sub] = struct{}{}
	sub.group = g
}
