// Package rule holds the rules of the entities that are not a matter of one column: what their texts may be,
// and the errors of every rule that a write can break.
//
// The hooks in ent/schema apply them, so that they hold for every writer; whoever answers a person compares the
// errors with errors.Is and errors.As (package graph has the one table of codes). It imports nothing of ours, so that
// the schema, the doors and the rooms between them can share it. What JSON of strangers may be is one of its rules,
// because every door reads some.
//
// Non-goals: who may do what (the policies in ent/schema), and how an error is told to a client.
package rule

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	// ErrNotFound says that the object does not exist, or the viewer may not know that it does.
	ErrNotFound = errors.New("there is no such object")
	// ErrForbidden says that the viewer sees the object, and may not do this with it.
	ErrForbidden = errors.New("this is for the object's owner alone")
	// ErrOwnKnowledge says that somebody asks for what is their own.
	ErrOwnKnowledge = errors.New("this is your own knowledge: there is nobody to ask")
	// ErrAlreadyShared says that somebody asks for what they can read.
	ErrAlreadyShared = errors.New("this knowledge is already shared with you: read its content")
	// ErrAlreadyAnswered says that the request is no longer pending.
	ErrAlreadyAnswered = errors.New("this request has already been answered")
)

// InputError says what is wrong with one input, what is allowed, and what to do.
type InputError struct {
	Field  string // as the API names it
	Reason string
}

func (e *InputError) Error() string { return e.Field + ": " + e.Reason }

// Inputf makes an InputError.
func Inputf(field, format string, args ...any) *InputError {
	return &InputError{Field: field, Reason: fmt.Sprintf(format, args...)}
}

// Limits of texts: characters are Unicode code points after trimming, bytes are of UTF-8.
const (
	MaxName     = 100      // characters
	MaxEmail    = 254      // bytes
	MaxTitle    = 200      // characters
	MaxQuestion = 2000     // characters
	MaxContent  = 64 << 10 // bytes, of KnowledgeContent.text and KnowledgeRequest.responseContent
)

// Line returns s trimmed. It refuses an empty one, one of more than limit characters, and what Text refuses.
func Line(field, s string, limit int) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return "", Inputf(field, "must not be empty: give 1 to %d characters", limit)
	}
	if n := utf8.RuneCountInString(s); n > limit {
		return "", Inputf(field, "has %d characters, allowed are 1 to %d: shorten it", n, limit)
	}
	return s, printable(field, s)
}

// Text returns s as it is. It refuses one of more than MaxContent bytes, broken UTF-8, and every control
// character but tab and newline.
func Text(field, s string) (string, error) {
	if len(s) > MaxContent {
		return "", Inputf(field, "has %d bytes, allowed are %d: shorten it", len(s), MaxContent)
	}
	return s, printable(field, s)
}

// Email returns s trimmed and in lower case. It refuses what cannot be an address; that it exists, nobody checks.
func Email(field, s string) (string, error) {
	if err := printable(field, strings.TrimSpace(s)); err != nil { // now: lower case hides broken UTF-8
		return "", err
	}
	s = strings.ToLower(strings.TrimSpace(s))
	if len(s) > MaxEmail {
		return "", Inputf(field, "has %d bytes, allowed are %d: give a shorter address", len(s), MaxEmail)
	}
	local, domain, found := strings.Cut(s, "@")
	if !found || local == "" || domain == "" || strings.Contains(domain, "@") || strings.ContainsFunc(s, unicode.IsSpace) {
		return "", Inputf(field, "is not an e-mail address: give one such as ada@example.com")
	}
	return s, nil
}

// Fold returns s as it is searched for and ordered by: in lower case, of all alphabets.
func Fold(s string) string { return strings.ToLower(s) }

func printable(field, s string) error {
	if !utf8.ValidString(s) {
		return Inputf(field, "is not valid UTF-8: send it encoded as UTF-8")
	}
	for _, r := range s {
		if unicode.IsControl(r) && r != '\t' && r != '\n' {
			return Inputf(field, "has the control character U+%04X, allowed are only tab and newline: remove it", r)
		}
	}
	return nil
}
