package rule_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"lorebridge/rule"
)

func TestAnObjectIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"a":`, 99) + `[]` + strings.Repeat("}", 99)
	for text, want := range map[string]any{
		`{}`:                                    map[string]any{},
		" \t\r\n{ \"a\" : [ 1 , { } ] }\n":      map[string]any{"a": []any{json.Number("1"), map[string]any{}}},
		`{"a":null,"A":true,"":false}`:          map[string]any{"a": nil, "A": true, "": false},
		`{"n":[0,-0,10,1.50,1e3,1E-2,-2.5e+1]}`: map[string]any{"n": numbers("0", "-0", "10", "1.50", "1e3", "1E-2", "-2.5e+1")},
		`{"n":123456789012345678901234567890}`:  map[string]any{"n": json.Number("123456789012345678901234567890")},
		`{"s":"\"\\\/\b\f\n\r\t\u0000\u00e9"}`:  map[string]any{"s": "\"\\/\b\f\n\r\t\x00é"},
		`{"s":"\ud83d\ude00 \uD83D\uDE00 😀"}`:   map[string]any{"s": "😀 😀 😀"},
		`{"s":"\uFFFD\uffff\\ud83d"}`:           map[string]any{"s": "\ufffd\uffff\\ud83d"},
		`{"\u0061":"a` + "\u2028\x7f" + `"}`:    map[string]any{"a": "a\u2028\x7f"},
		deep:                                    nil,
	} {
		got, err := rule.Object("body", []byte(text))
		if err != nil {
			t.Errorf("%.60s: %v", text, err)
		} else if want != nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %#v, want %#v", text, got, want)
		}
	}
}

func numbers(texts ...string) []any {
	var all []any
	for _, text := range texts {
		all = append(all, json.Number(text))
	}
	return all
}

func TestAnInvalidObjectIsRejectedWithItsPlace(t *testing.T) {
	t.Parallel()
	for text, place := range map[string]string{
		"":                                 "body",
		" ":                                "body",
		"null":                             "body",
		"[{}]":                             "body",
		`"{}"`:                             "body",
		"\ufeff{}":                         "body",
		"\xff":                             "body",
		"{\"a\":\"\xed\xa0\x80\"}":         "body",
		"{}{}":                             "body",
		"{}]":                              "body",
		"{}\x00":                           "body",
		"{}\u00a0":                         "body",
		"{":                                "body",
		`{"a"`:                             "a",
		`{"a":1`:                           "body",
		`{"a":1,}`:                         "body",
		`{,"a":1}`:                         "body",
		`{"a" 1}`:                          "a",
		`{a:1}`:                            "body",
		`{'a':1}`:                          "body",
		`{"a":1 "b":2}`:                    "body",
		`{/**/}`:                           "body",
		`{"a`:                              "body",
		`{"\ud83d":1}`:                     "body",
		`{"a":}`:                           "a",
		`{"a":nul}`:                        "a",
		`{"a":True}`:                       "a",
		`{"a":NaN}`:                        "a",
		`{"a":Infinity}`:                   "a",
		`{"a":01}`:                         "body",
		`{"a":+1}`:                         "a",
		`{"a":.5}`:                         "a",
		`{"a":5.}`:                         "a",
		`{"a":1e}`:                         "a",
		`{"a":-}`:                          "a",
		`{"a":0x10}`:                       "body",
		`{"a":1e400}`:                      "a",
		`{"a":-1e400}`:                     "a",
		`{"a":` + nines(400) + `}`:         "a",
		`{"a":[1,]}`:                       "a",
		`{"a":[,1]}`:                       "a",
		`{"a":[1 2]}`:                      "a",
		`{"a":[1`:                          "a",
		`{"a":"\x41"}`:                     "a",
		`{"a":"\u12"}`:                     "a",
		`{"a":"\u+123"}`:                   "a",
		`{"a":"\U0041"}`:                   "a",
		`{"a":"\u{41}"}`:                   "a",
		"{\"a\":\"\n\"}":                   "a",
		"{\"a\":\"\x00\"}":                 "a",
		`{"a":"\`:                          "a",
		`{"a":"\ud83d"}`:                   "a",
		`{"a":"\ud83db"}`:                  "a",
		`{"a":"\ud83d\n"}`:                 "a",
		`{"a":"\ude00"}`:                   "a",
		`{"a":"\ude00\ud83d"}`:             "a",
		`{"a":"\ud83d\ud83d\ude00"}`:       "a",
		`{"a":"\ud83d\u0041"}`:             "a",
		`{"a":"\uDBFF"}`:                   "a",
		`{"a":{"b":[{"c":"\udc00"}]}}`:     "a.b.0.c",
		`{"a":{"\udc00":1}}`:               "a",
		`{"a":1,"a":1}`:                    "a",
		`{"a":1,"b":2,"\u0061":3}`:         "a",
		`{"v":{"i":[{"t":1,"t":2}]}}`:      "v.i.0.t",
		`{"a":` + nested("[", 100) + `}`:   "a" + nested(".0", 99),
		strings.Repeat(`{"a":`, 100) + `{`: strings.TrimSuffix(strings.Repeat("a.", 100), "."),
	} {
		object, err := rule.Object("body", []byte(text))
		requireInputError(t, text, err, place)
		if object != nil {
			t.Errorf("%.60s is %v", text, object)
		}
	}
}

func nines(n int) string { return strings.Repeat("9", n) }

func nested(open string, n int) string { return strings.Repeat(open, n) }

// FuzzObject compares Object with encoding/json, which accepts more. A text that Object accepts has the same value
// there and comes back unchanged. A text that Object rejects is also rejected there, or two parsers could read it as
// different values.
func FuzzObject(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"a":[1,-0,1e3,"\ud83d\ude00\u0000",{"b":null}]}`, `{"a":1,"a":2}`, `{"a":"\ud83d"}`, `{"a":1e400}`, `{"a":01}`, "{}x", "{\"\xff\":1}",
		`{"a":"\uD800\uD800\uDC00\/\b"}`, `{"A":true,"a":false}`, "\ufeff{}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		object, err := rule.Object("body", text)
		var want map[string]any
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		expected := decoder.Decode(&want)
		valid := json.Valid(text) && expected == nil && want != nil
		if err == nil {
			if !valid || !reflect.DeepEqual(object, want) {
				t.Fatalf("%q is %v, want %v %v", text, object, want, expected)
			}
			written, err := json.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			if read, err := rule.Object("body", written); err != nil || !reflect.DeepEqual(read, object) {
				t.Fatalf("%q comes back as %q, %v", text, written, err)
			}
			return
		}
		if !valid {
			return
		}
		for _, reason := range []string{"UTF-8", "surrogate", "twice", "too large", "nested"} {
			if strings.Contains(err.Error(), reason) {
				return
			}
		}
		t.Fatalf("%q is rejected: %v", text, err)
	})
}

func BenchmarkObject(b *testing.B) {
	text := []byte(`{"query":"mutation($input: CreateKnowledgeRequestInput!) { createKnowledgeRequest(input: $input) { alreadyExists } }",` +
		`"variables":{"input":{"knowledgeId":"4294967297","question":"How do you graft an apple tree?"}},"operationName":null}`)
	b.Run("Object", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := rule.Object("body", text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			decoder := json.NewDecoder(bytes.NewReader(text))
			decoder.UseNumber()
			var object map[string]any
			if err := decoder.Decode(&object); err != nil {
				b.Fatal(err)
			}
		}
	})
}
