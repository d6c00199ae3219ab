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

// unasked is the quality of the identity encoding if Accept-Encoding does not name it. It is less than any named
// quality.
const unasked = 0.0001

// encodings returns the codings that a client accepts by its Accept-Encoding (RFC 9110, section 12.5.3). The
// preferred one comes first, and among equals the one with the smallest output.
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

// acceptsHTML reports whether an Accept header names HTML, as that of a navigation does. A program that accepts
// anything gets a 404 instead of a page.
func acceptsHTML(accept []string) bool {
	for mediaType, quality := range members(accept) {
		if (mediaType == "text/html" || mediaType == "application/xhtml+xml") && quality > 0 {
			return true
		}
	}
	return false
}

// members returns the members of a list with their qualities, in lower case. It skips malformed ones.
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
