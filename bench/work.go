package main

import "fmt"

// work is the kind of a client's operations.
type work string

const (
	workCreate work = "create"
	workList   work = "list"
	workMix    work = "mix"
)

// listsPerCreate is the number of lists that a client of workMix reads before it creates.
const listsPerCreate = 9

// listed is the number of requests that a list asks for. Every recipient gets as many before the first measurement.
const listed = 20

// creates reports whether a client's nth operation is a mutation. If not, it is a list.
func (w work) creates(n int) bool {
	switch w {
	case workCreate:
		return true
	case workMix:
		return n%(listsPerCreate+1) == listsPerCreate
	default:
		return false
	}
}

// delivers reports whether the work causes events.
func (w work) delivers() bool { return w != workList }

// unit returns the name of its operations.
func (w work) unit() string {
	switch w {
	case workCreate:
		return "mutations"
	case workList:
		return "lists"
	default:
		return "operations"
	}
}

func (w work) title() string {
	switch w {
	case workCreate:
		return "`createKnowledgeRequest`: a free question to a person"
	case workList:
		return fmt.Sprintf("`knowledgeRequests(box: RECEIVED, first: %d)` with requester and owner", listed)
	default:
		return fmt.Sprintf("%d such lists to each such mutation", listsPerCreate)
	}
}

// The documents are those of our own clients. The server caches them parsed; each client sends them in full.
const (
	signUpDocument = `mutation SignUp($input: SignUpInput!) { signUp(input: $input) { user { id } token } }`

	realtimeDocument = `query Realtime { realtime { key cluster host port tls authEndpoint channel } }`

	createDocument = `mutation Ask($input: CreateKnowledgeRequestInput!) { createKnowledgeRequest(input: $input) { ` +
		`knowledgeRequest { id status createdAt } alreadyExists } }`

	listDocument = `query Received($first: Int!) { knowledgeRequests(box: RECEIVED, first: $first) { ` +
		`edges { cursor node { id question status createdAt requester { id name } owner { id name } } } pageInfo { hasNextPage endCursor } } }`
)
