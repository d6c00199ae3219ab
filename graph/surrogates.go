package graph

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"lorebridge/rule"
)

// halfSurrogate returns the first escape in the strings of a document that is half of a surrogate pair, or an empty
// string. The parser would replace it by U+FFFD. Block strings and comments have no escapes.
func halfSurrogate(document string) string {
	if !strings.Contains(document, `\u`) {
		return ""
	}
	for i := 0; i < len(document); i++ {
		rest := document[i:]
		switch {
		case rest[0] == '#':
			i += lineEnd(rest)
		case strings.HasPrefix(rest, `"""`):
			i += blockEnd(rest) - 1
		case rest[0] == '"':
			end, half := stringEnd(rest)
			if half != "" {
				return half
			}
			i += end - 1
		}
	}
	return ""
}

func lineEnd(text string) int {
	if end := strings.IndexAny(text, "\r\n"); end >= 0 {
		return end
	}
	return len(text)
}

// blockEnd returns the length of the block string at the beginning of text.
func blockEnd(text string) int {
	const quotes, escaped = `"""`, `\"""`
	for i := len(quotes); i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], escaped):
			i += len(escaped) - 1
		case strings.HasPrefix(text[i:], quotes):
			for strings.HasPrefix(text[i+1:], quotes) { // of more than three quotes the last three are the end
				i++
			}
			return i + len(quotes)
		}
	}
	return len(text)
}

// stringEnd returns the length of the string at the beginning of text, and its first half of a surrogate pair.
func stringEnd(text string) (end int, half string) {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"', '\n', '\r':
			return i + 1, ""
		case '\\':
			first, ok := rule.EscapedUnit(text[i:])
			if !ok || !utf16.IsSurrogate(first) {
				i++
				continue
			}
			second, _ := rule.EscapedUnit(text[i+rule.EscapeLength:])
			if utf16.DecodeRune(first, second) == utf8.RuneError {
				return i, text[i : i+rule.EscapeLength]
			}
			i += 2*rule.EscapeLength - 1
		}
	}
	return len(text), ""
}
