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
	// keepFor is how long a session is used from memory before its row is read again. Changes by this process are
	// seen at once; changes of the table by another program are seen up to this much later.
	keepFor = 3 * time.Second
	// maxKept is the number of sessions kept in memory. The least recently used are dropped.
	maxKept = 10_000
)

// tokenHash is the hash of a token, as the session's row has it.
type tokenHash [32]byte

// sessions is a short-lived cache of the viewers of tokens. Concurrent look-ups of one token share one read of the
// table. It may be used concurrently.
type sessions struct {
	keptMu sync.Mutex // guards all fields
	// epoch grows with every change of sessions or people. What was read in one is forgotten in the next.
	epoch   int
	kept    *simplelru.LRU[tokenHash, keptSession]
	lookups map[tokenHash]*lookup
}

// keptSession is a session that held when its row was read.
type keptSession struct {
	viewer Viewer
	until  time.Time
	epoch  int
}

// lookup is a read of the table in progress.
type lookup struct {
	epoch  int
	done   chan struct{} // closed when the answer is there
	viewer Viewer
	err    error
}

// errUnfinished is the error of a lookup whose caller panicked. Those that share the lookup then read the table
// themselves.
var errUnfinished = errors.New("the look-up has not come to an end")

func newSessions() (*sessions, error) {
	kept, err := simplelru.NewLRU[tokenHash, keptSession](maxKept, nil)
	if err != nil {
		return nil, fmt.Errorf("keep sessions: %w", err)
	}
	return &sessions{kept: kept, lookups: make(map[tokenHash]*lookup)}, nil
}

// viewer returns the viewer of a token, from memory or from read. Concurrent calls for one token share one read.
func (s *sessions) viewer(ctx context.Context, token tokenHash, read func(context.Context) (Viewer, error)) (Viewer, error) {
	for {
		viewer, q, first := s.find(token)
		switch {
		case q == nil:
			return viewer, nil
		case first:
			s.run(ctx, token, q, read)
			return q.viewer, q.err
		}
		select {
		case <-q.done:
		case <-ctx.Done():
			return Viewer{}, ctx.Err()
		}
		// The caller that read may have been canceled before the answer came; then this one reads.
		if !errors.Is(q.err, errUnfinished) && !errors.Is(q.err, context.Canceled) && !errors.Is(q.err, context.DeadlineExceeded) {
			return q.viewer, q.err
		}
	}
}

// find returns the kept viewer, or the lookup in progress, or a new lookup if the caller is the first.
func (s *sessions) find(token tokenHash) (_ Viewer, _ *lookup, first bool) {
	s.keptMu.Lock()
	defer s.keptMu.Unlock()
	now := time.Now()
	if kept, ok := s.kept.Get(token); ok {
		if kept.epoch == s.epoch && now.Before(kept.until) && now.Before(kept.viewer.ExpiresAt) {
			return kept.viewer, nil, false
		}
		s.kept.Remove(token)
	}
	q, under := s.lookups[token]
	if under && q.epoch == s.epoch { // a lookup of an older epoch may return what was before a change
		return Viewer{}, q, false
	}
	q = &lookup{epoch: s.epoch, done: make(chan struct{}), err: errUnfinished}
	s.lookups[token] = q
	return Viewer{}, q, true
}

// run finishes a lookup, and keeps the session if it holds. It is kept with the lookup's epoch, so find ignores it if
// something has changed meanwhile.
func (s *sessions) run(ctx context.Context, token tokenHash, q *lookup, read func(context.Context) (Viewer, error)) {
	until := time.Now().Add(keepFor)
	defer func() {
		s.keptMu.Lock()
		defer s.keptMu.Unlock()
		if s.lookups[token] == q {
			delete(s.lookups, token)
		}
		if q.err == nil {
			s.kept.Add(token, keptSession{q.viewer, until, q.epoch})
		}
		close(q.done)
	}()
	q.viewer, q.err = read(ctx)
}

// forget drops everything that is kept, because sessions or people have changed. Later calls read the table.
func (s *sessions) forget() {
	s.keptMu.Lock()
	defer s.keptMu.Unlock()
	s.epoch++
}

// now returns the current epoch.
func (s *sessions) now() int {
	s.keptMu.Lock()
	defer s.keptMu.Unlock()
	return s.epoch
}

// watch calls forget after each change of a session or a person through this client. It skips new ones, because they
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
			if tx, err := inTx.Tx(); err == nil { // until COMMIT others still read, and keep, the old row
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
