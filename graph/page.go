package graph

import (
	"context"
	"slices"

	"entgo.io/ent/dialect/sql"
	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"lorebridge/ent"
	"lorebridge/rule"
)

// Connection is a page of a list.
type Connection[N any] struct {
	Edges      []*Edge[N]
	PageInfo   *PageInfo
	TotalCount int
}

// Edge is a row of a list.
type Edge[N any] struct {
	Node   *N
	Cursor Cursor
}

type (
	// UserConnection is a page of people.
	UserConnection = Connection[ent.User]
	// UserEdge is one of them.
	UserEdge = Edge[ent.User]
	// KnowledgeConnection is a page of knowledge.
	KnowledgeConnection = Connection[ent.Knowledge]
	// KnowledgeEdge is one of them.
	KnowledgeEdge = Edge[ent.Knowledge]
	// KnowledgeRequestConnection is a page of requests.
	KnowledgeRequestConnection = Connection[ent.KnowledgeRequest]
	// KnowledgeRequestEdge is one of them.
	KnowledgeRequestEdge = Edge[ent.KnowledgeRequest]
	// NotificationConnection is a page of notifications.
	NotificationConnection = Connection[ent.Event]
	// NotificationEdge is one of them.
	NotificationEdge = Edge[ent.Event]
	// StoredSubscriptionConnection is a page of stored subscriptions.
	StoredSubscriptionConnection = Connection[ent.StoredSubscription]
	// StoredSubscriptionEdge is one of them.
	StoredSubscriptionEdge = Edge[ent.StoredSubscription]
)

// bounds are the Relay arguments of a list.
type bounds struct {
	first, last   *int
	after, before *Cursor
}

// checked returns an error for pages that are too long. If there are no bounds, it adds a limit, because without one
// the whole list would be read.
func (b bounds) checked() (bounds, error) {
	for name, n := range map[string]*int{"first": b.first, "last": b.last} {
		if n != nil && (*n < 0 || *n > maxPage) {
			return b, rule.Inputf(name, "is %d, allowed are 0 to %d: read the list page by page", *n, maxPage)
		}
	}
	if b.first == nil && b.last == nil {
		b.first = new(defaultPage)
	}
	return b, nil
}

// query is what ent generates for a table of rows N.
type query[Q, N any, P, O ~func(*sql.Selector)] interface {
	Clone() Q
	Where(conditions ...P) Q
	Order(terms ...O) Q
	Limit(n int) Q
	Count(ctx context.Context) (int, error)
	Exist(ctx context.Context) (bool, error)
	All(ctx context.Context) ([]*N, error)
	Collect(op *graphql.OperationContext, sets []ast.SelectionSet, columns ...string) Q
}

// connect reads the page of a list as the Relay specification defines it. Of the rows between the cursors it takes the
// first ones, and of these the last ones. The total count, hasPreviousPage and hasNextPage are about the whole list,
// not only about the rows between the cursors. connect reads only what is selected.
func connect[Q query[Q, N, P, O], N any, P, O ~func(*sql.Selector)](
	ctx context.Context, list Q, b bounds, by order[N],
) (*Connection[N], error) {
	after, err := by.find("after", b.after)
	if err != nil {
		return nil, err
	}
	before, err := by.find("before", b.before)
	if err != nil {
		return nil, err
	}
	op := graphql.GetOperationContext(ctx)
	selected := ent.Selections(op, []ast.SelectionSet{graphql.GetFieldContext(ctx).Field.Selections})
	edges, pageInfo := selected["edges"], selected["pageInfo"]

	c := &Connection[N]{Edges: []*Edge[N]{}, PageInfo: &PageInfo{}}
	if selected["totalCount"] != nil {
		if c.TotalCount, err = list.Clone().Count(ctx); err != nil {
			return nil, err
		}
	}
	if edges == nil && pageInfo == nil {
		return c, nil
	}

	w, err := readWindow(ctx, list.Clone().Collect(op, ent.Selections(op, edges)["node"], by.column), b, by, after, before)
	if err != nil {
		return nil, err
	}
	if err := w.lookAround(ctx, ent.Selections(op, pageInfo), c.PageInfo, func(ctx context.Context, s side) (bool, error) {
		return list.Clone().Where(by.on(s)).Exist(ctx)
	}); err != nil {
		return nil, err
	}
	for _, row := range w.rows {
		c.Edges = append(c.Edges, by.edge(row))
	}
	if n := len(c.Edges); n > 0 {
		c.PageInfo.StartCursor, c.PageInfo.EndCursor = &c.Edges[0].Cursor, &c.Edges[n-1].Cursor
	}
	return c, nil
}

// readWindow reads the rows of a page from list, and one more row to know whether the list goes on.
func readWindow[Q query[Q, N, P, O], N any, P, O ~func(*sql.Selector)](
	ctx context.Context, list Q, b bounds, by order[N], after, before *place,
) (*window[N], error) {
	if after != nil {
		list.Where(by.on(side{of: after, following: true}))
	}
	if before != nil {
		list.Where(by.on(side{of: before}))
	}
	backwards, limit := b.first == nil, b.first
	if backwards {
		limit = b.last
	}
	rows, err := list.Order(by.sort(backwards)).Limit(*limit + 1).All(ctx)
	if err != nil {
		return nil, err
	}
	w := newWindow(rows, *limit, backwards, by, after, before)
	if !backwards && b.last != nil {
		w.keepLast(*b.last)
	}
	return w, nil
}

// window has the rows of a page, and what is known about the list around them.
type window[N any] struct {
	rows                 []*N
	preceding, following beyond
}

// beyond is whether the list goes on: either that is known, or there is a side to look at.
type beyond struct {
	known, exists bool
	at            side
}

// newWindow makes a window of the rows between the cursors. They are in the order in which they were read. If there
// are more rows than the limit, there is one more.
func newWindow[N any](rows []*N, limit int, backwards bool, by order[N], after, before *place) *window[N] {
	more := len(rows) > limit
	rows = rows[:min(len(rows), limit)]
	if backwards {
		slices.Reverse(rows)
	}
	// Without a cursor the list has on its side only the rows that the limit cut off.
	w := &window[N]{
		rows:      rows,
		preceding: beyond{known: after == nil || backwards && more, exists: backwards && more},
		following: beyond{known: before == nil || !backwards && more, exists: !backwards && more},
	}
	// Without rows the page is right after the cursor after, or right before the cursor before if the list was read
	// backwards.
	switch {
	case len(rows) > 0:
		start, end := by.place(rows[0]), by.place(rows[len(rows)-1])
		w.preceding.at, w.following.at = side{of: &start}, side{of: &end, following: true}
	case after == nil || w.preceding.exists:
		w.following.at = side{of: before, following: true, including: true}
	default:
		w.preceding.at, w.following.at = side{of: after, including: true}, side{of: after, following: true}
	}
	return w
}

// keepLast drops all rows but the last n.
func (w *window[N]) keepLast(n int) {
	if len(w.rows) > n {
		w.preceding = beyond{known: true, exists: true}
		w.rows = w.rows[len(w.rows)-n:]
	}
}

// lookAround sets in info whether the list goes on before and after the window, as far as the client selected that.
// exists reads whether the list has a row on a side.
func (w *window[N]) lookAround(
	ctx context.Context, selected map[string][]ast.SelectionSet, info *PageInfo, exists func(context.Context, side) (bool, error),
) (err error) {
	look := func(b beyond) (bool, error) {
		if b.known {
			return b.exists, nil
		}
		return exists(ctx, b.at)
	}
	if selected["hasPreviousPage"] != nil {
		if info.HasPreviousPage, err = look(w.preceding); err != nil {
			return err
		}
	}
	if selected["hasNextPage"] != nil {
		info.HasNextPage, err = look(w.following)
	}
	return err
}
