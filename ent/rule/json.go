package rule

import (
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxJSONDepth is how deep objects and arrays of a JSON text may be nested.
const maxJSONDepth = 100

// Object reads the text of one JSON object as RFC 8259 has it, and as strictly as I-JSON (RFC 7493, section 2): text that
// two readers could take for different values is refused. That is text with a name twice in one object, with half of a surrogate
// pair, with a number that no float64 comes near, or in anything but UTF-8. Numbers are of type json.Number.
//
// The error is an *InputError. It names the place by the names that lead to it, such as variables.input.title, and the whole
// text by field.
func Object(field string, text []byte) (map[string]any, error) {
	if !utf8.Valid(text) {
		return nil, Inputf(field, "is not valid UTF-8: send it encoded as UTF-8")
	}
	r := jsonReader{text: text}
	r.blanks()
	if r.peek() != '{' {
		return nil, Inputf(field, "must be a JSON object, such as {\"a\":1}, without anything before it")
	}
	object, err := r.object(0)
	if err == nil {
		r.blanks()
		if r.at < len(text) {
			err = r.fault("there is something behind the object: send one object alone")
		}
	}
	if err != nil {
		if err.Field == "" {
			err.Field = field
		}
		return nil, err
	}
	return object, nil
}

// jsonReader reads text from at on. Its errors name the place within the value that is read.
type jsonReader struct {
	text []byte
	at   int
}

func (r *jsonReader) fault(format string, args ...any) *InputError {
	return Inputf("", format+fmt.Sprintf(" (byte %d)", r.at+1), args...)
}

// peek is the next byte, or 0 at the end. A NUL is nothing that JSON has outside of strings.
func (r *jsonReader) peek() byte {
	if r.at == len(r.text) {
		return 0
	}
	return r.text[r.at]
}

func (r *jsonReader) blanks() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

// next skips blanks and then c, or returns false.
func (r *jsonReader) next(c byte) bool {
	r.blanks()
	if r.peek() != c {
		return false
	}
	r.at++
	return true
}

func (r *jsonReader) value(depth int) (any, *InputError) {
	r.blanks()
	switch c := r.peek(); {
	case c == '{':
		return anything(r.object(depth))
	case c == '[':
		return anything(r.array(depth))
	case c == '"':
		return anything(r.string())
	case c == '-', '0' <= c && c <= '9':
		return anything(r.number())
	case r.word("true"):
		return true, nil
	case r.word("false"):
		return false, nil
	case r.word("null"):
		return nil, nil
	}
	return nil, r.fault("is not JSON: a value is missing")
}

// word skips a word, or returns false.
func (r *jsonReader) word(word string) bool {
	rest := r.text[r.at:]
	if len(rest) < len(word) || string(rest[:len(word)]) != word {
		return false
	}
	r.at += len(word)
	return true
}

// anything gives a value that was read the type of all values.
func anything[T any](value T, err *InputError) (any, *InputError) {
	if err != nil {
		return nil, err
	}
	return value, nil
}

func (r *jsonReader) object(depth int) (map[string]any, *InputError) {
	if depth == maxJSONDepth {
		return nil, r.fault("is nested over %d deep: send it flatter", maxJSONDepth)
	}
	r.at++
	object := make(map[string]any)
	for comma := false; !r.next('}'); comma = true {
		if comma && !r.next(',') {
			return nil, r.fault("is not JSON: a comma or the end of an object is missing")
		}
		r.blanks()
		if r.peek() != '"' {
			return nil, r.fault("is not JSON: the name of a member is missing")
		}
		name, err := r.string()
		if err != nil {
			return nil, err
		}
		if _, twice := object[name]; twice {
			return nil, within(name, r.fault("is there twice: give each name once"))
		}
		if !r.next(':') {
			return nil, r.fault("is not JSON: a colon is missing")
		}
		value, err := r.value(depth + 1)
		if err != nil {
			return nil, within(name, err)
		}
		object[name] = value
	}
	return object, nil
}

// within puts a name before the place that an error names.
func within(name string, err *InputError) *InputError {
	if err.Field != "" {
		name += "." + err.Field
	}
	err.Field = name
	return err
}

func (r *jsonReader) array(depth int) ([]any, *InputError) {
	if depth == maxJSONDepth {
		return nil, r.fault("is nested over %d deep: send it flatter", maxJSONDepth)
	}
	r.at++
	array := []any{}
	for comma := false; !r.next(']'); comma = true {
		if comma && !r.next(',') {
			return nil, r.fault("is not JSON: a comma or the end of an array is missing")
		}
		value, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		array = append(array, value)
	}
	return array, nil
}

// number takes the digits as they are, if there is a float64 near them.
func (r *jsonReader) number() (json.Number, *InputError) {
	start := r.at
	digits := func() bool {
		first := r.at
		for '0' <= r.peek() && r.peek() <= '9' {
			r.at++
		}
		return r.at > first
	}
	if r.peek() == '-' {
		r.at++
	}
	zero := r.peek() == '0'
	whole := r.at
	sound := digits() && (!zero || r.at == whole+1)
	if r.peek() == '.' {
		r.at++
		sound = digits() && sound
	}
	if c := r.peek(); c == 'e' || c == 'E' {
		r.at++
		if c := r.peek(); c == '+' || c == '-' {
			r.at++
		}
		sound = digits() && sound
	}
	if !sound {
		return "", r.fault("is not JSON: a number is malformed")
	}
	number := json.Number(r.text[start:r.at])
	if _, err := strconv.ParseFloat(string(number), 64); err != nil {
		return "", r.fault("is a number beyond every float64: send a smaller one")
	}
	return number, nil
}

func (r *jsonReader) string() (string, *InputError) {
	r.at++
	start := r.at
	var decoded []byte // of what stands before start; nil without an escape
	for r.at < len(r.text) {
		switch c := r.text[r.at]; {
		case c == '"':
			end := r.at
			r.at++
			if decoded == nil {
				return string(r.text[start:end]), nil
			}
			return string(append(decoded, r.text[start:end]...)), nil
		case c == '\\':
			decoded = append(decoded, r.text[start:r.at]...)
			char, err := r.escape()
			if err != nil {
				return "", err
			}
			decoded = utf8.AppendRune(decoded, char)
			start = r.at
		case c < ' ':
			return "", r.fault(`is not JSON: a string has a control character, which must be written as \u%04x`, c)
		default:
			r.at++
		}
	}
	return "", r.fault("is not JSON: a string has no end")
}

// escapes are the characters that a letter behind a backslash stands for.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape reads an escape, or the two of a surrogate pair.
func (r *jsonReader) escape() (rune, *InputError) {
	if r.at+1 < len(r.text) {
		if char := escapes[r.text[r.at+1]]; char != 0 {
			r.at += 2
			return rune(char), nil
		}
	}
	first, ok := EscapedUnit(r.text[r.at:])
	if !ok {
		return 0, r.fault(`is not JSON: a string has an escape that does not exist`)
	}
	if !utf16.IsSurrogate(first) {
		r.at += EscapeLength
		return first, nil
	}
	second, _ := EscapedUnit(r.text[r.at+EscapeLength:])
	char := utf16.DecodeRune(first, second)
	if char == utf8.RuneError {
		return 0, r.fault(`has half of a surrogate pair, \u%04x, which is no character: send whole characters`, first)
	}
	r.at += 2 * EscapeLength
	return char, nil
}

// EscapeLength is how many bytes the escape of a UTF-16 code unit has.
const EscapeLength = len(`\u0000`)

// EscapedUnit reads the escape of a UTF-16 code unit, such as \u00e9, which JSON and GraphQL have alike, from the front of text.
func EscapedUnit[T ~string | ~[]byte](text T) (unit rune, ok bool) {
	if len(text) < EscapeLength || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text[2:EscapeLength]), 16, 16)
	return rune(n), err == nil
}
