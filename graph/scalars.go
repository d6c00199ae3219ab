package graph

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"lorebridge/outbox"
)

// MarshalTime writes the scalar Time as events do: in UTC with three decimals, always.
func MarshalTime(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = io.WriteString(w, `"`+outbox.FormatTime(t)+`"`) // into the executor's buffer
	})
}

// UnmarshalTime reads the scalar Time from any RFC 3339 string whose moment the database can hold and compare: in UTC of the years 1
// to 9999, to the nanosecond. So there are no leap seconds.
func UnmarshalTime(v any) (t time.Time, err error) {
	const longest = len("2006-01-02T15:04:05.999999999")
	text, _ := v.(string)
	text = strings.ToUpper(text) // section 5.6: t and z may be in lower case
	moment := strings.TrimRight(text, "Z")
	if zone := strings.LastIndexAny(text, "+-"); zone > len(time.DateOnly) {
		moment = text[:zone]
	}
	if len(moment) > longest || t.UnmarshalText([]byte(text)) != nil || t.UTC().Year() < 1 || t.UTC().Year() > 9999 {
		return time.Time{}, fmt.Errorf("%s is not a Time: give one such as %q", quote(fmt.Sprint(v)), "2026-11-23T10:00:00.000Z")
	}
	return t.UTC(), nil
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

// readers are the scalars whose texts have rules of their own. A literal or a variable is held to them before anything runs.
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
