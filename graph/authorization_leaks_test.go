package graph_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A row that a person may not see has exactly the answer of a row that does not exist. Another answer would show that
// it exists.
func TestWhatIsHiddenIsLikeWhatDoesNotExist(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	const away = 99_999 // from any id of the scene, within its range
	for _, test := range []struct {
		who, hidden, operation string
	}{
		{"stranger", "pending", `{ node(id: %s) { id ... on KnowledgeRequest { question } } }`},
		{"stranger", "asked", `{ node(id: %s) { id ... on Notification { kind } } }`},
		{"requester", "asked", `{ node(id: %s) { id } }`},
		{"owner", "granted", `{ node(id: %s) { id } }`},
		{"stranger", "content", `{ node(id: %s) { id } }`},
		{"stranger", "share", `{ node(id: %s) { id } }`},
		{"stranger", "session", `{ node(id: %s) { id } }`},
		{"nobody", "item", `{ node(id: %s) { id } }`},
		{"nobody", "owner", `{ node(id: %s) { id } }`},
		{"stranger", "pending", `mutation { respondToRequest(input: {requestId: %s, status: APPROVED}) { knowledgeRequest { id } } }`},
		{"stranger", "approved", `mutation { respondToRequest(input: {requestId: %s, status: APPROVED}) { knowledgeRequest { id } } }`},
		{"nobody", "pending", `mutation { respondToRequest(input: {requestId: %s, status: APPROVED}) { knowledgeRequest { id } } }`},
		{"nobody", "item", `mutation { createKnowledgeRequest(input: {knowledgeId: %s, question: "?"}) { alreadyExists } }`},
		{"nobody", "owner", `mutation { createKnowledgeRequest(input: {ownerId: %s, question: "?"}) { alreadyExists } }`},
		{"nobody", "item", `mutation { updateKnowledge(input: {id: %s, title: "x"}) { knowledge { id } } }`},
		{"nobody", "item", `mutation { deleteKnowledge(input: {id: %s}) { deletedId } }`},
		{"stranger", "asked", `mutation { markNotificationsRead(input: {ids: [%s]}) { marked unreadCount } }`},
		{"stranger", "asked", `mutation { markNotificationsRead(input: {upTo: %s}) { marked unreadCount } }`},
		{"requester", "asked", `mutation { markNotificationsRead(input: {ids: [%s]}) { marked unreadCount } }`},
		{"stranger", "item", `{ knowledgeRequests(box: RECEIVED, where: {knowledgeId: %s}) { totalCount edges { node { id } } } }`},
	} {
		hidden, absent := strconv.Itoa(s.ids[test.hidden]), strconv.Itoa(s.ids[test.hidden]+away)
		got := s.ask(s.who(test.who), fmt.Sprintf(test.operation, hidden))
		want := s.ask(s.who(test.who), fmt.Sprintf(test.operation, absent))
		// The message about a node that is not found has its id in quotes, which differs.
		if got.status != want.status || got.body != strings.ReplaceAll(want.body, "'"+absent+"'", "'"+hidden+"'") {
			t.Errorf("%s sees by %s that $%s is there:\n %s\n %s", test.who, title(test.operation), test.hidden, got.body, want.body)
		}
	}
}

// list is a page of a connection.
type list struct {
	TotalCount  int
	UnreadCount int
	PageInfo    struct {
		HasNextPage, HasPreviousPage bool
		StartCursor, EndCursor       *string
	}
	Edges []struct {
		Cursor string
		Node   struct{ ID string }
	}
}

func (l list) ids() []string {
	ids := []string{}
	for _, edge := range l.Edges {
		ids = append(ids, edge.Node.ID)
	}
	return ids
}

// list reads a page of what is written as field(arguments).
func (h *harness) list(p person, field string) list {
	h.t.Helper()
	var data map[string]list
	h.ask(p, fmt.Sprintf(`{ list: %s { totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor node { id } } } }`, field)).into(&data)
	return data["list"]
}

func TestACursorOpensNobodyElsesList(t *testing.T) {
	t.Parallel()
	h := build(t)
	s, other := h.set(), h.set()
	lists := []string{`knowledgeRequests(box: RECEIVED, %s)`, `knowledgeRequests(box: SENT, %s)`, `notifications(%s)`}
	cursors := make(map[string][]string) // by the first word of their list
	for _, field := range lists {
		for _, p := range []person{s.owner, s.requester} {
			for _, edge := range h.list(p, fmt.Sprintf(field, "first: 100")).Edges {
				name, _, _ := strings.Cut(field, "(")
				cursors[name] = append(cursors[name], edge.Cursor)
			}
		}
	}
	if requests, notifications := len(cursors["knowledgeRequests"]), len(cursors["notifications"]); requests != 6 || notifications != 5 {
		t.Fatalf("the scene has cursors of %d requests and %d notifications", requests, notifications)
	}
	for _, field := range lists {
		for _, p := range []person{s.stranger, other.owner, other.requester} {
			own := h.list(p, fmt.Sprintf(field, "first: 100")).ids()
			name, _, _ := strings.Cut(field, "(")
			for _, cursor := range cursors[name] {
				for _, bound := range []string{"after", "before"} {
					page := h.list(p, fmt.Sprintf(field, bound+`: "`+cursor+`"`))
					for _, id := range page.ids() {
						if !slices.Contains(own, id) {
							t.Errorf("%s sees %s of somebody else in %s", p.name, id, field)
						}
					}
					if page.TotalCount != len(own) {
						t.Errorf("%s counts %d in %s, has %d", p.name, page.TotalCount, field, len(own))
					}
				}
			}
		}
	}
}

func TestACursorOfAnotherOrderIsRejected(t *testing.T) {
	t.Parallel()
	s := build(t).set()
	byName := s.list(s.owner, `users`).Edges[0].Cursor
	byTime := s.list(s.owner, `users(orderBy: {field: CREATED_AT})`).Edges[0].Cursor
	for field, cursor := range map[string]string{
		`users(orderBy: {field: CREATED_AT}, %s)`: byName,
		`users(%s)`:     byTime,
		`knowledge(%s)`: byTime,
		`knowledge(orderBy: {field: TITLE}, first: 5, %s)`: byName,
		`knowledge(orderBy: {field: UPDATED_AT}, %s)`:      byName,
		`knowledge(orderBy: {field: TITLE}, %s)`:           byTime,
		`knowledgeRequests(box: SENT, %s)`:                 byName,
		`notifications(%s)`:                                byTime,
	} {
		for _, bound := range []string{"after", "before"} {
			s.ask(s.owner, `{ `+fmt.Sprintf(field, bound+`: "`+cursor+`"`)+` { totalCount } }`).rejected("BAD_USER_INPUT:" + bound)
		}
	}
}

// Pages of one and of two, forward and backward, show each item once and in the list's order, also where many are
// equal.
func TestPagesShowEachItemOnce(t *testing.T) {
	t.Parallel()
	h := build(t)
	s := h.set()
	s.keep(s.owner, strings.Repeat("𝄞", 200), "the longest title, and its cursor")
	for i := range 5 {
		s.keep(s.owner, "Same", strconv.Itoa(i))
		s.request(s.requester, "", "owner", "Question "+strconv.Itoa(i))
	}
	for _, table := range []string{"knowledge", "knowledge_requests", "events", "users"} {
		h.mend(`UPDATE ` + table + ` SET created_at = (SELECT min(created_at) FROM ` + table + `) WHERE id % 3 > 0`)
	}
	for _, field := range []string{
		`users(%s)`, `users(orderBy: {field: CREATED_AT, direction: DESC}, %s)`, `users(search: "e", %s)`,
		`knowledge(%s)`, `knowledge(orderBy: {field: TITLE}, %s)`, `knowledge(orderBy: {field: UPDATED_AT, direction: DESC}, %s)`,
		`knowledge(orderBy: {field: CREATED_AT}, where: {ownerId: ` + strconv.Itoa(s.owner.id) + `}, %s)`,
		`knowledgeRequests(box: RECEIVED, %s)`, `knowledgeRequests(box: RECEIVED, status: PENDING, orderBy: {field: CREATED_AT}, %s)`,
		`notifications(%s)`, `notifications(unreadOnly: true, orderBy: {field: CREATED_AT}, %s)`,
	} {
		all := h.list(s.owner, fmt.Sprintf(field, "first: 100"))
		if len(all.Edges) < 3 || all.TotalCount != len(all.Edges) || all.PageInfo.HasNextPage || all.PageInfo.HasPreviousPage {
			t.Fatalf("%s: %+v", field, all)
		}
		for size := 1; size <= 2; size++ {
			forward := []string{}
			for at, more := "", true; more; {
				page := h.list(s.owner, fmt.Sprintf(field, fmt.Sprintf("first: %d%s", size, at)))
				forward = append(forward, page.ids()...)
				if more = page.PageInfo.HasNextPage; more {
					at = `, after: "` + *page.PageInfo.EndCursor + `"`
				}
			}
			if diff := cmp.Diff(all.ids(), forward); diff != "" {
				t.Errorf("%s forward by %d (-all +pages):\n%s", field, size, diff)
			}
			backward := []string{}
			for at, more := "", true; more; {
				page := h.list(s.owner, fmt.Sprintf(field, fmt.Sprintf("last: %d%s", size, at)))
				backward = append(page.ids(), backward...)
				if more = page.PageInfo.HasPreviousPage; more {
					at = `, before: "` + *page.PageInfo.StartCursor + `"`
				}
			}
			if diff := cmp.Diff(all.ids(), backward); diff != "" {
				t.Errorf("%s backward by %d (-all +pages):\n%s", field, size, diff)
			}
		}
	}
}

func TestAListWithoutBoundsHasTwenty(t *testing.T) {
	t.Parallel()
	h := build(t)
	s := h.set()
	for i := range 21 {
		s.request(s.requester, "", "owner", "Question "+strconv.Itoa(i))
	}
	for _, field := range []string{`knowledgeRequests(box: RECEIVED)`, `notifications`} {
		if page := h.list(s.owner, field); len(page.Edges) != 20 || !page.PageInfo.HasNextPage || page.TotalCount != 24 {
			t.Errorf("%s: %d of %d, more: %t", field, len(page.Edges), page.TotalCount, page.PageInfo.HasNextPage)
		}
	}
}
