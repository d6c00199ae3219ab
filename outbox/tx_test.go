package outbox_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/outbox"
	"lorebridge/rule"
)

func TestWhatRollsBackIsNeverSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, sender := open(t, 1), &recorder{}
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender})
		stop := running(t, relay)
		failure := errors.New("after the hook")
		fail := func(after func()) (err error) {
			defer func() {
				if r := recover(); r != nil {
					err = failure
				}
			}()
			return relay.log.WithTx(auth.AsSystem(t.Context()), func(ctx context.Context, tx *ent.Client) error {
				if err := tx.KnowledgeRequest.Create().SetRequesterID(asker).SetOwnerID(2).SetQuestion("?").Exec(ctx); err != nil {
					return err
				}
				after()
				return failure
			})
		}
		if err := fail(func() {}); !errors.Is(err, failure) {
			t.Errorf("the error of the function came back as %v", err)
		}
		if err := fail(func() { panic("oh") }); !errors.Is(err, failure) {
			t.Errorf("the panic came back as %v", err)
		}
		synctest.Wait()
		ask(t, relay.log, "this one counts", 2)
		stop()
		if all := rows(t, client); len(all) != 1 || len(sender.ids()) != 1 || sender.ids()[0] != all[0].ID {
			t.Errorf("rows %v, sent %v: there should be the last one alone", idsOf(all), sender.ids())
		}
	})
}

func TestAChangeThatMakesEventsNeedsWithTx(t *testing.T) {
	client := open(t, 1)
	create := func(client *ent.Client) error {
		return client.KnowledgeRequest.Create().SetRequesterID(asker).SetOwnerID(2).SetQuestion("?").Exec(auth.AsSystem(t.Context()))
	}
	if err := create(client); !errors.Is(err, outbox.ErrNoTx) {
		t.Errorf("outside of a transaction: %v", err)
	}
	tx, err := client.Tx(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := create(tx.Client()); !errors.Is(err, outbox.ErrNoTx) {
		t.Errorf("in a transaction of its own: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	relay := newRelay(t, client, outbox.RelayConfig{Sender: &recorder{}})
	past := func(context.Context, *ent.Client) error { return create(client) }
	if err := relay.log.WithTx(t.Context(), past); !errors.Is(err, outbox.ErrNoTx) {
		t.Errorf("past the transaction: %v", err)
	}
	if all := rows(t, client); len(all) != 0 {
		t.Errorf("%d events were written", len(all))
	}
}

func TestAWriteThatWouldWaitForItselfIsRejected(t *testing.T) {
	client := open(t, 1)
	relay := newRelay(t, client, outbox.RelayConfig{Sender: &recorder{}})
	err := relay.log.WithTx(auth.AsSystem(t.Context()), func(ctx context.Context, tx *ent.Client) error {
		if err := relay.log.WithTx(ctx, func(context.Context, *ent.Client) error { return nil }); !errors.Is(err, outbox.ErrNestedTx) {
			t.Errorf("a transaction in a transaction: %v", err)
		}
		create := func(c *ent.Client) error {
			return c.User.Create().SetName("x").SetEmail("x@example.com").SetPasswordHash("-").Exec(ctx)
		}
		if err := create(client); err == nil {
			t.Error("a write past the transaction was made")
		}
		if err := client.User.Update().SetPasswordHash("x").Exec(ctx); err == nil {
			t.Error("an update past the transaction was made")
		}
		return create(tx)
	})
	if err != nil {
		t.Error(err)
	}
	if n := client.User.Query().CountX(auth.AsSystem(t.Context())); n != 3 {
		t.Errorf("%d users, want 3", n)
	}
}

// The caller gets an error, and nothing is changed, however late the function returns.
func TestAFunctionThatTakesTooLongIsRolledBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, sender := open(t, 1), &recorder{}
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender})
		stop := running(t, relay)
		free := make(chan struct{})
		err := relay.log.WithTx(auth.AsSystem(t.Context()), func(ctx context.Context, tx *ent.Client) error {
			if err := tx.KnowledgeRequest.Create().SetRequesterID(asker).SetOwnerID(2).SetQuestion("?").Exec(ctx); err != nil {
				return err
			}
			<-free
			return nil
		})
		if overdue, ok := errors.AsType[*rule.UnavailableError](err); !ok || !strings.Contains(overdue.Reason, "longer than 1s") {
			t.Errorf("its caller gets %v", err)
		}
		ask(t, relay.log, "this one counts", 2) // gets the same ids
		close(free)
		synctest.Wait()
		stop()
		if all := rows(t, client); len(all) != 1 || len(sender.ids()) != 1 || sender.ids()[0] != all[0].ID {
			t.Errorf("rows %v, sent %v: there should be the last one alone", idsOf(all), sender.ids())
		}
	})
}

func afterCommit(t *testing.T, tx *ent.Client, f func() error) {
	t.Helper()
	// The mutation's Tx shares the hooks of the transaction; those added later run closer to it.
	inner, err := tx.KnowledgeRequest.Create().Mutation().Tx()
	if err != nil {
		t.Fatal(err)
	}
	inner.OnCommit(func(next ent.Committer) ent.Committer {
		return ent.CommitFunc(func(ctx context.Context, tx *ent.Tx) error {
			return errors.Join(next.Commit(ctx, tx), f())
		})
	})
}

func TestARowSeenBeforeItsCommitReturnsIsSentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, sender := open(t, 1), &recorder{}
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender})
		committed, release, returned := make(chan struct{}), make(chan struct{}), make(chan error)
		go func() {
			returned <- relay.log.WithTx(auth.AsSystem(t.Context()), func(ctx context.Context, tx *ent.Client) error {
				afterCommit(t, tx, func() error {
					close(committed)
					<-release
					return nil
				})
				return tx.KnowledgeRequest.Create().SetRequesterID(asker).SetOwnerID(2).SetQuestion("?").Exec(ctx)
			})
		}()
		<-committed
		running(t, relay) // reads the table, which has the row
		synctest.Wait()
		close(release)
		if err := <-returned; err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := sender.ids(); len(got) != 1 {
			t.Errorf("one event was sent %d times", len(got))
		}
	})
}

func TestACommitThatFailsAndCommittedNeverthelessIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, sender := open(t, 1), &recorder{}
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender})
		running(t, relay)
		synctest.Wait()
		lost := errors.New("the connection is lost")
		err := relay.log.WithTx(auth.AsSystem(t.Context()), func(ctx context.Context, tx *ent.Client) error {
			afterCommit(t, tx, func() error { return lost })
			return tx.KnowledgeRequest.Create().SetRequesterID(asker).SetOwnerID(2).SetQuestion("?").Exec(ctx)
		})
		if !errors.Is(err, lost) {
			t.Errorf("the commit's error came back as %v", err)
		}
		synctest.Wait()
		if got := sender.ids(); len(got) != 1 {
			t.Errorf("the event was sent %d times", len(got))
		}
	})
}

func TestACommitThatFailsIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, sender := open(t, 1), &recorder{}
		relay := newRelay(t, client, outbox.RelayConfig{Sender: sender})
		running(t, relay)
		synctest.Wait()
		full := errors.New("the disk is full")
		err := relay.log.WithTx(auth.AsSystem(t.Context()), func(ctx context.Context, tx *ent.Client) error {
			inner, err := tx.KnowledgeRequest.Create().Mutation().Tx()
			if err != nil {
				return err
			}
			inner.OnCommit(func(ent.Committer) ent.Committer {
				return ent.CommitFunc(func(_ context.Context, tx *ent.Tx) error { return errors.Join(full, tx.Rollback()) })
			})
			return tx.KnowledgeRequest.Create().SetRequesterID(asker).SetOwnerID(2).SetQuestion("?").Exec(ctx)
		})
		if !errors.Is(err, full) {
			t.Errorf("the commit's error came back as %v", err)
		}
		synctest.Wait()
		if got := sender.ids(); len(got) != 0 {
			t.Errorf("%v was sent and had not committed", got)
		}
	})
}

func TestALongTextIsLeftOutOfTheEvent(t *testing.T) {
	client := open(t, 1)
	log := newLog(t, client)
	short, long := strings.Repeat("x", outbox.MaxText), strings.Repeat("x", outbox.MaxText+1)
	if err := log.WithTx(auth.AsSystem(t.Context()), func(ctx context.Context, tx *ent.Client) error {
		for _, text := range []string{short, long} {
			if err := outbox.Append(ctx, outbox.Change{
				Kind: event.KindKnowledgeResponse, RecipientID: 2, Payload: outbox.Payload{Question: "?", ResponseContent: text},
			}); err != nil {
				return err
			}
		}
		return outbox.Append(ctx, outbox.Change{Kind: event.KindKnowledgePublished, Payload: outbox.Payload{Question: "?"}})
	}); err != nil {
		t.Fatal(err)
	}
	all := rows(t, client)
	want := []string{
		`{"type":"","requestId":0,"question":"?","responseContent":"` + short + `"}`, `{"type":"","requestId":0,"question":"?"}`, `{}`,
	}
	for i, e := range all {
		if string(e.Payload) != want[i] {
			t.Errorf("event %d has a payload of %d bytes, want %d", i, len(e.Payload), len(want[i]))
		}
	}
	if all[0].ActorID != nil || all[0].RequestID != nil || all[0].RecipientID == nil || all[2].RecipientID != nil {
		t.Errorf("the events are about %v and %v", all[0], all[2])
	}
	err := outbox.Append(auth.AsSystem(t.Context()), outbox.Change{Kind: event.KindKnowledgePublished})
	if !errors.Is(err, outbox.ErrNoTx) {
		t.Errorf("outside of a transaction: %v", err)
	}
}

func TestATransactionWaitsForItsTurnAsLongAsItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := open(t, 1)
		log := newLog(t, client)
		release := make(chan struct{})
		first := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			first <- log.WithTx(auth.AsSystem(ctx), func(ctx context.Context, tx *ent.Client) error {
				<-release
				return tx.KnowledgeRequest.Create().SetRequesterID(asker).SetOwnerID(2).SetQuestion("?").Exec(ctx)
			})
		}()
		synctest.Wait()
		second := make(chan error, 1)
		go func() { second <- tryAsk(ctx, log, "!", 2) }()
		synctest.Wait()
		cancel()
		if err := <-second; !errors.Is(err, context.Canceled) {
			t.Errorf("the one that waited: %v", err)
		}
		close(release)
		if err := <-first; err != nil {
			t.Errorf("the one that had begun: %v", err)
		}
		if all := rows(t, client); len(all) != 1 {
			t.Errorf("%d events were written, want 1", len(all))
		}
	})
}
