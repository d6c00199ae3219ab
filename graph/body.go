package graph

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"lorebridge/rule"
)

// requestForm shows the form of a request in errors about another form.
const requestForm = `an object such as {"query":"{ me { name } }","variables":{}}`

// decodeParams reads the JSON of a request, or returns what is wrong with it.
func decodeParams(body []byte) (*graphql.RawParams, *gqlerror.Error) {
	members, problem := decodeObject("body", body)
	if problem != nil {
		if problem.Extensions["field"] == "body" {
			problem.Message += ". It must be " + requestForm + "; batches are not served"
		}
		return nil, problem
	}
	return newParams(members)
}

// decodeObject reads JSON that must be an object, by the rules of rule.Object. The error calls the whole text name.
func decodeObject(name string, text []byte) (map[string]any, *gqlerror.Error) {
	object, err := rule.Object(name, text)
	if input, ok := errors.AsType[*rule.InputError](err); ok {
		const longest = 100 // bytes of the place: names of members can be long
		place := strings.ToValidUTF8(input.Field[:min(len(input.Field), longest)], "")
		return nil, badInput(place, place+" "+input.Reason)
	}
	return object, nil
}

// newParams makes a request of its members. A member that is null counts as absent. Unknown members, which the
// specification reserves, are ignored. Names differ by case, because a filter in front of the server must read the same
// request.
func newParams(members map[string]any) (*graphql.RawParams, *gqlerror.Error) {
	params := &graphql.RawParams{}
	var problems [4]*gqlerror.Error
	params.Query, problems[0] = member[string](members, "query", "a string")
	params.OperationName, problems[1] = member[string](members, "operationName", "a string")
	params.Variables, problems[2] = member[map[string]any](members, "variables", "an object")
	params.Extensions, problems[3] = member[map[string]any](members, "extensions", "an object")
	for _, problem := range problems {
		if problem != nil {
			return nil, problem
		}
	}
	persisted := params.Extensions["persistedQuery"]
	switch {
	case persisted != nil:
		object, _ := persisted.(map[string]any)
		version, _ := object["version"].(json.Number)
		hash, _ := object["sha256Hash"].(string)
		if version != "1" || hash == "" {
			return nil, badInput("extensions.persistedQuery", `persistedQuery must be an object such as {"version":1,"sha256Hash":"3ac2…"}`)
		}
		// gqlgen would read names of any case.
		params.Extensions["persistedQuery"] = map[string]any{"version": 1, "sha256Hash": hash}
	case params.Query == "":
		return nil, badInput("query", "query is missing: a request is "+requestForm)
	}
	if !utf8.ValidString(params.Query) || !utf8.ValidString(params.OperationName) {
		return nil, badInput("query", "the request is not valid UTF-8: send it encoded as UTF-8")
	}
	return params, nil
}

// member returns a member of a type, or the zero value if it is absent or null.
func member[T any](members map[string]any, name, kind string) (T, *gqlerror.Error) {
	value, ok := members[name].(T)
	if !ok && members[name] != nil {
		return value, badInput(name, name+" must be "+kind+": a request is "+requestForm)
	}
	return value, nil
}
