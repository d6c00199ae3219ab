package auth_test

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lorebridge/auth"
	"lorebridge/ent/session"
)

func TestASessionHoldsUntilItEnds(t *testing.T) {
	t.Parallel()
	h := build(t)
	s, err := h.signUp(h.ctx(), "ada@example.com", password)
	must(t, err)
	other, err := h.signIn(h.ctx(), "ada@example.com", password)
	must(t, err)
	viewer, err := auth.FromContext(h.ctx("Authorization", "Bearer "+s.Token))
	must(t, err)
	if viewer.UserID != s.User.ID {
		t.Errorf("the token is of %+v", viewer)
	}
	of, err := h.accounts.ViewerOf(t.Context(), s.Token)
	if err != nil || of.SessionID != viewer.SessionID || of.UserID != viewer.UserID || !of.ExpiresAt.Equal(s.ExpiresAt) {
		t.Errorf("the token is of %+v, %v", of, err)
	}
	holds := func() bool {
		t.Helper()
		holds, err := h.accounts.Holds(t.Context(), viewer)
		must(t, err)
		return holds
	}
	if !holds() {
		t.Error("a new session does not hold")
	}
	must(t, h.accounts.SignOut(auth.NewContext(t.Context(), viewer), h.withTx, viewer))
	if holds() {
		t.Error("an ended session holds")
	}
	if _, err := auth.FromContext(h.ctx("Authorization", "Bearer "+s.Token)); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("the token of an ended session: %v", err)
	}
	if of, err := h.accounts.ViewerOf(t.Context(), s.Token); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("the token of an ended session is of %+v, %v", of, err)
	}
	if _, err := auth.FromContext(h.ctx("Authorization", "Bearer "+other.Token)); err != nil {
		t.Errorf("the other session: %v", err)
	}
}

// endings end a session in each possible manner, ago in the past. A negative duration lies in the future.
var endings = map[string]func(h *harness, id int, ago time.Duration){
	"signed out": func(h *harness, id int, ago time.Duration) {
		h.client.Session.UpdateOneID(id).SetEndedAt(time.Now().UTC().Add(-ago)).ExecX(h.system())
	},
	"expired": func(h *harness, id int, ago time.Duration) { h.expire(id, time.Now().UTC().Add(-ago)) },
	"signed out, and expired since": func(h *harness, id int, ago time.Duration) {
		h.client.Session.UpdateOneID(id).SetEndedAt(time.Now().UTC().Add(-ago)).ExecX(h.system())
		h.expire(id, time.Now().UTC().Add(-time.Millisecond))
	},
	"expired, and signed out since": func(h *harness, id int, ago time.Duration) {
		h.client.Session.UpdateOneID(id).SetEndedAt(time.Now().UTC().Add(-time.Millisecond)).ExecX(h.system())
		h.expire(id, time.Now().UTC().Add(-ago))
	},
}

// expire sets when a session expires. It bypasses ent, because the field is immutable there, and then drops what is
// kept in memory.
func (h *harness) expire(id int, at time.Time) {
	h.t.Helper()
	h.another("UPDATE sessions SET expires_at = ? WHERE id = ?", at, id)
	h.forget()
}

// another runs a statement as another program would.
func (h *harness) another(statement string, args ...any) {
	h.t.Helper()
	db, err := sql.Open("sqlite3", "file:"+h.path+"?_busy_timeout=5000&_fk=1")
	must(h.t, err)
	_, err = db.ExecContext(h.t.Context(), statement, args...)
	must(h.t, err)
	must(h.t, db.Close())
}

// forget drops the sessions that are kept in memory, as any change of a session through the client does.
func (h *harness) forget() {
	h.t.Helper()
	must(h.t, h.client.Session.Update().Where(session.ID(0)).ClearEndedAt().Exec(h.system()))
}

// The token of a session that ended within a day makes nobody the viewer, but EndedFrom returns its holder.
func TestAnEndedSessionIsKnownForADayAndThenGone(t *testing.T) {
	t.Parallel()
	for name, end := range endings {
		h := build(t)
		s := h.begin("ada@example.com")
		other, err := h.signIn(h.ctx(), "ada@example.com", password)
		must(t, err)
		viewer, err := auth.FromContext(h.ctx("Authorization", "Bearer "+s.Token))
		must(t, err)
		for _, header := range [][]string{{}, {"Authorization", "Bearer " + s.Token}, {"Authorization", "Bearer x"}} {
			if ended, ok := auth.EndedFrom(h.ctx(header...)); ok {
				t.Errorf("%s: before the end %v is of the ended %+v", name, header, ended)
			}
		}
		for _, test := range []struct {
			ago   time.Duration
			known bool
		}{{time.Second, true}, {auth.KeepEnded - time.Minute, true}, {auth.KeepEnded + time.Minute, false}} {
			end(h, viewer.SessionID, test.ago)
			for kind, header := range map[string][]string{
				"token": {"Authorization", "Bearer " + s.Token}, "cookie": {"Cookie", installation.Cookie(false) + "=" + s.Token},
			} {
				ctx := h.ctx(header...)
				if got, err := auth.FromContext(ctx); !errors.Is(err, auth.ErrUnauthenticated) {
					t.Errorf("%s %v ago, its %s: %+v is asking, %v", name, test.ago, kind, got, err)
				}
				ended, known := auth.EndedFrom(ctx)
				if known != test.known || known && (ended.UserID != viewer.UserID || ended.SessionID != viewer.SessionID) {
					t.Errorf("%s %v ago, its %s: it was of %+v, %t, want %t", name, test.ago, kind, ended, known, test.known)
				}
			}
			if holds, err := h.accounts.Holds(t.Context(), viewer); holds || err != nil {
				t.Errorf("%s %v ago: it holds: %t, %v", name, test.ago, holds, err)
			}
			must(t, h.accounts.RemoveEnded(t.Context()))
			if kept := h.client.Session.Query().Where(session.ID(viewer.SessionID)).ExistX(h.system()); kept != test.known {
				t.Errorf("%s %v ago: its row is kept: %t, want %t", name, test.ago, kept, test.known)
			}
		}
		if _, err := auth.FromContext(h.ctx("Authorization", "Bearer "+other.Token)); err != nil {
			t.Errorf("%s: the other session: %v", name, err)
		}
	}
}

// slowListener takes a second to end a session, like the bridge while Pusher does not answer.
type slowListener struct {
	mu   sync.Mutex
	open map[int]bool
}

func (l *slowListener) OpenSessions() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.open))
}

func (l *slowListener) EndSession(id int, _ auth.EndReason) {
	<-time.After(time.Second)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, id)
}

func TestManySessionsThatEndTogetherAreEndedTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		l := &slowListener{open: make(map[int]bool)}
		for id := range 50 { // none of which has a row
			l.open[id+1] = true
		}
		h.accounts.Listen(l)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.accounts.Run(ctx) }()
		<-time.After(5 * time.Second)
		if open := l.OpenSessions(); len(open) > 0 {
			t.Errorf("after five seconds %d are open", len(open))
		}
		stop()
		must(t, <-ended)
	})
}
