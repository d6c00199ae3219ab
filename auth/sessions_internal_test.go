package auth

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// table counts how often it is read.
type table struct {
	mu     sync.Mutex
	asked  int
	viewer Viewer
	err    error
	wait   chan struct{} // if not nil, read returns when it is closed
}

func (t *table) read(ctx context.Context) (Viewer, error) {
	t.mu.Lock()
	t.asked++
	viewer, err, wait := t.viewer, t.err, t.wait // the answer is what the table holds now, however late it comes
	t.mu.Unlock()
	if wait != nil {
		select {
		case <-wait:
		case <-ctx.Done():
			return Viewer{}, ctx.Err()
		}
	}
	return viewer, err
}

func keeping(t *testing.T) (*sessions, *table) {
	t.Helper()
	s, err := newSessions()
	if err != nil {
		t.Fatal(err)
	}
	return s, &table{viewer: Viewer{UserID: 1, Name: "Ada", SessionID: 2, ExpiresAt: time.Now().Add(time.Hour)}}
}

func TestASessionIsKeptForAMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, table := keeping(t)
		ask := func(want error, asked int) {
			t.Helper()
			viewer, err := s.viewer(t.Context(), tokenHash{1}, table.read)
			if !errors.Is(err, want) || err == nil && viewer != table.viewer || table.asked != asked {
				t.Errorf("after %d questions: %+v, %v; want %d, %v", table.asked, viewer, err, asked, want)
			}
		}
		table.err = ErrUnauthenticated
		ask(ErrUnauthenticated, 1)
		ask(ErrUnauthenticated, 2) // what does not hold is not kept
		table.err = nil
		ask(nil, 3)
		<-time.After(keepFor - 1)
		ask(nil, 3)
		<-time.After(1)
		ask(nil, 4)
		s.forget()
		ask(nil, 5)
		table.viewer.ExpiresAt = time.Now().Add(time.Second)
		s.forget()
		ask(nil, 6)
		<-time.After(time.Second)
		table.err = ErrUnauthenticated
		ask(ErrUnauthenticated, 7) // it has expired
		if _, err := s.viewer(t.Context(), tokenHash{2}, table.read); err == nil || table.asked != 8 {
			t.Errorf("another token: %v", err)
		}
	})
}

func TestThoseWhoAskTogetherShareAnAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, table := keeping(t)
		table.wait = make(chan struct{})
		first, leave := context.WithCancel(t.Context())
		var asking sync.WaitGroup
		asking.Go(func() {
			if _, err := s.viewer(first, tokenHash{1}, table.read); !errors.Is(err, context.Canceled) {
				t.Errorf("who asks first and leaves: %v", err)
			}
		})
		synctest.Wait()
		for range 10 {
			asking.Go(func() {
				if viewer, err := s.viewer(t.Context(), tokenHash{1}, table.read); err != nil || viewer != table.viewer {
					t.Errorf("who asks with others: %+v, %v", viewer, err)
				}
			})
		}
		impatient, stop := context.WithCancel(t.Context())
		asking.Go(func() {
			if _, err := s.viewer(impatient, tokenHash{1}, table.read); !errors.Is(err, context.Canceled) {
				t.Errorf("who does not wait: %v", err)
			}
		})
		synctest.Wait()
		stop()
		synctest.Wait()
		leave()
		synctest.Wait()
		if table.asked != 2 {
			t.Errorf("%d questions, want that of who left and one for all others", table.asked)
		}
		close(table.wait)
		asking.Wait()
		if _, err := s.viewer(t.Context(), tokenHash{1}, table.read); err != nil || table.asked != 2 {
			t.Errorf("%d questions, %v", table.asked, err)
		}
	})
}

func TestALookUpThatPanicsLeavesTheQuestionToOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, table := keeping(t)
		wait := make(chan struct{})
		var asking sync.WaitGroup
		asking.Go(func() {
			defer func() { _ = recover() }()
			_, _ = s.viewer(t.Context(), tokenHash{1}, func(context.Context) (Viewer, error) {
				<-wait
				panic("no answer")
			})
		})
		synctest.Wait()
		asking.Go(func() {
			if viewer, err := s.viewer(t.Context(), tokenHash{1}, table.read); err != nil || viewer != table.viewer {
				t.Errorf("who asked with it: %+v, %v", viewer, err)
			}
		})
		synctest.Wait()
		close(wait)
		asking.Wait()
	})
}

// An answer from before a change is not kept, and nobody who asks after the change gets it.
func TestAnAnswerOfBeforeAChangeIsNotKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, table := keeping(t)
		table.wait = make(chan struct{})
		var asking sync.WaitGroup
		asking.Go(func() {
			if _, err := s.viewer(t.Context(), tokenHash{1}, table.read); err != nil { // it began before
				t.Errorf("who asked before the end: %v", err)
			}
		})
		synctest.Wait()
		table.mu.Lock()
		table.err = ErrUnauthenticated
		table.mu.Unlock()
		s.forget()
		after := func() {
			if _, err := s.viewer(t.Context(), tokenHash{1}, table.read); !errors.Is(err, ErrUnauthenticated) {
				t.Errorf("who asked after the end: %v", err)
			}
		}
		asking.Go(after)
		synctest.Wait()
		close(table.wait)
		asking.Wait()
		after()
	})
}

func TestOnlySoManySessionsAreKept(t *testing.T) {
	t.Parallel()
	s, table := keeping(t)
	for i := range 2 * maxKept {
		if _, err := s.viewer(t.Context(), tokenHash{byte(i), byte(i >> 8), byte(i >> 16)}, table.read); err != nil {
			t.Fatal(err)
		}
	}
	if s.kept.Len() != maxKept || len(s.lookups) != 0 {
		t.Errorf("%d sessions are kept, and %d questions", s.kept.Len(), len(s.lookups))
	}
}
