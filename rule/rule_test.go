package rule_test

import (
	"errors"
	"strings"
	"testing"

	"lorebridge/rule"
)

// requireInputError fails the test unless err is about the field and names what is allowed.
func requireInputError(t *testing.T, what string, err error, field string) {
	t.Helper()
	var input *rule.InputError
	if !errors.As(err, &input) {
		t.Errorf("%s: %v, want an InputError", what, err)
		return
	}
	if input.Field != field || input.Reason == "" || input.Error() != field+": "+input.Reason {
		t.Errorf("%s: %q about %q, want %q", what, input.Error(), input.Field, field)
	}
}

var controls = map[string]string{
	"NUL":             "a\x00b",
	"bell":            "a\ab",
	"escape":          "a\x1b[31mb",
	"carriage return": "a\r\nb",
	"form feed":       "a\fb",
	"delete":          "a\x7fb",
	"next line":       "a\u0085b",
	"C1":              "a\u009fb",
	"broken UTF-8":    "a\xffb",
	"cut off":         "a\xe2\x82",
	"surrogate":       "a\xed\xa0\x80b",
	"overlong":        "a\xc0\x80b",
}

func TestALineIsTrimmedAndCountsCharacters(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"a":                          "a",
		" \t\n a b \u2003\u00a0\r\n": "a b",
		"two\nlines\tand a tab":      "two\nlines\tand a tab",
		strings.Repeat("𝄞", 10):      strings.Repeat("𝄞", 10),
		"   " + strings.Repeat("𝄞", 10) + "\n": strings.Repeat("𝄞", 10),
		"e\u0301": "e\u0301", // two code points stay two
		"\u200b":  "\u200b",  // no control character, and no space to Unicode
	} {
		if got, err := rule.Line("title", given, 10+len("two\nlines\tand a tab")); err != nil || got != want {
			t.Errorf("%q becomes %q, %v", given, got, err)
		}
	}
	for _, empty := range []string{"", " ", "\t\n\r\v\f", "\u00a0\u2003\u3000\u0085"} {
		_, err := rule.Line("title", empty, 10)
		requireInputError(t, "empty", err, "title")
	}
	for what, text := range map[string]string{"eleven": strings.Repeat("a", 11), "eleven wide": strings.Repeat("𝄞", 11), "eleven é": strings.Repeat("é", 11)} {
		_, err := rule.Line("question", text, 10)
		requireInputError(t, what, err, "question")
	}
	for what, text := range controls {
		_, err := rule.Line("name", text, 100)
		requireInputError(t, what, err, "name")
	}
}

func TestATextStaysAsItIsAndCountsBytes(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", " \n", "a\tb\n", strings.Repeat("a", rule.MaxContent), strings.Repeat("𝄞", rule.MaxContent/4)} {
		if got, err := rule.Text("content", text); err != nil || got != text {
			t.Errorf("%.20q becomes %.20q, %v", text, got, err)
		}
	}
	for what, text := range map[string]string{
		"a byte too many":      strings.Repeat("a", rule.MaxContent+1),
		"65 KiB":               strings.Repeat("a", 65<<10),
		"a character too wide": strings.Repeat("a", rule.MaxContent-3) + "𝄞",
	} {
		_, err := rule.Text("content", text)
		requireInputError(t, what, err, "content")
	}
	for what, text := range controls {
		_, err := rule.Text("content", text)
		requireInputError(t, what, err, "content")
	}
}

func TestAnAddressIsTrimmedAndInLowerCase(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("a", rule.MaxEmail-len("@example.com")) + "@example.com"
	for _, test := range []struct{ given, want string }{
		{" Ada@Example.COM\n", "ada@example.com"},
		{"ada@localhost", "ada@localhost"},
		{"a+b.c-d@x.y", "a+b.c-d@x.y"},
		{"ÄDA@EXAMPLE.COM", "äda@example.com"},
		{longest, longest},
		{" " + longest + "\t", longest},
	} {
		if got, err := rule.Email("email", test.given); err != nil || got != test.want {
			t.Errorf("%q becomes %q, %v", test.given, got, err)
		}
	}
	for what, address := range map[string]string{
		"empty":                  "",
		"no at":                  "ada",
		"no name":                "@example.com",
		"no host":                "ada@",
		"two hosts":              "ada@example.com@example.org",
		"a space":                "ada lovelace@example.com",
		"a tab":                  "ada\t@example.com",
		"a line":                 "ada@example.com\nbcc:eve@example.com",
		"a no-break space":       "ada\u00a0@example.com",
		"a NUL":                  "ada\x00@example.com",
		"a C1 control":           "ada\u009f@example.com",
		"broken UTF-8":           "ada\xff@example.com",
		"a byte too long":        "a" + longest,
		"too long in lower case": strings.Repeat("Ⱥ", 100) + "@a.b", // which has three bytes, not two
	} {
		_, err := rule.Email("email", address)
		requireInputError(t, what, err, "email")
	}
}
