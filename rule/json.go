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

// maxJSONDepth is how deep objects and arrays of a JSON text may be nested.
const maxJSONDepth = 100

// decoders keep what one text after the other needs anew.
var decoders = sync.Pool{New: func() any { return jsontext.NewDecoder(nothing) }}

var nothing = strings.NewReader("")

// Object reads the text of one JSON object as RFC 8259 has it, and as strictly as I-JSON (RFC 7493, section 2): text
// that two readers could take for different values is refused. That is text with a name twice in one object, with
// half of a surrogate pair, with a number that no float64 comes near, or in anything but UTF-8. Numbers are of type
// json.Number.
//
// The error is an *InputError. It names the place by the names that lead to it, such as variables.input.title, and
// the whole text by field.
func Object(field string, text []byte) (map[string]any, error) {
	if !utf8.Valid(text) {
		return nil, Inputf(field, "is not valid UTF-8: send it encoded as UTF-8")
	}
	d := decoders.Get().(*jsontext.Decoder) //nolint:forcetypeassert // nothing else is in there
	defer func() {
		d.Reset(nothing) // or it would keep the text
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

// jsonFault says what is wrong with the text, where, and what is allowed.
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

// EscapeLength is how many bytes the escape of a UTF-16 code unit has.
const EscapeLength = len(`\u0000`)

// EscapedUnit reads the escape of a UTF-16 code unit, such as \u00e9, which JSON and GraphQL have alike, from the
// front of text.
func EscapedUnit[T ~string | ~[]byte](text T) (unit rune, ok bool) {
	if len(text) < EscapeLength || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text[2:EscapeLength]), 16, 16)
	return rune(n), err == nil
}
