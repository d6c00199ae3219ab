package graph

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"entgo.io/contrib/entgql"
	"github.com/99designs/gqlgen/graphql"

	"lorebridge/outbox"
)

// MarshalTime writes the scalar Time as events do: in UTC with three decimals, always.
func MarshalTime(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = io.WriteString(w, `"`+outbox.FormatTime(t)+`"`) // into the executor's buffer
	})
}

// UnmarshalTime reads the scalar Time from any RFC 3339 string.
func UnmarshalTime(v any) (time.Time, error) {
	if s, ok := v.(string); ok {
		if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%.40s is not a Time: give one such as %q", fmt.Sprint(v), "2026-11-23T10:00:00.000Z")
}

// maxCursor is how many bytes a cursor may have. It holds an id and what its list is ordered by, at most a title; one that
// is nested a million times would otherwise cost its decoder hundreds of megabytes of stack.
const maxCursor = 2 << 10

// MarshalCursor writes a cursor as ent does.
func MarshalCursor(c entgql.Cursor[int]) graphql.Marshaler { return c }

// UnmarshalCursor reads a cursor. Whether it is one of the list, the list finds out.
func UnmarshalCursor(v any) (c entgql.Cursor[int], err error) {
	s, ok := v.(string)
	if !ok || len(s) > maxCursor || c.UnmarshalGQL(s) != nil {
		return cursor{}, fmt.Errorf("%.40s is not a cursor: give one as this server returned it", fmt.Sprint(v))
	}
	return c, nil
}

// MarshalOrderDirection writes the direction of an order.
func MarshalOrderDirection(d entgql.OrderDirection) graphql.Marshaler { return d }

// UnmarshalOrderDirection reads the direction of an order. Null is none: the list then takes the one that suits its order.
func UnmarshalOrderDirection(v any) (d entgql.OrderDirection, err error) {
	if v == nil {
		return "", nil
	}
	if s, ok := v.(string); !ok || d.UnmarshalGQL(s) != nil {
		return "", fmt.Errorf("%.40s is not an OrderDirection: give ASC or DESC", fmt.Sprint(v))
	}
	return d, nil
}

// maxID is the largest id: ids are numbers that JavaScript can hold.
const maxID = 1<<53 - 1

// MarshalID writes an id as the string of its number.
func MarshalID(id int) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = io.WriteString(w, strconv.Quote(strconv.Itoa(id)))
	})
}

// UnmarshalID reads an id from a string or a number.
func UnmarshalID(v any) (int, error) {
	var text string
	switch v := v.(type) {
	case string:
		text = v
	case json.Number:
		text = v.String()
	case int64:
		text = strconv.FormatInt(v, 10)
	}
	id, err := strconv.Atoi(text)
	if err != nil || id < 1 || id > maxID {
		return 0, fmt.Errorf("%.40s is not an id: give one as this server returned it", fmt.Sprint(v))
	}
	return id, nil
}
