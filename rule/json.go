package rule

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// maxJSONDepth is the greatest nesting of objects and arrays in a JSON text.
const maxJSONDepth = 100

// decoders holds decoders for reuse.
var decoders = sync.Pool{New: func() any { return jsontext.NewDecoder(nothing) }}

var nothing = strings.NewReader("")

// Object parses the text of one JSON object by RFC 8259, as strictly as I-JSON (RFC 7493, section 2): it rejects text
// that two parsers could read as different values. That is text with a name twice in one object, or with half of a
// surrogate pair. It is also text with a number outside of the range of float64, or in another encoding than UTF-8.
// Numbers are of type json.Number.
//
// The error is an *InputError. Its field is the path to the place, such as variables.input.title, or the parameter
// field if the whole text is wrong.
func Object(field string, text []byte) (map[string]any, error) {
	if !utf8.Valid(text) {
		return nil, Inputf(field, "is not valid UTF-8: send it encoded as UTF-8")
	}
	d := decoders.Get().(*jsontext.Decoder) //nolint:forcetypeassert // the pool holds nothing else
	defer func() {
		d.Reset(nothing) // releases the text
		decoders.Put(d)
	}()
	d.Reset(bytes.NewBuffer(text))
	if d.PeekKind() != jsontext.KindBeginObject {
		return nil, Inputf(field, "must be a JSON object, such as {\"a\":1}, without anything before it")
	}
	value, err := jsonValue(d)
	if err == nil {
		if _, err = d.ReadToken(); errors.Is(err, io.EOF) {
			return value.(map[string]any), nil
		}
		return nil, Inputf(field, "has something behind the object (byte %d): send one object alone", d.InputOffset()+1)
	}
	place := jsonPlace(d.StackPointer())
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		place = jsonPlace(syntax.JSONPointer)
		err = jsonFault(syntax)
	}
	if place == "" {
		place = field
	}
	return nil, &InputError{Field: place, Reason: err.Error()}
}

// jsonFault describes what is wrong with the text, at which byte, and what is allowed.
func jsonFault(err *jsontext.SyntacticError) error {
	reason := "is not sound JSON: " + err.Err.Error()
	if errors.Is(err, jsontext.ErrDuplicateName) {
		reason = "is there twice: give each name once"
	}
	return errors.New(reason + " (byte " + strconv.FormatInt(err.ByteOffset+1, 10) + ")")
}

// jsonPlace is a pointer in the form of a field's name, such as variables.ids.0.
func jsonPlace(pointer jsontext.Pointer) string {
	return strings.Join(slices.Collect(pointer.Tokens()), ".")
}

// jsonValue reads the next value.
func jsonValue(d *jsontext.Decoder) (any, error) {
	token, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case jsontext.KindNull:
		return nil, nil
	case jsontext.KindTrue, jsontext.KindFalse:
		return token.Bool(), nil
	case jsontext.KindString:
		return token.String(), nil
	case jsontext.KindNumber:
		number := json.Number(token.String())
		if _, err := number.Float64(); err != nil {
			return nil, errors.New("is a number too large for anything: send a smaller one")
		}
		return number, nil
	default: // an object or an array
	}
	if d.StackDepth() > maxJSONDepth {
		return nil, errors.New("is nested over " + strconv.Itoa(maxJSONDepth) + " deep: send it flatter")
	}
	if token.Kind() == jsontext.KindBeginArray {
		array := []any{}
		for d.PeekKind() != jsontext.KindEndArray {
			value, err := jsonValue(d)
			if err != nil {
				return nil, err
			}
			array = append(array, value)
		}
		_, err = d.ReadToken()
		return array, err
	}
	object := make(map[string]any)
	for d.PeekKind() != jsontext.KindEndObject {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		key := name.String()
		if object[key], err = jsonValue(d); err != nil {
			return nil, err
		}
	}
	_, err = d.ReadToken()
	return object, err
}

// EscapeLength is the length in bytes of the escape of a UTF-16 code unit.
const EscapeLength = len(`\u0000`)

// EscapedUnit parses the escape of a UTF-16 code unit at the start of text, such as \u00e9. JSON and GraphQL use the
// same form.
func EscapedUnit[T ~string | ~[]byte](text T) (unit rune, ok bool) {
	if len(text) < EscapeLength || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text[2:EscapeLength]), 16, 16)
	return rune(n), err == nil
}
