package auth_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/session"
	"lorebridge/ent/user"
)

// counted returns accounts and the number of look-ups of sessions so far.
func counted(t *testing.T) (*harness, *atomic.Int64) {
	t.Helper()
	h, asked := build(t), &atomic.Int64{}
	h.client.Session.Intercept(ent.InterceptFunc(func(next ent.Querier) ent.Querier {
		return ent.QuerierFunc(func(ctx context.Context, q ent.Query) (ent.Value, error) {
			asked.Add(1)
			return next.Query(ctx, q)
		})
	}))
	return h, asked
}

func TestARequestSoonAfterAnotherLooksNothingUp(t *testing.T) {
	t.Parallel()
	h, asked := counted(t)
	s := h.begin("ada@example.com")
	for range 3 {
		if viewer, err := auth.FromContext(h.ctx("Authorization", "Bearer "+s.Token)); err != nil || viewer.Name != "Ada" {
			t.Errorf("got %+v, %v", viewer, err)
		}
	}
	h.begin("bob@example.com") // changes nobody else's session
	if _, err := h.accounts.ViewerOf(t.Context(), s.Token); err != nil || asked.Load() != 1 {
		t.Errorf("%d look-ups, %v", asked.Load(), err)
	}
}

// After a session has ended in this process, no request succeeds with it. A new name is also seen at once.
func TestWhatEndsASessionIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(h *harness, v auth.Viewer) error{
		"signing out": func(h *harness, v auth.Viewer) error {
			return h.accounts.SignOut(auth.NewContext(h.t.Context(), v), h.withTx, v)
		},
		"an end in a transaction": func(h *harness, v auth.Viewer) error {
			return h.withTx(h.system(), func(ctx context.Context, tx *ent.Client) error {
				err := tx.Session.UpdateOneID(v.SessionID).SetEndedAt(time.Now().UTC()).Exec(ctx)
				h.ctx("Authorization", "Bearer "+h.token) // reads, and keeps, the state before COMMIT
				return err
			})
		},
		"an end without one": func(h *harness, v auth.Viewer) error {
			return h.client.Session.UpdateOneID(v.SessionID).SetEndedAt(time.Now().UTC()).Exec(h.system())
		},
		"the removal of its row": func(h *harness, v auth.Viewer) error {
			return h.client.Session.DeleteOneID(v.SessionID).Exec(h.system())
		},
		"the removal of many": func(h *harness, _ auth.Viewer) error {
			_, err := h.client.Session.Delete().Exec(h.system())
			return err
		},
		"the end of its person": func(h *harness, v auth.Viewer) error { return h.client.User.DeleteOneID(v.UserID).Exec(h.system()) },
		"the end of all people": func(h *harness, _ auth.Viewer) error { _, err := h.client.User.Delete().Exec(h.system()); return err },
		"the removal of old ones": func(h *harness, v auth.Viewer) error {
			h.expire(v.SessionID, time.Now().UTC().Add(-2*auth.KeepEnded))
			return h.accounts.RemoveEnded(h.t.Context())
		},
	} {
		h := build(t)
		s := h.begin("ada@example.com")
		h.token = s.Token
		viewer, err := auth.FromContext(h.ctx("Authorization", "Bearer "+s.Token))
		must(t, err)
		must(t, end(h, viewer))
		if viewer, err := auth.FromContext(h.ctx("Authorization", "Bearer "+s.Token)); !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%s: %+v is asking, %v", name, viewer, err)
		}
	}
	h := build(t)
	s := h.begin("ada@example.com")
	h.ctx("Authorization", "Bearer "+s.Token)
	must(t, h.client.User.Update().Where(user.Email("ada@example.com")).SetName("Ada Lovelace").Exec(h.system()))
	if viewer, err := auth.FromContext(h.ctx("Authorization", "Bearer "+s.Token)); err != nil || viewer.Name != "Ada Lovelace" {
		t.Errorf("with a new name: %+v, %v", viewer, err)
	}
}

// The sweep sees what another program has done to the table.
func TestWhatTheSweepEndsOpensNoDoor(t *testing.T) {
	t.Parallel()
	h := build(t)
	s := h.begin("ada@example.com")
	viewer, err := auth.FromContext(h.ctx("Authorization", "Bearer "+s.Token))
	must(t, err)
	ended := make(chan struct{})
	stop := h.accounts.OnEnd(viewer, func(error) { close(ended) })
	defer stop()
	h.another(`DELETE FROM sessions`)
	ctx, end := context.WithCancel(t.Context())
	swept := make(chan error, 1)
	go func() { swept <- h.accounts.Run(ctx) }()
	<-ended
	if viewer, err := h.accounts.ViewerOf(t.Context(), s.Token); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("the token is of %+v, %v", viewer, err)
	}
	end()
	must(t, <-swept)
}

// A session that ends between its look-up and the start of the request does not let the request through.
func TestASessionThatEndsWhileItIsLookedUpOpensNoDoor(t *testing.T) {
	t.Parallel()
	h := build(t)
	s := h.begin("ada@example.com")
	viewer, err := h.accounts.ViewerOf(t.Context(), s.Token)
	must(t, err)
	h.forget()
	var once atomic.Bool
	h.client.Session.Intercept(ent.InterceptFunc(func(next ent.Querier) ent.Querier {
		return ent.QuerierFunc(func(ctx context.Context, q ent.Query) (ent.Value, error) {
			found, err := next.Query(ctx, q)
			if once.CompareAndSwap(false, true) {
				must(t, h.accounts.SignOut(auth.NewContext(t.Context(), viewer), h.withTx, viewer))
			}
			return found, err
		})
	}))
	h.visit(func(r *http.Request) {
		if viewer, err := auth.FromContext(r.Context()); !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%+v is asking, %v", viewer, err)
		}
		if ended, ok := auth.EndedFrom(r.Context()); !ok || ended.SessionID != viewer.SessionID {
			t.Errorf("it was of %+v, %v", ended, ok)
		}
	}, "Authorization", "Bearer "+s.Token)
	if kept, err := h.client.Session.Query().Where(session.EndedAtIsNil()).Exist(h.system()); err != nil || kept {
		t.Errorf("the session was not ended, %v", err)
	}
}
