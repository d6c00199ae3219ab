package graph

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"lorebridge/outbox"
)

// MarshalTime writes the scalar Time in the form that events have: in UTC with three decimals.
func MarshalTime(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = io.WriteString(w, `"`+outbox.FormatTime(t)+`"`) // into the executor's buffer
	})
}

// moments is date-time of RFC 3339, section 5.6. time.Parse accepts more. T and Z may be in lower case.
var moments = regexp.MustCompile(`^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// UnmarshalTime reads the scalar Time from any RFC 3339 string whose time the database can store and compare: in the
// years 1 to 9999 of UTC, to the nanosecond. It accepts no leap seconds.
func UnmarshalTime(v any) (time.Time, error) {
	if text, ok := v.(string); ok && moments.MatchString(text) {
		t, err := time.Parse(time.RFC3339Nano, strings.ToUpper(text))
		if t = t.UTC(); err == nil && t.Year() >= 1 && t.Year() <= 9999 {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%s is not a Time: give one such as %q", quote(fmt.Sprint(v)), "2026-11-23T10:00:00.000Z")
}

// maxID is the largest id: ids are numbers that JavaScript can hold.
const maxID = 1<<53 - 1

// MarshalID writes an id as the string of its number.
func MarshalID(id int) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = io.WriteString(w, strconv.Quote(strconv.Itoa(id)))
	})
}

// UnmarshalID reads an id from a string or a number, in the one form in which MarshalID writes it.
func UnmarshalID(v any) (int, error) {
	text := fmt.Sprint(v)
	id, err := strconv.Atoi(text)
	if err != nil || id < 1 || id > maxID || strconv.Itoa(id) != text {
		return 0, fmt.Errorf("%s is not an id: give one as this server returned it", quote(text))
	}
	return id, nil
}

// readers holds the scalars whose texts have rules of their own. Literals and variables are checked against them
// before anything runs.
var readers = map[string]func(text string) error{
	"ID":     readerOf(UnmarshalID),
	"Time":   readerOf(UnmarshalTime),
	"Cursor": readerOf(UnmarshalCursor),
}

func readerOf[T any](unmarshal func(any) (T, error)) func(string) error {
	return func(text string) error {
		_, err := unmarshal(text)
		return err
	}
}
