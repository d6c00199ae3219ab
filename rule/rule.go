// Package rule holds the rules of the entities that concern more than one column: which texts are allowed, and the
// errors of every rule that a write can break.
//
// The hooks in ent/schema apply the rules, so they hold for every writer. Compare the errors with errors.Is and
// errors.As; the one table of their codes is in package graph. This package imports nothing of ours, so that the
// schema and all other rooms can share it. It also defines which JSON from clients is valid, because several rooms
// read some.
//
// Non-goals: who may do what (the policies in ent/schema), and the form of an error for clients.
package rule

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	// ErrNotFound is returned if the object does not exist, or if the viewer may not know that it does.
	ErrNotFound = errors.New("there is no such object")
	// ErrForbidden is returned if the viewer can see the object but may not do this with it.
	ErrForbidden = errors.New("this is for the object's owner alone")
	// ErrOwnKnowledge is returned for a request for the requester's own item.
	ErrOwnKnowledge = errors.New("this is your own knowledge: there is nobody to ask")
	// ErrAlreadyShared is returned for a request for an item that the requester can read.
	ErrAlreadyShared = errors.New("this knowledge is already shared with you: read its content")
	// ErrAlreadyAnswered is returned if the request is no longer pending.
	ErrAlreadyAnswered = errors.New("this request has already been answered")
)

// InputError reports what is wrong with one input, what is allowed, and what to do.
type InputError struct {
	Field  string // its name in the API
	Reason string
}

func (e *InputError) Error() string { return e.Field + ": " + e.Reason }

// Inputf returns an InputError.
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

// Line returns s trimmed. It rejects an empty text, one of more than limit characters, and everything that Text
// rejects.
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

// Text returns s unchanged. It rejects more than MaxContent bytes, invalid UTF-8, and every control character except
// tab and newline.
func Text(field, s string) (string, error) {
	if len(s) > MaxContent {
		return "", Inputf(field, "has %d bytes, allowed are %d: shorten it", len(s), MaxContent)
	}
	return s, printable(field, s)
}

// Email returns s trimmed and in lower case. It rejects a text that cannot be an address. It does not check whether
// the address exists.
func Email(field, s string) (string, error) {
	if err := printable(field, strings.TrimSpace(s)); err != nil { // before ToLower, because that hides invalid UTF-8
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

// Fold returns s in the form for search and order: in lower case, in all alphabets.
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
