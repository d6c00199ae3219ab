package main

import (
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// maxDepth limits the nesting of values that are skipped.
const maxDepth = 32

var errJSON = errors.New("the body is not JSON of a GraphQL request")

// asked is a request. Missing values are empty.
type asked struct {
	query    string
	ownerID  string
	question string
}

// decode parses the body of a GraphQL request: query, and variables.input with ownerId and question. It skips any
// other JSON. The strings are copies, so body may be used again.
func decode(body []byte) (asked, error) {
	if !utf8.Valid(body) {
		return asked{}, errJSON
	}
	var a asked
	s := scanner{rest: body}
	err := s.object(0, func(key []byte, depth int) error {
		switch string(key) {
		case "query":
			return s.text(&a.query)
		case "variables":
			return s.object(depth, func(key []byte, depth int) error {
				if string(key) != "input" {
					return s.skip(depth)
				}
				return s.object(depth, func(key []byte, depth int) error {
					switch string(key) {
					case "ownerId":
						return s.text(&a.ownerID)
					case "question":
						return s.text(&a.question)
					}
					return s.skip(depth)
				})
			})
		}
		return s.skip(depth)
	})
	if err == nil && s.next() != 0 {
		err = errJSON
	}
	return a, err
}

// scanner parses JSON from the front of rest.
type scanner struct{ rest []byte }

// next skips white space and returns the next byte without removing it, or 0 at the end.
func (s *scanner) next() byte {
	for len(s.rest) > 0 {
		switch s.rest[0] {
		case ' ', '\t', '\r', '\n':
			s.rest = s.rest[1:]
		default:
			return s.rest[0]
		}
	}
	return 0
}

// take skips white space and removes one byte, which must be b.
func (s *scanner) take(b byte) error {
	if s.next() != b {
		return errJSON
	}
	s.rest = s.rest[1:]
	return nil
}

// object parses an object and calls member at each value.
func (s *scanner) object(depth int, member func(key []byte, depth int) error) error {
	if depth == maxDepth {
		return errJSON
	}
	if err := s.take('{'); err != nil {
		return err
	}
	if s.next() == '}' {
		return s.take('}')
	}
	for {
		key, _, err := s.quoted()
		if err == nil {
			err = s.take(':')
		}
		if err == nil {
			err = member(key, depth+1)
		}
		if err != nil {
			return err
		}
		if s.next() != ',' {
			return s.take('}')
		}
		s.rest = s.rest[1:]
	}
}

// quoted parses a string and returns the raw text between its quotes.
func (s *scanner) quoted() (raw []byte, escaped bool, err error) {
	if err := s.take('"'); err != nil {
		return nil, false, err
	}
	for i := 0; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '"':
			raw, s.rest = s.rest[:i], s.rest[i+1:]
			return raw, escaped, nil
		case c == '\\':
			escaped = true
			i++
		case c < ' ':
			return nil, false, errJSON
		}
	}
	return nil, false, errJSON
}

// text parses a string. encoding/json handles escapes, because they are rare.
func (s *scanner) text(into *string) error {
	s.next()
	start := s.rest
	raw, escaped, err := s.quoted()
	if err != nil {
		return err
	}
	if !escaped {
		*into = string(raw)
		return nil
	}
	if json.Unmarshal(start[:len(raw)+2], into) != nil {
		return errJSON
	}
	return nil
}

// skip parses any value.
func (s *scanner) skip(depth int) error {
	switch c := s.next(); c {
	case '{':
		return s.object(depth, func(_ []byte, depth int) error { return s.skip(depth) })
	case '[':
		return s.array(depth)
	case '"':
		_, _, err := s.quoted()
		return err
	}
	end := 0
	for end < len(s.rest) {
		switch s.rest[end] {
		case ',', ']', '}', ' ', '\t', '\r', '\n':
		default:
			end++
			continue
		}
		break
	}
	if !json.Valid(s.rest[:end]) {
		return errJSON
	}
	s.rest = s.rest[end:]
	return nil
}

func (s *scanner) array(depth int) error {
	if depth == maxDepth {
		return errJSON
	}
	if err := s.take('['); err != nil {
		return err
	}
	if s.next() == ']' {
		return s.take(']')
	}
	for {
		if err := s.skip(depth + 1); err != nil {
			return err
		}
		if s.next() != ',' {
			return s.take(']')
		}
		s.rest = s.rest[1:]
	}
}
