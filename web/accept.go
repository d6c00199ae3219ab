package web

import (
	"cmp"
	"iter"
	"maps"
	"mime"
	"slices"
	"strconv"
	"strings"
)

// unasked is how much a client likes that a response is not encoded, when it says nothing of it: less than whatever
// it names.
const unasked = 0.0001

// encodings are the codings that a client accepts, by its Accept-Encoding (RFC 9110, section 12.5.3): what it likes
// best comes first, and of what it likes equally what is smallest.
func encodings(accept []string) []string {
	named := maps.Collect(members(accept))
	other, all := named["*"]
	liked := map[string]float64{"br": other, "gzip": other, "identity": unasked}
	if all && other == 0 {
		liked["identity"] = 0
	}
	if quality, ok := named["x-gzip"]; ok {
		liked["gzip"] = quality
	}
	maps.Copy(liked, named)
	accepted := slices.DeleteFunc([]string{"br", "gzip", "identity"}, func(coding string) bool { return liked[coding] == 0 })
	slices.SortStableFunc(accepted, func(a, b string) int { return cmp.Compare(liked[b], liked[a]) })
	return accepted
}

// acceptsHTML says that an Accept names HTML, as that of a navigation does. A program that would take anything is not
// meant: it asks for something that is not there.
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
