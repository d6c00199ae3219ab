package graph

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
)

// maxParameters is how many bytes the parameters of a URL may have. The server reads 64 KiB of a request before its
// body, and the headers need the rest.
const maxParameters = 48 << 10

// readURL reads a request from the parameters of its URL (GraphQL-over-HTTP, section "GET"), or returns the status and
// the error that reject it. A parameter that is empty counts as absent. It rejects two parameters of one name, and
// text that is not UTF-8. A filter in front of the server must read the same request.
func readURL(u *url.URL) (*graphql.RawParams, int, *gqlerror.Error) {
	if len(u.RawQuery) > maxParameters {
		return nil, http.StatusRequestURITooLong,
			failure(codePayloadTooLarge, "the parameters are over "+strconv.Itoa(maxParameters)+" bytes: send them by POST")
	}
	values, problem := parseParameters(u.RawQuery)
	if problem != nil {
		return nil, http.StatusBadRequest, problem
	}
	members := make(map[string]any)
	for name, value := range values {
		switch {
		case value == "":
		case name == "query" || name == "operationName":
			members[name] = value
		case strings.Trim(value, " \t\r\n") != "null":
			object, problem := decodeObject(name, []byte(value))
			if problem != nil {
				if place := problem.Extensions["field"]; place != name {
					problem = badInput(fmt.Sprint(name, ".", place), name+"."+problem.Message)
				}
				return nil, http.StatusBadRequest, problem
			}
			members[name] = object
		}
	}
	if members["query"] == nil && members["extensions"] == nil {
		return nil, http.StatusBadRequest, badInput("query",
			"query is missing: send it in the URL, such as /graphql?query={me{name}}, or send "+requestForm+" by POST")
	}
	params, problem := newParams(members)
	if problem != nil {
		return nil, http.StatusBadRequest, problem
	}
	return params, 0, nil
}

// parseParameters reads the parameters of a request from the part of a URL after its question mark. It ignores other
// parameters.
func parseParameters(rawQuery string) (map[string]string, *gqlerror.Error) {
	values := make(map[string]string)
	for pair := range strings.SplitSeq(rawQuery, "&") {
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil {
			return nil, badInput("URL", "a parameter's name is not percent-encoded: encode it as a form does")
		}
		switch name {
		case "query", "operationName", "variables", "extensions":
		default:
			continue
		}
		if _, twice := values[name]; twice {
			return nil, badInput(name, name+" is given twice: give it once")
		}
		if values[name], err = url.QueryUnescape(rawValue); err != nil {
			return nil, badInput(name, name+" is not percent-encoded: encode it as a form does")
		}
	}
	return values, nil
}

// byPOSTOnly returns an error for a GET request whose operation is no query, or nil. A link could make a browser send
// it, so a GET request must only read. A subscription would begin something that lasts. The result does not depend on
// whether the document is valid.
func byPOSTOnly(w http.ResponseWriter, r *http.Request, params *graphql.RawParams, made *graphql.OperationContext) *gqlerror.Error {
	if !isGET(r) {
		return nil
	}
	operation := made.Operation
	if operation == nil {
		document, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: params.Query}, maxTokens)
		if err != nil {
			return nil //nolint:nilerr // the executor has found it, too
		}
		operation = document.Operations.ForName(params.OperationName)
	}
	if operation == nil || operation.Operation == ast.Query {
		return nil
	}
	w.Header().Set("Allow", http.MethodPost)
	return failure(codeMethodNotAllowed, "GET serves queries only: send the "+string(operation.Operation)+" by POST")
}

// isGET reports whether a request only reads. HEAD is GET without a body, RFC 9110 section 9.3.2.
func isGET(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// visits redirects a browser that opens /graphql to the playground, unless the URL has a query.
type visits struct{ playground string }

var _ graphql.Transport = visits{}

func (v visits) Supports(r *http.Request) bool {
	if v.playground == "" || !isGET(r) || negotiate(r.Header, visitTypes) != typeHTML {
		return false
	}
	values, problem := parseParameters(r.URL.RawQuery)
	return problem == nil && values["query"] == "" && values["extensions"] == ""
}

func (v visits) Do(w http.ResponseWriter, _ *http.Request, _ graphql.GraphExecutor) {
	w.Header().Set("Location", v.playground)
	w.WriteHeader(http.StatusFound)
}
