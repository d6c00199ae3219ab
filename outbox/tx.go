package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/privacy"
)

// ErrNoTx is returned for a change that makes events outside of WithTx. Nothing of it was written.
var ErrNoTx = errors.New("a change that makes events belongs inside Log.WithTx")

// ErrNestedTx is returned by WithTx inside of WithTx. There is one writer, so the call would wait for itself.
var ErrNestedTx = errors.New("a transaction is under way: use the client that WithTx gave")

// scope collects the events of one transaction. It belongs to the goroutine that runs the function of WithTx.
type scope struct {
	client *ent.Client // of the transaction
	events []*ent.Event
	// answered is closed when the request that caused the change has been answered.
	answered <-chan struct{}
}

type scopeKey struct{}

// WithTx runs fn in one transaction and commits it. An error or a panic of fn rolls it back. No transaction begins
// anywhere else. If it returns nil, the events of fn are durable and in the log.
//
// fn gets the transaction's client and must use no other, because there is one writer. It should do nothing but SQL,
// because others wait for it. After a second it is rolled back, with a *rule.UnavailableError. fn may run in another
// goroutine and may still be running when WithTx returns an error. Then the caller must not read what fn writes.
//
// The end of ctx ends the wait for the transaction. A transaction that has begun runs to its end. An error of fn is
// returned unchanged. Inside of another WithTx the error is ErrNestedTx.
func (l *Log) WithTx(ctx context.Context, fn func(ctx context.Context, tx *ent.Client) error) error {
	if _, inside := ctx.Value(scopeKey{}).(*scope); inside {
		return ErrNestedTx
	}
	s := &scope{answered: ctx.Done()}
	return l.client.InTx(ctx, func(ctx context.Context, tx *ent.Tx) error {
		tx.OnCommit(func(next ent.Committer) ent.Committer {
			return ent.CommitFunc(func(ctx context.Context, tx *ent.Tx) error {
				l.expect(s.events)
				err := next.Commit(ctx, tx)
				l.offer(s, err == nil)
				return err
			})
		})
		s.client = tx.Client()
		ctx = context.WithValue(ctx, scopeKey{}, s)
		return fn(ent.NewTxContext(ctx, tx), s.client) // package database rejects writes that bypass tx
	})
}

// RequireTx is a hook for entities whose changes make events. It returns ErrNoTx outside of WithTx.
func RequireTx(next ent.Mutator) ent.Mutator {
	return ent.MutateFunc(func(ctx context.Context, m ent.Mutation) (ent.Value, error) {
		if _, ok := ctx.Value(scopeKey{}).(*scope); !ok {
			return nil, ErrNoTx
		}
		if inTx, ok := m.(interface{ InTx() bool }); !ok || !inTx.InTx() {
			return nil, ErrNoTx
		}
		return next.Mutate(ctx, m)
	})
}

// Change describes an event for Append. Fields that do not apply are zero. A change for nobody in particular has no
// payload, because only subscriptions get it.
type Change struct {
	Kind        event.Kind
	RecipientID int
	ActorID     int // who made or answered the request
	RequestID   int
	KnowledgeID *int
	Payload     Payload
}

// Append writes the event of a change in the transaction of ctx. Outside of WithTx it returns ErrNoTx. A text of more
// than MaxText bytes is left out of the row; recipients read it from the request.
func Append(ctx context.Context, c Change) error {
	s, ok := ctx.Value(scopeKey{}).(*scope)
	if !ok {
		return ErrNoTx
	}
	if len(c.Payload.ResponseContent) > MaxText {
		c.Payload.ResponseContent = ""
	}
	create := s.client.Event.Create().SetKind(c.Kind).SetNillableKnowledgeID(c.KnowledgeID)
	payload := []byte("{}")
	if c.RecipientID != 0 {
		var err error
		if payload, err = EncodeJSON(c.Payload); err != nil {
			return err
		}
		create.SetRecipientID(c.RecipientID)
	}
	if c.ActorID != 0 {
		create.SetActorID(c.ActorID)
	}
	if c.RequestID != 0 {
		create.SetRequestID(c.RequestID)
	}
	row, err := create.SetPayload(json.RawMessage(payload)).Save(privacy.DecisionContext(ctx, privacy.Allow))
	if err != nil {
		return fmt.Errorf("append the event: %w", err)
	}
	s.events = append(s.events, row)
	return nil
}
