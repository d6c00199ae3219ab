package graph_test

import (
	"strings"
	"testing"
)

func TestPageInfoIsRightWithoutTheEdges(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	for _, query := range []string{
		`{ knowledge(first: 1) { pageInfo { hasNextPage endCursor } } }`,
		`{ knowledge(first: 1) { totalCount pageInfo { hasNextPage endCursor } } }`,
		`{ knowledge(first: 1) { edges { cursor } pageInfo { hasNextPage endCursor } } }`,
	} {
		a := s.ask(s.owner, query)
		if next, end := a.get("knowledge", "pageInfo", "hasNextPage"), a.get("knowledge", "pageInfo", "endCursor"); next != "true" || end == "null" {
			t.Errorf("%s: is there a next page: %s, the last cursor: %s", query, next, end)
		}
	}
}

func TestSearchAndOrderKnowNoCaseInAnyAlphabet(t *testing.T) {
	t.Parallel()
	h := build(t)
	ada := h.person("Ärger")
	for _, name := range []string{"zoe", "Ada", "bob"} {
		h.person(name)
	}
	h.keep(ada, "ÜBER straße", "")
	for _, text := range []string{"ärger", "ÄRGER", "ÄRg", " Ärger "} {
		if got := h.ask(ada, `query($s: String) { users(search: $s) { totalCount } }`, map[string]any{"s": text}).get("users", "totalCount"); got != "1" {
			t.Errorf("%q finds %s people", text, got)
		}
	}
	for text, want := range map[string]string{"über STRASSE": "0", "über Stra": "1", "%": "0", "_": "0"} {
		if got := h.ask(ada, `query($s: String) { knowledge(search: $s) { totalCount } }`, map[string]any{"s": text}).get("knowledge", "totalCount"); got != want {
			t.Errorf("%q finds %s items, want %s", text, got, want)
		}
	}
	var list struct {
		Users struct {
			Edges []struct{ Node struct{ Name string } }
		}
	}
	h.ask(ada, `{ users { edges { node { name } } } }`).into(&list)
	names := make([]string, 0, len(list.Users.Edges))
	for _, edge := range list.Users.Edges {
		names = append(names, edge.Node.Name)
	}
	if got := strings.Join(names, " "); got != "Ada bob zoe Ärger" {
		t.Errorf("the order is %s", got)
	}
}
