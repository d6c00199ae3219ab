package graph

import (
	"time"

	"entgo.io/ent/dialect/sql"

	"lorebridge/ent"
	"lorebridge/ent/event"
	"lorebridge/ent/knowledge"
	"lorebridge/ent/knowledgerequest"
	"lorebridge/ent/storedsubscription"
	"lorebridge/ent/user"
	"lorebridge/rule"
)

// order is the order of a list: by a column, and by id for rows that have the same value in it.
type order[N any] struct {
	table, column string
	place         func(row *N) place
	read          func(value string) (any, error) // the reverse of place.String
	descending    bool
}

// place is the place of a row in an order, whether the row exists or not.
type place struct {
	value any // of the column: a string or a time.Time
	id    int
}

// String returns the value in the form that cursors have.
func (p place) String() string {
	if moment, ok := p.value.(time.Time); ok {
		return moment.UTC().Format(time.RFC3339Nano)
	}
	text, _ := p.value.(string)
	return text
}

// byText orders by a column of texts, alphabetically.
func byText[N any](table, column string, at func(*N) (string, int)) order[N] {
	return order[N]{
		table: table, column: column,
		place: func(row *N) place { text, id := at(row); return place{text, id} },
		read:  func(value string) (any, error) { return value, nil },
	}
}

// byMoment orders by a column of moments, the newest first.
func byMoment[N any](table, column string, at func(*N) (time.Time, int)) order[N] {
	return order[N]{
		table: table, column: column, descending: true,
		place: func(row *N) place { moment, id := at(row); return place{moment, id} },
		read: func(value string) (any, error) {
			moment, err := time.Parse(time.RFC3339Nano, value)
			return moment.UTC(), err
		},
	}
}

var userOrders = map[UserOrderField]order[ent.User]{
	UserOrderFieldName: byText(user.Table, user.FieldNameKey,
		func(u *ent.User) (string, int) { return u.NameKey, u.ID }),
	UserOrderFieldCreatedAt: byMoment(user.Table, user.FieldCreatedAt,
		func(u *ent.User) (time.Time, int) { return u.CreatedAt, u.ID }),
}

var knowledgeOrders = map[KnowledgeOrderField]order[ent.Knowledge]{
	KnowledgeOrderFieldTitle: byText(knowledge.Table, knowledge.FieldTitleKey,
		func(k *ent.Knowledge) (string, int) { return k.TitleKey, k.ID }),
	KnowledgeOrderFieldCreatedAt: byMoment(knowledge.Table, knowledge.FieldCreatedAt,
		func(k *ent.Knowledge) (time.Time, int) { return k.CreatedAt, k.ID }),
	KnowledgeOrderFieldUpdatedAt: byMoment(knowledge.Table, knowledge.FieldUpdatedAt,
		func(k *ent.Knowledge) (time.Time, int) { return k.UpdatedAt, k.ID }),
}

var knowledgeRequestOrders = map[KnowledgeRequestOrderField]order[ent.KnowledgeRequest]{
	KnowledgeRequestOrderFieldCreatedAt: byMoment(knowledgerequest.Table, knowledgerequest.FieldCreatedAt,
		func(k *ent.KnowledgeRequest) (time.Time, int) { return k.CreatedAt, k.ID }),
}

var notificationOrders = map[NotificationOrderField]order[ent.Event]{
	NotificationOrderFieldCreatedAt: byMoment(event.Table, event.FieldCreatedAt,
		func(e *ent.Event) (time.Time, int) { return e.CreatedAt, e.ID }),
}

var storedSubscriptionOrders = map[StoredSubscriptionOrderField]order[ent.StoredSubscription]{
	StoredSubscriptionOrderFieldCreatedAt: byMoment(storedsubscription.Table, storedsubscription.FieldCreatedAt,
		func(s *ent.StoredSubscription) (time.Time, int) { return s.CreatedAt, s.ID }),
}

// The orders of the lists whose edges mutations return, if none is asked for.
var (
	newestKnowledge = knowledgeOrders[KnowledgeOrderFieldCreatedAt]
	newestRequests  = knowledgeRequestOrders[KnowledgeRequestOrderFieldCreatedAt]
)

// towards returns the order in this direction. Without a direction, texts go from A to Z and times from the newest to
// the oldest.
func (o order[N]) towards(direction *OrderDirection) order[N] {
	if direction != nil {
		o.descending = *direction == OrderDirectionDesc
	}
	return o
}

// name returns the name of the order in cursors, which is the same for both directions.
func (o order[N]) name() string { return o.table + "." + o.column }

// edge returns the row with its cursor.
func (o order[N]) edge(row *N) *Edge[N] {
	at := o.place(row)
	return &Edge[N]{Node: row, Cursor: Cursor{Order: o.name(), Value: at.String(), ID: at.id}}
}

// find returns the place of a cursor, or nil if there is no cursor. It returns an error for cursors of other lists and
// orders, which cannot be compared.
func (o order[N]) find(argument string, c *Cursor) (*place, error) {
	if c == nil {
		return nil, nil //nolint:nilnil // no cursor is given, and so no place
	}
	if c.Order == o.name() {
		if value, err := o.read(c.Value); err == nil {
			if at := (place{value, c.ID}); at.String() == c.Value {
				return &at, nil
			}
		}
	}
	return nil, rule.Inputf(argument, "is not a cursor of this list in this order: give one as this server returned it")
}

// side is the part of a list on one side of a place.
type side struct {
	of        *place
	following bool
	including bool // the row at the place, too
}

// on returns the condition for the rows on the side.
func (o order[N]) on(s side) func(*sql.Selector) {
	operator := " < "
	if s.following != o.descending {
		operator = " > "
	}
	if s.including {
		operator = operator[:2] + "= "
	}
	return func(rows *sql.Selector) {
		rows.Where(sql.P(func(b *sql.Builder) {
			b.Wrap(func(b *sql.Builder) { b.IdentComma(rows.C(o.column), rows.C("id")) })
			b.WriteString(operator)
			b.Wrap(func(b *sql.Builder) { b.Args(s.of.value, s.of.id) })
		}))
	}
}

// sort returns what puts rows into the order, or into its reverse.
func (o order[N]) sort(reversed bool) func(*sql.Selector) {
	term := sql.Asc
	if o.descending != reversed {
		term = sql.Desc
	}
	return func(rows *sql.Selector) { rows.OrderBy(term(rows.C(o.column)), term(rows.C("id"))) }
}
