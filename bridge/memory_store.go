package bridge

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// MemoryStore is a Store in memory: the subscriptions end with the process. It may be used concurrently.
type MemoryStore struct {
	// recordsMu guards what follows.
	recordsMu sync.Mutex
	last      int // id
	records   map[int]*Record
	byChannel map[string]*Record
}

var _ Store = (*MemoryStore)(nil)

// NewMemoryStore returns an empty store.
func NewMemoryStore() *MemoryStore {
	return &MemoryStore{records: make(map[int]*Record), byChannel: make(map[string]*Record)}
}

// Create implements Store.
func (s *MemoryStore) Create(_ context.Context, r *Record) (int, error) {
	s.recordsMu.Lock()
	defer s.recordsMu.Unlock()
	s.last++
	kept := *r
	kept.ID, kept.Variables = s.last, maps.Clone(r.Variables)
	kept.Viewer.ExpiresAt = time.Time{}
	s.records[kept.ID], s.byChannel[kept.Channel] = &kept, &kept
	return kept.ID, nil
}

// Find implements Store.
func (s *MemoryStore) Find(_ context.Context, channel string) (*Record, error) {
	s.recordsMu.Lock()
	defer s.recordsMu.Unlock()
	if r := s.byChannel[channel]; r != nil {
		return r.copy(), nil
	}
	return nil, nil //nolint:nilnil // as Store has it
}

func (r *Record) copy() *Record {
	other := *r
	other.Variables = maps.Clone(r.Variables)
	return &other
}

// which returns the records that hold, by id. s.recordsMu is held.
func (s *MemoryStore) which(holds func(*Record) bool) []*Record {
	var found []*Record
	for _, r := range s.records {
		if holds(r) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b *Record) int { return cmp.Compare(a.ID, b.ID) })
	return found
}

// Open implements Store.
func (s *MemoryStore) Open(context.Context) ([]*Record, error) {
	s.recordsMu.Lock()
	defer s.recordsMu.Unlock()
	open := s.which(func(r *Record) bool { return r.State != StateClosed && r.State != StateAway })
	for i, r := range open {
		open[i] = r.copy()
	}
	return open, nil
}

// Update implements Store.
func (s *MemoryStore) Update(_ context.Context, updates []Update) error {
	s.recordsMu.Lock()
	defer s.recordsMu.Unlock()
	for i := range updates {
		for _, id := range updates[i].IDs {
			if r := s.records[id]; r != nil && r.State != StateClosed {
				r.update(&updates[i])
			}
		}
	}
	return nil
}

func (r *Record) update(u *Update) {
	r.State, r.Cursor, r.VacatedAt = u.State, u.Cursor, u.VacatedAt
	if !u.DeliveredAt.IsZero() {
		r.DeliveredAt = u.DeliveredAt
	}
	r.LastError = cmp.Or(u.LastError, r.LastError)
	if u.State == StateClosed {
		r.close(u.ClosedAt, u.ClosedReason, u.Readable)
	}
}

func (r *Record) close(at time.Time, reason string, readable bool) {
	r.State, r.ClosedAt, r.ClosedReason = StateClosed, at, reason
	if !readable {
		r.Document, r.Operation, r.Variables = "", "", nil
	}
}

// Join implements Store.
func (s *MemoryStore) Join(_ context.Context, id int, p Protocol, cursor Seq, at time.Time) (bool, error) {
	s.recordsMu.Lock()
	defer s.recordsMu.Unlock()
	r := s.records[id]
	if r == nil || r.State == StateClosed {
		return false, nil
	}
	r.State, r.Protocol, r.Cursor, r.AuthorizedAt, r.VacatedAt = StateJoining, p, cursor, at, time.Time{}
	return true, nil
}

// End implements Store.
func (s *MemoryStore) End(_ context.Context, ids []int, reason string, onlyAway bool) (int, error) {
	return s.end(reason, func(r *Record) bool {
		return slices.Contains(ids, r.ID) && (!onlyAway || r.State == StateAway)
	}), nil
}

// EndSession implements Store.
func (s *MemoryStore) EndSession(_ context.Context, session, reason string) error {
	s.end(reason, func(r *Record) bool { return r.State == StateAway && r.Viewer.Session == session })
	return nil
}

// EndOlder implements Store.
func (s *MemoryStore) EndOlder(_ context.Context, before time.Time, reason string) error {
	s.end(reason, func(r *Record) bool { return r.State == StateAway && r.CreatedAt.Before(before) })
	return nil
}

func (s *MemoryStore) end(reason string, holds func(*Record) bool) int {
	s.recordsMu.Lock()
	defer s.recordsMu.Unlock()
	ended := s.which(func(r *Record) bool { return r.State != StateClosed && holds(r) })
	for _, r := range ended {
		r.close(time.Now(), reason, false)
	}
	return len(ended)
}

// AwaySessions implements Store.
func (s *MemoryStore) AwaySessions(context.Context) ([]string, error) {
	s.recordsMu.Lock()
	defer s.recordsMu.Unlock()
	sessions := make(map[string]struct{})
	for _, r := range s.records {
		if r.State == StateAway && r.Viewer.Session != "" {
			sessions[r.Viewer.Session] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(sessions)), nil
}

// ExcessAway implements Store.
func (s *MemoryStore) ExcessAway(_ context.Context, user string, keep, limit int) ([]int, error) {
	s.recordsMu.Lock()
	defer s.recordsMu.Unlock()
	away := s.which(func(r *Record) bool { return r.State == StateAway && r.Viewer.User == user })
	slices.SortStableFunc(away, func(a, b *Record) int {
		return cmp.Or(b.VacatedAt.Compare(a.VacatedAt), cmp.Compare(b.ID, a.ID))
	})
	var ids []int
	for _, r := range away[min(keep, len(away)):] {
		if len(ids) < limit {
			ids = append(ids, r.ID)
		}
	}
	return ids, nil
}

// Remove implements Store.
func (s *MemoryStore) Remove(_ context.Context, before time.Time) (int, error) {
	s.recordsMu.Lock()
	defer s.recordsMu.Unlock()
	old := s.which(func(r *Record) bool { return r.State == StateClosed && r.ClosedAt.Before(before) })
	for _, r := range old {
		delete(s.records, r.ID)
		delete(s.byChannel, r.Channel)
	}
	return len(old), nil
}
