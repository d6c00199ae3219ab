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
// body: more than this would leave too little for the headers.
const maxParameters = 48 << 10

// readURL reads a request from the parameters of its URL, as the GraphQL-over-HTTP specification's section "GET"
// says, or returns with which status and error to reject it. A parameter that is empty counts as absent. Two of one
// name are rejected, and what is not UTF-8: a filter in front of the server must read the same request.
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

// parseParameters reads the parameters that a request has from the part of a URL behind its question mark. Others are
// left alone.
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

// byPOSTOnly is the error for an operation that a link could make a browser send, or nil. A GET request only reads,
// so nothing but a query is run for it: not even a subscription, which would begin something that lasts. A document
// that is not valid counts as well.
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

// isGET says that a request is one that only reads. HEAD is GET without a body, RFC 9110 section 9.3.2.
func isGET(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// visits leads a browser that opens /graphql to the playground. A request that asks something is answered instead.
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
