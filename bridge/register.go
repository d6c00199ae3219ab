package bridge

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

const (
	headerProtocol = "X-Subscription-Protocol"
	headerCompress = "X-Subscription-Compress"

	maxStored = 16 << 10 // bytes of the document and its variables: every subscription keeps its own
)

// protocols are the values of headerProtocol.
var protocols = map[string]Protocol{
	"":                ProtocolUnset,
	"both":            ProtocolBoth,
	"graphql-ruby":    ProtocolGraphqlRuby,
	"lighthouse":      ProtocolLighthouse,
	"lighthouse-echo": ProtocolLighthouseEcho,
}

// Register runs the resolver, which checks the viewer's rights and names the topic. Then it stores the subscription,
// and only then it returns the answer with the channel. If the answer has errors, or nothing will follow it, nothing is
// stored and the channel is empty.
func (b *Bridge) Register(ctx context.Context, exec graphql.GraphExecutor, oc *graphql.OperationContext) (*graphql.Response, string) {
	reject := func(err error) (*graphql.Response, string) {
		return exec.DispatchError(graphql.WithOperationContext(ctx, oc), gqlerror.List{gqlerror.Wrap(err)}), ""
	}
	draft, err := newDraft(oc)
	if err != nil {
		return reject(err)
	}
	call := &registering{}
	stored := false
	defer func() {
		if call.reserved && !stored {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.release(call.topic, call.viewer.User)
		}
	}()
	responses, running := exec.DispatchOperation(context.WithValue(ctx, callKey{}, call), oc)
	answer := responses(running)
	switch {
	case answer == nil && ctx.Err() != nil:
		return reject(context.Cause(ctx))
	case answer == nil:
		answer = &graphql.Response{Data: []byte("{}")} // nothing to begin with
	case len(answer.Errors) > 0:
		return answer, ""
	}
	if call.ended || !call.reserved {
		return answer, ""
	}
	sub, err := b.store(ctx, draft, call, oc)
	if err != nil {
		return reject(err)
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

// draft is what the headers and the document of a request ask for.
type draft struct {
	protocol Protocol
	compress bool
	field    string
}

func newDraft(oc *graphql.OperationContext) (draft, error) {
	d := draft{}
	var known bool
	if d.protocol, known = protocols[strings.ToLower(header(oc, headerProtocol))]; !known {
		return d, inputErrorf(headerProtocol, "is %.40q: it must be graphql-ruby, lighthouse, lighthouse-echo or both",
			header(oc, headerProtocol))
	}
	switch encoding := header(oc, headerCompress); strings.ToLower(encoding) {
	case "":
	case "gzip":
		d.compress = true
	default:
		return d, inputErrorf(headerCompress, "is %.40q: it must be gzip", encoding)
	}
	roots := graphql.CollectFields(oc, oc.Operation.SelectionSet, []string{"Subscription"})
	if len(roots) != 1 {
		return d, inputErrorf("query", "has %d fields of Subscription: a subscription must have one", len(roots))
	}
	d.field = roots[0].Name
	size, err := variablesSize(oc.Variables)
	if err != nil {
		return d, fmt.Errorf("measure the variables of a subscription: %w", err)
	}
	size += len(oc.RawQuery)
	if size > maxStored {
		return d, inputErrorf("query", "has with its variables %d bytes, a stored subscription may have %d: ask for less", size, maxStored)
	}
	return d, nil
}

func header(oc *graphql.OperationContext, name string) string {
	return strings.TrimSpace(oc.Headers.Get(name))
}

// store keeps the subscription, and makes it one that events are delivered to.
func (b *Bridge) store(ctx context.Context, d draft, call *registering, oc *graphql.OperationContext) (*subscription, error) {
	key, err := keyOf(call.topic, call.viewer.User, call.guarded, oc)
	if err != nil {
		return nil, fmt.Errorf("compare the variables of a subscription: %w", err)
	}
	now := time.Now().UTC()
	sub := &subscription{
		channel: newChannel(b.prefix), topic: call.topic, viewer: call.viewer, compress: d.compress,
		operation: operation{document: oc.RawQuery, name: oc.Operation.Name, field: d.field, variables: oc.Variables},
		protocol:  d.protocol, placed: true,
		machine: machine{
			state: StatePending, createdAt: now, expiresAt: call.viewer.ExpiresAt, anonymous: call.viewer.anonymous(),
			cursor: call.cursor,
		},
	}
	expires := now.Add(b.config.Lifetime)
	if end := call.viewer.ExpiresAt; !end.IsZero() && end.Before(expires) {
		expires = end
	}
	sub.id, err = b.rows.Create(ctx, &Record{
		Channel: sub.channel, Viewer: call.viewer, Topic: sub.topic, Shared: call.guarded, Field: d.field,
		Operation: sub.operation.name, Document: sub.operation.document, Variables: sub.operation.variables,
		Protocol: d.protocol, Compress: d.compress, State: StatePending, Cursor: sub.cursor, CreatedAt: now, ExpiresAt: expires,
	})
	if err != nil {
		return nil, fmt.Errorf("store a subscription: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.enter(sub, key)
	return sub, nil
}
