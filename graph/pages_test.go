package graph_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lorebridge/graph"
)

// paged is a list for the test of its pages. Some of its places have no row any more, or none that passes the filter.
type paged struct {
	field, connection string // with %s for the arguments
	unfiltered        string // the list that its cursors come from
	table, rows       string // its rows in SQL
	orders            map[string]string
}

var pagedLists = []paged{
	{`users(%s)`, "UserConnection", `users(%s)`, "users", "true", map[string]string{"NAME": "name_key", "CREATED_AT": "created_at"}},
	{
		`knowledge(%s)`, "KnowledgeConnection", `knowledge(%s)`, "knowledge", "true",
		map[string]string{"TITLE": "title_key", "CREATED_AT": "created_at", "UPDATED_AT": "updated_at"},
	},
	{
		`knowledgeRequests(box: RECEIVED, status: PENDING, %s)`, "KnowledgeRequestConnection",
		`knowledgeRequests(box: RECEIVED, %s)`,
		"knowledge_requests", "owner_id = 1 AND status = 'PENDING'",
		map[string]string{"CREATED_AT": "created_at"},
	},
	{
		`knowledgeRequests(box: SENT, %s)`, "KnowledgeRequestConnection", `knowledgeRequests(box: SENT, %s)`,
		"knowledge_requests", "requester_id = 1",
		map[string]string{"CREATED_AT": "created_at"},
	},
	{`notifications(%s)`, "NotificationConnection", `notifications(%s)`, "events", "recipient_id = 1", map[string]string{"CREATED_AT": "created_at"}},
	{`storedSubscriptions(%s)`, "StoredSubscriptionConnection", `storedSubscriptions(%s)`, "subscribers", "true", map[string]string{"CREATED_AT": "created_at"}},
}

// pagedHarness has seven rows for each list, some of them alike in what they are ordered by. The reader has the id 1.
func pagedHarness(t *testing.T) (*scene, person) {
	t.Helper()
	h := build(t, func(p *plan) { p.Graph.Administrators = []string{"reader0@example.com"} })
	reader := h.person("Reader")
	s := &scene{harness: h, ids: map[string]int{"reader": reader.id}}
	for i, name := range []string{"Bob", "Zoe", "Same", "Same", "Same", "Ada"} {
		p := h.person(name)
		s.ids["other"] = p.id
		h.keep(reader, []string{"Same", "Roots", "Same", "Zeal", "Same", "Same"}[i], "")
		s.request(p, "", "reader", "Question")
		for n := range i % 2 {
			s.request(p, "", "reader", "Another "+strconv.Itoa(n))
		}
		s.request(reader, "", "other", "Question")
		s.request(reader, "", "other", "Another")
		must(t, h.client.StoredSubscription.Create().SetChannel(name+strconv.Itoa(i)).SetUserID(p.id).SetSessionID(1).SetTopic("KNOWLEDGE_PUBLISHED").
			SetField("knowledgePublished").SetDocument("").SetCursor(0).SetExpiresAt(time.Now().UTC()).Exec(h.system()))
	}
	for _, table := range []string{"users", "knowledge", "knowledge_requests", "events", "subscribers"} {
		h.mend(`UPDATE ` + table + ` SET created_at = (SELECT min(created_at) FROM ` + table + `) WHERE id % 3 > 0`)
	}
	h.mend(`UPDATE knowledge SET updated_at = created_at`)
	h.mend(`UPDATE knowledge_requests SET status = 'DENIED' WHERE id % 5 = 2`)
	return s, reader
}

// listPlace is where a row is in a list, or was.
type listPlace struct {
	id, cursor string
	row        bool // it is there, and passes the filter
}

// slice is the page of a list by the Relay specification: of what lies between the cursors the first rows, and of
// these the last. The cursors are places in the list, or -1.
func slice(places []listPlace, first, last *int, after, before int) page {
	from, to := after+1, len(places)
	if before >= 0 {
		to = max(from, before)
	}
	lie := func(from, to int) (rows []int) {
		for i := from; i < to; i++ {
			if places[i].row {
				rows = append(rows, i)
			}
		}
		return rows
	}
	rows := lie(from, to)
	if first == nil && last == nil {
		first = new(20)
	}
	if first != nil && len(rows) > *first {
		to = rows[*first]
		rows = lie(from, to)
	}
	if last != nil && len(rows) > *last {
		from = rows[len(rows)-*last-1] + 1
		rows = lie(from, to)
	}
	p := page{TotalCount: len(lie(0, len(places))), Edges: []pageEdge{}}
	p.PageInfo.HasPreviousPage, p.PageInfo.HasNextPage = len(lie(0, from)) > 0, len(lie(to, len(places))) > 0
	for _, i := range rows {
		p.Edges = append(p.Edges, pageEdge{Cursor: places[i].cursor, Node: pageNode{places[i].id}})
	}
	if len(rows) > 0 {
		p.PageInfo.StartCursor, p.PageInfo.EndCursor = &places[rows[0]].cursor, &places[rows[len(rows)-1]].cursor
	}
	return p
}

type pageNode struct{ ID string }

type pageEdge struct {
	Cursor string
	Node   pageNode
}

type page struct {
	TotalCount int
	PageInfo   struct {
		HasNextPage, HasPreviousPage bool
		StartCursor, EndCursor       *string
	}
	Edges []pageEdge
}

// Each list, in each order and direction, with each of the sixteen combinations of its four arguments.
func TestAPageIsThatOfASlice(t *testing.T) {
	t.Parallel()
	s, reader := pagedHarness(t)
	places := make(map[string][]listPlace) // by list and order
	for _, list := range pagedLists {
		for order := range list.orders {
			for _, direction := range []string{"ASC", "DESC"} {
				by := fmt.Sprintf("orderBy: {field: %s, direction: %s}", order, direction)
				var data map[string]page
				s.ask(reader, `{ list: `+fmt.Sprintf(list.unfiltered, "first: 100, "+by)+` { edges { cursor node { id } } } }`).into(&data)
				for _, edge := range data["list"].Edges {
					places[list.field+by] = append(places[list.field+by], listPlace{id: edge.Node.ID, cursor: edge.Cursor})
				}
			}
		}
	}
	for _, table := range []string{"users", "knowledge", "knowledge_requests", "events", "subscribers"} {
		s.mend(`DELETE FROM ` + table + ` WHERE id IN (SELECT id FROM ` + table + ` WHERE id % 4294967296 > 1 AND id % 4294967296 % 4 = 0)`)
	}
	for _, list := range pagedLists {
		for order, column := range list.orders {
			for _, direction := range []string{"ASC", "DESC"} {
				by := fmt.Sprintf("orderBy: {field: %s, direction: %s}", order, direction)
				t.Run(list.field+" "+order+" "+direction, func(t *testing.T) {
					known := places[list.field+by]
					var live string
					must(t, s.db.QueryRowContext(t.Context(), fmt.Sprintf("SELECT group_concat(id, ' ') FROM (SELECT id FROM %s WHERE %s ORDER BY %s %s, id %s)",
						list.table, list.rows, column, direction, direction)).Scan(&live))
					var ids []string
					for i := range known {
						known[i].row = slices.Contains(strings.Fields(live), known[i].id)
						if known[i].row {
							ids = append(ids, known[i].id)
						}
					}
					if got := strings.Join(ids, " "); got != live || len(ids) < 3 || len(ids) == len(known) {
						t.Fatalf("the list is %s, the rows %s, of %d places", got, live, len(known))
					}
					s.pages(t, reader, list, by, known)
				})
			}
		}
	}
}

// pages compares the pages of a list, many in one operation, with those of the slice.
func (s *scene) pages(t *testing.T, reader person, list paged, by string, places []listPlace) {
	t.Helper()
	const together = 25
	var query strings.Builder
	var want []page
	var what []string
	compare := func() {
		var got map[string]page
		h := *s.harness
		h.t = t
		h.ask(reader, "{"+query.String()+"} fragment f on "+list.connection+
			" { totalCount edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }").into(&got)
		for i := range want {
			if diff := cmp.Diff(want[i], got["p"+strconv.Itoa(i)]); diff != "" {
				t.Errorf("%s of %v (-slice +page):\n%s", what[i], places, diff)
			}
		}
		query.Reset()
		want, what = nil, nil
	}
	sizes := []*int{nil, new(0), new(2), new(9)}
	gone := slices.IndexFunc(places, func(p listPlace) bool { return !p.row })
	cursors := []int{-1, 1, gone, len(places) - 1} // -1 is none
	for _, first := range sizes {
		for _, last := range sizes {
			for _, after := range cursors {
				for _, before := range cursors {
					arguments := by
					for name, size := range map[string]*int{"first": first, "last": last} {
						if size != nil {
							arguments += fmt.Sprintf(", %s: %d", name, *size)
						}
					}
					for name, cursor := range map[string]int{"after": after, "before": before} {
						if cursor >= 0 {
							arguments += fmt.Sprintf(", %s: %q", name, places[cursor].cursor)
						}
					}
					fmt.Fprintf(&query, " p%d: %s { ...f }", len(want), fmt.Sprintf(list.field, arguments))
					want = append(want, slice(places, first, last, after, before))
					what = append(what, arguments)
					if len(want) == together {
						compare()
					}
				}
			}
		}
	}
	if len(want) > 0 {
		compare()
	}
}

// What a list counts is its own, and neither a page's nor what a cursor leaves; a page of none shows nothing else.
func TestAPageOfNoneHasItsCountAndItsPlace(t *testing.T) {
	t.Parallel()
	h := build(t)
	ada := h.person("Ada")
	const none = `{totalCount edges{node{id}} pageInfo{hasNextPage hasPreviousPage startCursor endCursor}}`
	for operation, want := range map[string]string{
		`{users(first:0){totalCount}}`:                     `{"users":{"totalCount":1}}`,
		`{users(last:0){totalCount}}`:                      `{"users":{"totalCount":1}}`,
		`{users(first:0,last:0){totalCount}}`:              `{"users":{"totalCount":1}}`,
		`{users(first:0)` + none + `}`:                     `{"users":{"totalCount":1,"edges":[],"pageInfo":{"hasNextPage":true,"hasPreviousPage":false,"startCursor":null,"endCursor":null}}}`,
		`{users(last:0)` + none + `}`:                      `{"users":{"totalCount":1,"edges":[],"pageInfo":{"hasNextPage":false,"hasPreviousPage":true,"startCursor":null,"endCursor":null}}}`,
		`{users(first:1,last:0)` + none + `}`:              `{"users":{"totalCount":1,"edges":[],"pageInfo":{"hasNextPage":false,"hasPreviousPage":true,"startCursor":null,"endCursor":null}}}`,
		`{users(search:"x",first:0)` + none + `}`:          `{"users":{"totalCount":0,"edges":[],"pageInfo":{"hasNextPage":false,"hasPreviousPage":false,"startCursor":null,"endCursor":null}}}`,
		`{notifications(last:0)` + none + `}`:              `{"notifications":{"totalCount":0,"edges":[],"pageInfo":{"hasNextPage":false,"hasPreviousPage":false,"startCursor":null,"endCursor":null}}}`,
		`{notifications(first:0){unreadCount totalCount}}`: `{"notifications":{"unreadCount":0,"totalCount":0}}`,
	} {
		if a := h.ask(ada, operation); string(a.Data) != want {
			t.Errorf("%s: %s, want %s", operation, a.body, want)
		}
	}
}

// A cursor is what the server gave out, letter for letter, or it is rejected before anything is read.
func TestAForgedCursorIsRejected(t *testing.T) {
	t.Parallel()
	h := build(t)
	ada := h.person("Ada")
	text := func(order, value string, id int) string {
		return graph.Cursor{Order: order, Value: value, ID: id}.String()
	}
	good := text("users.name_key", "ada", 1)
	for _, known := range []string{good, text("users.name_key", "", -1), text("users.name_key", "\u2028<>&\"\\", 1<<53)} {
		if got := h.ask(ada, `{ users(after: "`+known+`") { totalCount } }`).get("users", "totalCount"); got != "1" {
			t.Errorf("%s: %s", known, got)
		}
	}
	for what, forged := range map[string]string{
		"padding":                        good + "=",
		"more behind it":                 good + "AA",
		"a break in it":                  good[:4] + "\\n" + good[4:],
		"cut":                            good[:len(good)-2],
		"a key in capitals":              "eyJPIjoidXNlcnMubmFtZV9rZXkiLCJ2IjoiYWRhIiwiaSI6MX0",
		"a key too many":                 "eyJvIjoidXNlcnMubmFtZV9rZXkiLCJ2IjoiYWRhIiwiaSI6MSwieCI6MX0",
		"another order of the keys":      "eyJpIjoxLCJvIjoidXNlcnMubmFtZV9rZXkiLCJ2IjoiYWRhIn0",
		"an id that is a fraction":       "eyJvIjoidXNlcnMubmFtZV9rZXkiLCJ2IjoiYWRhIiwiaSI6MS41fQ",
		"another list":                   text("knowledge.title_key", "ada", 1),
		"another order":                  text("users.created_at", "2026-11-23T10:00:00Z", 1),
		"no order":                       text("", "ada", 1),
		"what the server gave out once":  "gqFpAaF2o2FkYQ",
		"a column that is nobody's":      text("users.password_hash", "ada", 1),
		"a statement in place of a name": text("users.name_key) OR (1", "ada", 1),
	} {
		for _, bound := range []string{"after", "before"} {
			s := h.ask(ada, `{ users(`+bound+`: "`+forged+`") { totalCount } }`)
			if s.code() != "BAD_USER_INPUT" {
				t.Errorf("%s: %d %s", what, s.status, s.body)
			}
		}
	}
	for _, moment := range []string{"", "now", "2026-11-23T10:00:00+01:00", "2026-11-23T10:00:00.100Z", "0000-01-01T00:00:00+23:59", "10000-01-01T00:00:00Z"} {
		h.ask(ada, `{ users(orderBy: {field: CREATED_AT}, after: "`+text("users.created_at", moment, 1)+`") { totalCount } }`).rejected("BAD_USER_INPUT:after")
	}
}
