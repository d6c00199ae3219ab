package graph_test

import (
	"fmt"
	"log" //nolint:depguard // ent writes its statements there
	"strings"
	"sync"
	"testing"

	"lorebridge/ent"
)

// statements keeps what ent sends to the database while it is asked to, except look-ups of sessions.
type statements struct {
	mu   sync.Mutex
	sent []string
}

// Write implements io.Writer for ent's log of statements.
func (s *statements) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Sessions are looked up now and then, and readers of the log write their progress, in transactions. No list has
	// one.
	if text := string(line); !strings.Contains(text, "FROM `sessions`") && !strings.Contains(text, "Tx(") {
		s.sent = append(s.sent, string(line))
	}
	return len(line), nil
}

// during returns those that were sent during do.
func (s *statements) during(do func()) []string {
	s.take()
	do()
	return s.take()
}

func (s *statements) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent := s.sent
	s.sent = nil
	return sent
}

// watchStatements has ent write each statement to the log before it sends it.
func watchStatements(t *testing.T) (*statements, func(*plan)) {
	t.Helper()
	s := &statements{}
	before := log.Writer()
	log.SetOutput(s)
	t.Cleanup(func() { log.SetOutput(before) })
	return s, func(p *plan) { p.wrap = (*ent.Client).Debug }
}

func TestAListTakesAsManyStatementsWhateverItsLength(t *testing.T) {
	sent, watched := watchStatements(t)
	h := build(t, watched)
	owner := h.inbox(30)
	h.keep(owner, "Roots", "the secret of roots")
	h.keep(owner, "Shoots", "the secret of shoots")
	const nodes = `edges { node { id question requester { id name } owner { id name } } } pageInfo { hasNextPage endCursor }`
	for name, tt := range map[string]struct {
		selected string
		most     int
	}{
		"requests with requester and owner": {`knowledgeRequests(box: RECEIVED, first: %d) { ` + nodes + ` }`, 3},
		"the same, with knowledge": {
			`knowledgeRequests(box: RECEIVED, first: %d) { ` + nodes + ` edges { node { knowledge { title } } } }`, 3,
		},
		"the same under aliases": {
			`knowledgeRequests(box: RECEIVED, first: %d) { edges { node { a: requester { id } b: requester { name } } } }`, 2,
		},
		"the same, counted":                      {`knowledgeRequests(box: RECEIVED, first: %d) { totalCount ` + nodes + ` }`, 4},
		"notifications with their requests":      {`notifications(first: %d) { edges { node { request { question requester { name } } } } }`, 3},
		"knowledge with its owner and its texts": {`knowledge(first: %d) { edges { node { title content owner { name } } } }`, 3},
	} {
		for _, first := range []int{1, 2, 20} {
			got := sent.during(func() {
				var data any
				h.ask(owner, `{ `+fmt.Sprintf(tt.selected, first)+` }`).into(&data)
			})
			if len(got) == 0 || len(got) > tt.most {
				t.Errorf("%s: the first %d took %d statements, want at most %d:\n%s", name, first, len(got), tt.most, strings.Join(got, ""))
			}
		}
	}
}
