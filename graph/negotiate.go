package graph

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

const (
	typeJSON    = "application/json"
	typeGraphQL = "application/graphql-response+json"
	typeEvents  = "text/event-stream"
	typeHTML    = "text/html"
)

// answerTypes are the media types of answers. If a client gives several the same quality, by the same range of its
// Accept, the first of them is picked.
var answerTypes = []string{typeJSON, typeGraphQL, typeEvents}

// visitTypes are answerTypes, and the media type that a browser prefers if a person opens the URL.
var visitTypes = append(answerTypes, typeHTML)

// weight is a quality, RFC 9110 section 12.4.2.
var weight = regexp.MustCompile(`^(0(\.\d{0,3})?|1(\.0{0,3})?)$`)

// acceptedRange is a member of an Accept header.
type acceptedRange struct {
	mediaType
	quality float64
}

// negotiate picks one of the offered media types by the request's Accept, RFC 9110 section 12.5.1. It returns an empty
// string if the client accepts none. For each offer the most specific range counts. Of offers with the same quality it
// picks the one whose range comes first.
func negotiate(header http.Header, offers []string) string {
	members := splitList(header.Values("Accept"))
	if len(members) == 0 {
		return offers[0]
	}
	var ranges []acceptedRange
	for _, member := range members {
		if r, ok := parseRange(member); ok {
			ranges = append(ranges, r)
		}
	}
	picked, best, place := "", 0.0, 0
	for _, offer := range offers {
		i := mostSpecific(ranges, offer)
		if i < 0 {
			continue
		}
		if q := ranges[i].quality; q > best || q == best && q > 0 && i < place {
			picked, best, place = offer, q, i
		}
	}
	return picked
}

// parseRange reads a member of an Accept header. It returns false if the member does not follow the RFC, or excludes a
// media type with parameters that ours do not have.
func parseRange(member string) (acceptedRange, bool) {
	m, ok := parseMediaType(member)
	r := acceptedRange{mediaType: m, quality: 1}
	known := 0
	if q, weighted := m.parameters["q"]; weighted {
		known++
		ok = ok && weight.MatchString(q)
		r.quality, _ = strconv.ParseFloat(q, 64)
	}
	if _, named := m.parameters["charset"]; named {
		known++
	}
	return r, ok && (r.quality > 0 || len(m.parameters) == known)
}

// mostSpecific returns the index of the range that decides about a media type, or -1. Of two equally specific ranges
// the one with the higher quality decides.
func mostSpecific(ranges []acceptedRange, offer string) int {
	found, precedence := -1, 0
	for i, r := range ranges {
		p := r.precedence(offer)
		if p > precedence || p > 0 && p == precedence && r.quality > ranges[found].quality {
			found, precedence = i, p
		}
	}
	return found
}

// precedence returns how specific the range is about a media type of ours, or 0 if it does not include it. Ours are
// sent in UTF-8. It ignores parameters that ours do not have, because clients add parameters to types that they also
// read without them.
func (r acceptedRange) precedence(offer string) int {
	kind, subtype, _ := strings.Cut(offer, "/")
	charset, named := r.parameters["charset"]
	switch {
	case named && !isUTF8(charset):
		return 0
	case r.kind == kind && r.subtype == subtype && named:
		return 4
	case r.kind == kind && r.subtype == subtype:
		return 3
	case r.kind == kind && r.subtype == "*":
		return 2
	case r.kind == "*" && r.subtype == "*":
		return 1
	}
	return 0
}

// isUTF8 reports whether a charset is UTF-8, which some clients write without its hyphen.
func isUTF8(charset string) bool {
	return strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8")
}

// isJSON reports whether the request's content is JSON in UTF-8, RFC 9110 section 8.3. It returns false for two
// Content-Types, because another reader could take the other one.
func isJSON(header http.Header) bool {
	lines := header.Values("Content-Type")
	if len(lines) != 1 {
		return false
	}
	m, ok := parseMediaType(lines[0])
	charset, named := m.parameters["charset"]
	return ok && m.kind+"/"+m.subtype == typeJSON && (!named || isUTF8(charset))
}

// isEncoded reports whether the request's content is compressed or encoded in another way, RFC 9110 section 8.4.
func isEncoded(header http.Header) bool {
	for _, coding := range splitList(header.Values("Content-Encoding")) {
		if !strings.EqualFold(coding, "identity") {
			return true
		}
	}
	return false
}
