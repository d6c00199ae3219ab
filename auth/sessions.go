package auth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"lorebridge/ent"
)

const (
	// keepFor is how long a session is believed without another look at its row. What this process does to sessions and
	// people is seen at once; only what another program does to the table is seen that late.
	keepFor = 3 * time.Second
	// maxKept is how many sessions are kept in memory. Of more, those that were not shown for longest are looked up
	// again.
	maxKept = 10_000
)

// tokenHash is what a session's row has of its token.
type tokenHash [32]byte

// sessions keeps for a moment whose session a token is, and whom it has just asked the table for. It may be used
// concurrently.
type sessions struct {
	// mu guards everything.
	mu sync.Mutex
	// epoch grows with every change of sessions or people. What was read in one is forgotten in the next.
	epoch  int
	kept   *simplelru.LRU[tokenHash, keptSession]
	asking map[tokenHash]*question
}

// keptSession is one that held when its row was read.
type keptSession struct {
	viewer Viewer
	until  time.Time
	epoch  int
}

// question is a look-up under way.
type question struct {
	epoch  int
	done   chan struct{} // closed when the answer is there
	viewer Viewer
	err    error
}

// errUnanswered is why those who share a question ask themselves: who asked it has panicked.
var errUnanswered = errors.New("the look-up has not come to an end")

func newSessions() (*sessions, error) {
	kept, err := simplelru.NewLRU[tokenHash, keptSession](maxKept, nil)
	if err != nil {
		return nil, fmt.Errorf("keep sessions: %w", err)
	}
	return &sessions{kept: kept, asking: make(map[tokenHash]*question)}, nil
}

// viewer returns whose session a token is, as read says it, or as it said it a moment ago. Those who ask together
// share one answer.
func (s *sessions) viewer(ctx context.Context, token tokenHash, read func(context.Context) (Viewer, error)) (Viewer, error) {
	for {
		viewer, q, first := s.find(token)
		switch {
		case q == nil:
			return viewer, nil
		case first:
			s.ask(ctx, token, q, read)
			return q.viewer, q.err
		}
		select {
		case <-q.done:
		case <-ctx.Done():
			return Viewer{}, ctx.Err()
		}
		// Who asked may have gone before the answer came.
		if !errors.Is(q.err, errUnanswered) && !errors.Is(q.err, context.Canceled) && !errors.Is(q.err, context.DeadlineExceeded) {
			return q.viewer, q.err
		}
	}
}

// find returns what is kept, or the question that is under way, or the one that the caller is the first to ask.
func (s *sessions) find(token tokenHash) (_ Viewer, _ *question, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if kept, ok := s.kept.Get(token); ok {
		if kept.epoch == s.epoch && now.Before(kept.until) && now.Before(kept.viewer.ExpiresAt) {
			return kept.viewer, nil, false
		}
		s.kept.Remove(token)
	}
	q, under := s.asking[token]
	if under && q.epoch == s.epoch { // or its answer may be of before a change
		return Viewer{}, q, false
	}
	q = &question{epoch: s.epoch, done: make(chan struct{}), err: errUnanswered}
	s.asking[token] = q
	return Viewer{}, q, true
}

// ask answers a question, and keeps the session if it holds: for its own epoch, so in vain if something has changed
// meanwhile.
func (s *sessions) ask(ctx context.Context, token tokenHash, q *question, read func(context.Context) (Viewer, error)) {
	until := time.Now().Add(keepFor)
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.asking[token] == q {
			delete(s.asking, token)
		}
		if q.err == nil {
			s.kept.Add(token, keptSession{q.viewer, until, q.epoch})
		}
		close(q.done)
	}()
	q.viewer, q.err = read(ctx)
}

// forget is called when sessions or people have changed. Whoever asks from now on gets what the table says.
func (s *sessions) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
}

// now is the present epoch.
func (s *sessions) now() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.epoch
}

// watch has sessions forgotten whenever the client changes a session or a person, whoever has it do so. New ones
// change nothing that is kept.
func (s *sessions) watch(client *ent.Client) {
	client.Session.Use(s.hook)
	client.User.Use(s.hook)
}

func (s *sessions) hook(next ent.Mutator) ent.Mutator {
	return ent.MutateFunc(func(ctx context.Context, m ent.Mutation) (ent.Value, error) {
		if m.Op().Is(ent.OpCreate) {
			return next.Mutate(ctx, m)
		}
		defer s.forget()
		if inTx, ok := m.(interface{ Tx() (*ent.Tx, error) }); ok {
			if tx, err := inTx.Tx(); err == nil { // before COMMIT others read, and keep, what was
				tx.OnCommit(func(next ent.Committer) ent.Committer {
					return ent.CommitFunc(func(ctx context.Context, tx *ent.Tx) error {
						defer s.forget()
						return next.Commit(ctx, tx)
					})
				})
			}
		}
		return next.Mutate(ctx, m)
	})
}
