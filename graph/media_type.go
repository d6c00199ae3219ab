package graph

import "strings"

const (
	// tchar are the characters of tokens, RFC 9110 section 5.6.2.
	tchar = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	// blanks may stand around what separates, RFC 9110 section 5.6.3.
	blanks = " \t"
)

// mediaType is a media type, or a range of them: RFC 9110 sections 8.3.1 and 12.5.1.
type mediaType struct {
	kind, subtype string            // in small letters
	parameters    map[string]string // by their names in small letters
}

// parseMediaType reads one media type with its parameters. It returns false if the text does not follow the RFC to its
// end. It also returns false for two parameters of one name, because another reader could take the other one.
func parseMediaType(s string) (mediaType, bool) {
	name, rest, _ := strings.Cut(s, ";")
	kind, subtype, _ := strings.Cut(strings.Trim(name, blanks), "/")
	m := mediaType{kind: strings.ToLower(kind), subtype: strings.ToLower(subtype)}
	if !isToken(kind) || !isToken(subtype) {
		return m, false
	}
	for rest = strings.Trim(rest, blanks); rest != ""; rest = strings.TrimLeft(rest, blanks) {
		if rest[0] == ';' { // a parameter may be empty
			rest = rest[1:]
			continue
		}
		name, value, ok := strings.Cut(rest, "=")
		if !ok || !isToken(name) {
			return m, false
		}
		if value, rest, ok = cutValue(value); !ok {
			return m, false
		}
		name = strings.ToLower(name)
		if _, twice := m.parameters[name]; twice {
			return m, false
		}
		if m.parameters == nil {
			m.parameters = make(map[string]string)
		}
		m.parameters[name] = value
	}
	return m, true
}

// cutValue reads the value of a parameter, a token or a quoted string (RFC 9110 section 5.6.4). It returns the rest of
// the text, too.
func cutValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		rest = strings.TrimLeft(s, tchar)
		value = s[:len(s)-len(rest)]
		return value, rest, value != "" && endsParameter(rest)
	}
	var unquoted strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return unquoted.String(), s[i+1:], endsParameter(s[i+1:])
		case '\\':
			i++
			if i == len(s) {
				return "", "", false
			}
		}
		unquoted.WriteByte(s[i])
	}
	return "", "", false
}

// endsParameter reports whether the rest of the text is empty or begins with the next parameter.
func endsParameter(rest string) bool {
	rest = strings.TrimLeft(rest, blanks)
	return rest == "" || rest[0] == ';'
}

func isToken(s string) bool { return s != "" && strings.Trim(s, tchar) == "" }

// splitList returns the members of a list, RFC 9110 section 5.6.1. Header lines of one name are one list, and empty
// members do not count. A comma within a quoted string does not separate members.
func splitList(lines []string) []string {
	var members []string
	add := func(member string) {
		if member = strings.Trim(member, blanks); member != "" {
			members = append(members, member)
		}
	}
	for _, line := range lines {
		begin, quoted := 0, false
		for i := 0; i < len(line); i++ {
			switch {
			case line[i] == '"':
				quoted = !quoted
			case quoted && line[i] == '\\':
				i++
			case !quoted && line[i] == ',':
				add(line[begin:i])
				begin = i + 1
			}
		}
		add(line[begin:])
	}
	return members
}
