package web

import (
	"iter"
	"mime"
	"strconv"
	"strings"
)

// unasked is how much a client likes that a response is not encoded, when it says nothing of it: less than whatever it names.
const unasked = 0.0001

// encodings are how much a client likes gzip and no encoding at all, by its Accept-Encoding (RFC 9110, section 12.5.3); 0 is not at all.
func encodings(accept []string) (gzip, identity float64) {
	identity = unasked
	other := -1.0
	named := map[string]float64{}
	for coding, quality := range members(accept) {
		if coding == "*" {
			other = quality
		} else {
			named[coding] = quality
		}
	}
	if other == 0 {
		identity = 0
	}
	if quality, ok := named["identity"]; ok {
		identity = quality
	}
	for _, name := range []string{"gzip", "x-gzip"} {
		if quality, ok := named[name]; ok {
			return quality, identity
		}
	}
	return max(other, 0), identity
}

// acceptsHTML says that an Accept names HTML, as that of a navigation does. A program that would take anything is not meant: it asks
// for something that is not there.
func acceptsHTML(accept []string) bool {
	for mediaType, quality := range members(accept) {
		if (mediaType == "text/html" || mediaType == "application/xhtml+xml") && quality > 0 {
			return true
		}
	}
	return false
}

// members are those of a list with qualities, in lower case. What is malformed is passed over.
func members(list []string) iter.Seq2[string, float64] {
	return func(yield func(string, float64) bool) {
		for member := range strings.SplitSeq(strings.Join(list, ","), ",") {
			name, parameters, err := mime.ParseMediaType(member)
			if err != nil {
				continue
			}
			quality := 1.0
			if q, ok := parameters["q"]; ok {
				quality, err = strconv.ParseFloat(q, 64)
			}
			if err != nil || !(quality >= 0 && quality <= 1) {
				continue
			}
			if !yield(name, quality) {
				return
			}
		}
	}
}
