package main

import (
	"errors"
	"strings"
	"testing"
)

func TestARequestIsParsedWithAnyOtherMembers(t *testing.T) {
	want := asked{query: "mutation Ask", ownerID: "7", question: "How \"so\"?\nÜ 🙂"}
	for name, body := range map[string]string{
		"as bench sends it": `{"query":"mutation Ask","variables":{"input":{"ownerId":"7","question":"How \"so\"?\nÜ 🙂"}}}`,
		"in another order, with white space": ` { "variables" : { "input" : { "question" : "How \u0022so\u0022?\n\u00dc \ud83d\ude42" , "ownerId" : "7" } } ,
			"query" : "mutation Ask" } `,
		"with more members": `{"operationName":null,"query":"mutation Ask","extensions":{"a":[1,[],{},-2.5e3,true,"]}"]},
			"variables":{"first":20,"input":{"more":{"b":[{}]},"ownerId":"7","question":"How \"so\"?\nÜ 🙂"}}}`,
	} {
		if got, err := decode([]byte(body)); err != nil || got != want {
			t.Errorf("%s: got %+v and error %v, want %+v", name, got, err, want)
		}
	}
}

func TestAnInvalidRequestIsRejected(t *testing.T) {
	for _, body := range []string{
		``, `[]`, `{`, `{"query"`, `{"query":}`, `{"query":1}`, `{"query":"a"`, `{"query":"a"}}`, `{"query":"a",}`, `{query:"a"}`,
		`{"query":"\q"}`, "{\"query\":\"a\nb\"}", "{\"query\":\"\xff\"}", `{"variables":[]}`, `{"variables":{"input":null}}`,
		`{"a":tru}`, `{"a":[1,]}`, `{"a":[1 2]}`, `{"a":01}`,
		`{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`,
	} {
		if got, err := decode([]byte(body)); !errors.Is(err, errJSON) {
			t.Errorf("%s: got %+v and error %v, want %v", body, got, err, errJSON)
		}
	}
}
