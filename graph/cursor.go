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
	// Value is what the order compares first: a text, or a moment as RFC 3339 has it.
	Value string `json:"v"`
	// ID distinguishes rows of one value.
	ID int `json:"i"`
}

// maxCursor is how many bytes a cursor may have: enough for the longest title, whose every character is wide.
const maxCursor = 2 << 10

// String returns the cursor as clients get it.
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

// UnmarshalCursor reads a cursor as MarshalCursor wrote it, and nothing else. Whether it is one of the list, the list
// finds out.
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
