package graph

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
)

// Cursor is the place of a row in an order, whether the row is still there or not.
type Cursor struct {
	// Order is the name of the order.
	Order string `json:"o"`
	// Value is what the order compares first: a text, or a time in the form of RFC 3339.
	Value string `json:"v"`
	// ID distinguishes rows that have the same value.
	ID int `json:"i"`
}

// maxCursor is how many bytes a cursor may have. The longest title fits, even if all of its characters are wide.
const maxCursor = 2 << 10

// String returns the cursor in the form that clients get.
func (c Cursor) String() string {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // it would make a title of angle brackets six times as long
	_ = encoder.Encode(c)        // of texts and a number
	return base64.RawURLEncoding.EncodeToString(bytes.TrimSuffix(text.Bytes(), []byte("\n")))
}

// MarshalCursor writes a cursor.
func MarshalCursor(c Cursor) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = io.WriteString(w, strconv.Quote(c.String())) // into the executor's buffer
	})
}

// UnmarshalCursor reads a cursor exactly as MarshalCursor wrote it. It does not check whether the cursor is one of the
// list.
func UnmarshalCursor(v any) (Cursor, error) {
	var c Cursor
	if text, ok := v.(string); ok && len(text) <= maxCursor {
		if plain, err := base64.RawURLEncoding.DecodeString(text); err == nil && utf8.Valid(plain) &&
			json.Unmarshal(plain, &c) == nil && c.String() == text {
			return c, nil
		}
	}
	return Cursor{}, fmt.Errorf("%s is not a cursor: give one as this server returned it", quote(fmt.Sprint(v)))
}
