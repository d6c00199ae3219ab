package outbox

import (
	"slices"
	"testing"
)

func TestRangesAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]ranges{
		"": nil, "7": {{7, 7}}, "7-9": {{7, 9}}, "7-9,12": {{7, 9}, {12, 12}},
		"12884901889-12884901890": {{12884901889, 12884901890}},
	} {
		got, err := parseRanges(text)
		if err != nil || !slices.Equal(got, want) || got.String() != text {
			t.Errorf("%q is read as %v, %v", text, got, err)
		}
	}
	for _, text := range []string{",", "7,", "x", "9-7", "7-", "-7", "7-9-11", "7 - 9", "99999999999999999999"} {
		if got, err := parseRanges(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
	r := ranges{{7, 9}, {12, 12}}
	for seq, want := range map[int]bool{6: false, 7: true, 8: true, 9: true, 10: false, 11: false, 12: true, 13: false} {
		if r.cover(Cursor{seq}) != want {
			t.Errorf("%v cover %d: %v", r, seq, !want)
		}
	}
}

func FuzzRanges(f *testing.F) {
	for _, text := range []string{"", "7-9,12", "1,2,3", "9-7", "7-7"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parseRanges(text)
		if err != nil {
			return
		}
		again, err := parseRanges(r.String())
		if err != nil || !slices.Equal(again, r) {
			t.Errorf("%q is read as %v, written as %q and read as %v, %v", text, r, r, again, err)
		}
	})
}
